import { onScopeDispose, ref, shallowRef, watch } from 'vue';
import { messageOf } from '../../shared/errors';
import type { ConnectionRow } from '../../shared/topology';
import { useWorkbench } from '../live/workbench';

/** The owner reads all masks anew for every answer: it rests for so many times as long as that took. */
const rest = 9;

/**
 * What became of a run's connections: read when the page is opened, and again when the run has told another topology.
 * @param updates how many topologies it has told
 */
export function useConnections(id: string, updates: () => number) {
  const { client } = useWorkbench();
  const rows = shallowRef<ConnectionRow[]>([]);
  const status = ref<'loading' | 'ready' | 'failed'>('loading');
  const problem = ref('');
  let isShown = true;
  let isReading = false;

  async function read(): Promise<void> {
    if (isReading) return;
    isReading = true;
    for (let known = -1; isShown && known !== updates();) {
      known = updates();
      const began = performance.now();
      try {
        ({ rows: rows.value } = await client.topology.connections({ id }));
        status.value = 'ready';
      } catch (error) {
        problem.value = messageOf(error);
        if (rows.value.length === 0) status.value = 'failed';
      }
      const took = performance.now() - began;
      await new Promise((resolve) => setTimeout(resolve, rest * took));
    }
    isReading = false;
  }

  watch(updates, () => void read(), { immediate: true });
  onScopeDispose(() => (isShown = false));
  return { rows, status, problem };
}

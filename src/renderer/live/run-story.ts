import { onScopeDispose, ref, shallowRef, watch, type MaybeRefOrGetter, toValue } from 'vue';
import { messageOf } from '../../shared/errors';
import type { StoredEvent } from '../../shared/run-records';
import { useRuns } from '../stores/runs';
import type { Client } from '../../shared/contract/client';
import type { RunEvent } from '../../shared/run-events';
import { useWorkbench } from './workbench';

const storyTypes: RunEvent['type'][] = [
  'started',
  'evaluation',
  'averaging',
  'sparsity',
  'checkpoint',
  'finished',
  'paused',
  'stopped',
  'failed',
];

/** Events of a run but its steps, page by page. */
async function storyOf(client: Client, id: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let from = 0; ;) {
    const page = await client.runs.events({ id, types: storyTypes, from });
    events.push(...page.events);
    if (!page.more) return events;
    from = events.at(-1)!.sequence + 1;
  }
}

/**
 * What a run has told apart from its steps: read once, then lengthened by what it tells. A resumed run tells again what came
 * after its checkpoint, which goes.
 */
export function useRunStory(id: MaybeRefOrGetter<string>) {
  const { client } = useWorkbench();
  const runs = useRuns();
  const events = shallowRef<StoredEvent[]>([]);
  const status = ref<'loading' | 'ready' | 'failed'>('loading');
  const problem = ref('');
  let stop: (() => void) | undefined;

  async function read(run: string): Promise<void> {
    status.value = 'loading';
    const early: StoredEvent[] = [];
    stop = runs.onEvents(run, (told) => {
      if (status.value === 'ready') add(told);
      else early.push(...told);
    });
    try {
      const told = await storyOf(client, run);
      if (run !== toValue(id)) return;
      events.value = told;
      status.value = 'ready';
      add(early);
    } catch (error) {
      if (run !== toValue(id)) return;
      status.value = 'failed';
      problem.value = messageOf(error);
    }
  }

  function add(told: readonly StoredEvent[]): void {
    const list = [...events.value];
    for (const stored of told) {
      while (list.length > 0 && list.at(-1)!.sequence >= stored.sequence) list.pop();
      if (stored.event.type !== 'step') list.push(stored);
    }
    events.value = list;
  }

  watch(
    () => toValue(id),
    (run) => {
      stop?.();
      void read(run);
    },
    { immediate: true },
  );
  onScopeDispose(() => stop?.());
  return { events, status, problem };
}

import { onScopeDispose, shallowReactive, watch } from 'vue';
import { useWorkbench } from '../live/workbench';
import { useRuns } from '../stores/runs';

const points = 40;
const restMs = 60;

/** Validation curves of the runs that are seen, read once and lengthened by what is told. */
export function useSparkLines(seen: () => readonly string[]): ReadonlyMap<string, readonly number[]> {
  const { client } = useWorkbench();
  const runs = useRuns();
  const curves = shallowReactive(new Map<string, readonly number[]>());
  const followed = new Map<string, () => void>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function read(ids: readonly string[]): Promise<void> {
    for (const id of ids) follow(id);
    try {
      const { lines } = await client.runs.series({ runs: [...ids], metrics: ['validationPerplexity'], points });
      for (const { run, y } of lines) curves.set(run, y);
    } catch {
      for (const id of ids) unfollow(id); // they are asked for again when they are seen again
    }
  }

  function follow(id: string): void {
    followed.set(
      id,
      runs.onEvents(id, (events) => {
        const told = events.flatMap(({ event }) => (event.type === 'evaluation' ? [event.perplexity] : []));
        if (events.some(({ event }) => event.type === 'started' && event.resumedFrom !== null)) void read([id]);
        else if (told.length > 0) curves.set(id, [...(curves.get(id) ?? []), ...told]);
      }),
    );
  }

  function unfollow(id: string): void {
    followed.get(id)?.();
    followed.delete(id);
  }

  // Scrolling shows many rows for a moment each: those that stay are asked for, together; the first ones at once.
  watch(
    seen,
    (ids) => {
      clearTimeout(timer);
      const missing = ids.filter((id) => !followed.has(id));
      if (missing.length === 0) return;
      if (followed.size === 0) void read(missing);
      else timer = setTimeout(() => void read(missing), restMs);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    clearTimeout(timer);
    for (const id of [...followed.keys()]) unfollow(id);
  });
  return curves;
}

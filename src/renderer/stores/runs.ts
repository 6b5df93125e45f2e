import { defineStore } from 'pinia';
import { computed, reactive, ref, shallowReactive, watch } from 'vue';
import { messageOf } from '../../shared/errors';
import type { RunView } from '../../shared/contract/contract';
import { progressAfter } from '../../shared/run-progress';
import type { DamagedRun, StoredEvent } from '../../shared/run-records';
import { isLive, type RunState } from '../../shared/run-state';
import { tableRow, type RunTableRow } from '../../shared/run-table';
import { followNews, type Heard } from '../live/news';
import { useWorkbench } from '../live/workbench';

/** Runs of the first question: what a screen shows. */
const firstRuns = 40;
/** Of each other one: so few that questions of others soon have their turn. */
const pieceRuns = 100;

type Listener = (events: readonly StoredEvent[]) => void;

/** Every run that is not in the trash, as it is now: read once, and kept true by news. */
export const useRuns = defineStore('runs', () => {
  const { client, link } = useWorkbench();
  const views = shallowReactive(new Map<string, RunView>());
  const rows = shallowReactive(new Map<string, RunTableRow>());
  const damaged = ref<DamagedRun[]>([]);
  /** `partial` while older runs are still being read. */
  const status = ref<'loading' | 'partial' | 'ready' | 'failed'>('loading');
  const problem = ref('');
  const selected = reactive(new Set<string>());
  const listeners = new Map<string, Set<Listener>>();
  const stale = new Set<string>();
  let following: AbortController | undefined;
  let listIsStale = false;
  let refreshing: Promise<unknown> | undefined;

  const list = computed(() => [...rows.values()]);
  const isReading = computed(() => status.value === 'loading' || status.value === 'partial');
  const liveCount = computed(() => list.value.filter(({ id }) => isLive(views.get(id)!.state)).length);
  const queuedCount = computed(() => list.value.filter(({ state }) => state === 'queued').length);

  async function start(): Promise<void> {
    following?.abort();
    following = new AbortController();
    status.value = rows.size > 0 ? 'ready' : 'loading';
    try {
      // They are answered in this order: what happens after the first two is told as news, whether the list has it or not.
      const [{ cursor }, { version }] = await Promise.all([
        client.now({}),
        client.news({ runs: [], after: Number.MAX_SAFE_INTEGER }),
        readAll(),
      ]);
      void followNews(client, { cursor, version }, take, following.signal);
    } catch (error) {
      status.value = 'failed';
      problem.value = messageOf(error);
    }
  }

  /** Piece by piece from the newest on, so that there is something to see at once. */
  async function readAll(): Promise<void> {
    const missed = new Set(rows.keys());
    const found: DamagedRun[] = [];
    let before: number | null = null;
    do {
      const told: Awaited<ReturnType<typeof client.runs.list>> = await client.runs.list({
        ...(before === null ? { most: firstRuns } : { most: pieceRuns, before }),
      });
      for (const view of told.runs) {
        put(view);
        missed.delete(view.record.id);
      }
      found.push(...told.damaged);
      before = told.next;
      if (status.value === 'loading') status.value = 'partial';
      await new Promise((resolve) => setTimeout(resolve)); // what is here is shown, and asks for its curves, before the rest
    } while (before !== null);
    for (const id of missed) forget(id);
    damaged.value = found;
    status.value = 'ready';
  }

  /** Reads these before the others, for who shows them. Those that are not there stay away. */
  async function readFirst(ids: readonly string[]): Promise<void> {
    const unknown = ids.filter((id) => !rows.has(id));
    if (unknown.length === 0 || status.value === 'ready') return;
    for (const view of (await client.runs.list({ ids: unknown })).runs) put(view);
  }

  function put(view: RunView): void {
    const { record } = view;
    if (record.trashed !== null) {
      forget(record.id);
      return;
    }
    const known = views.get(record.id)?.record;
    // Events may have been told while this was on its way.
    const isBehind =
      known?.attempts.length === record.attempts.length && known.progress.nextSequence > record.progress.nextSequence;
    const shown = isBehind ? { ...view, record: { ...record, progress: known.progress } } : view;
    views.set(record.id, shown);
    rows.set(record.id, tableRow(shown.record, shown.state));
  }

  function forget(id: string): void {
    views.delete(id);
    rows.delete(id);
    selected.delete(id);
  }

  function take({ events, states, gone, all }: Heard): void {
    const byRun = Map.groupBy(events, ({ run }) => run);
    for (const [id, told] of byRun) advance(id, told);
    for (const [id, state] of Object.entries(states)) takeState(id, state);
    for (const id of gone) forget(id);
    if (all) listIsStale = true;
    refresh();
    for (const [id, told] of byRun) for (const listener of listeners.get(id) ?? []) listener(told);
  }

  function advance(id: string, events: readonly StoredEvent[]): void {
    const view = views.get(id);
    if (view === undefined) return; // its state says that there is a new run
    let { progress } = view.record;
    for (const { sequence, event } of events) {
      const next = progressAfter(progress, sequence, event);
      if (next === undefined) stale.add(id);
      else progress = next;
    }
    put({
      ...view,
      record: { ...view.record, attempts: lengthened(view.record.attempts, events.at(-1)!.time), progress },
    });
  }

  /** State or record have changed: the state is here, the record has to be asked for. */
  function takeState(id: string, state: RunState): void {
    const view = views.get(id);
    if (view !== undefined) put({ ...view, state });
    stale.add(id);
  }

  /** Asks the database where news alone do not say enough; one question at a time. */
  function refresh(): void {
    if (refreshing !== undefined || (stale.size === 0 && !listIsStale)) return;
    const ids = [...stale];
    const all = listIsStale || ids.length > 20;
    stale.clear();
    listIsStale = false;
    const work = all ? readAll() : Promise.all(ids.map(reread));
    refreshing = Promise.resolve<unknown>(work)
      .catch(() => {
        listIsStale = true; // with the next news, after the connection is back
      })
      .finally(() => {
        refreshing = undefined;
        if (link.value.state === 'connected') refresh();
      });
  }

  /** Reads a run again that was changed from here: its name, tags, note, colour or place. */
  async function reread(id: string): Promise<void> {
    put(await client.runs.get({ id }));
  }

  /** Calls back with the events of a run as they come, until the returned function is called. */
  function onEvents(id: string, listener: Listener): () => void {
    const of = listeners.get(id) ?? new Set();
    listeners.set(id, of.add(listener));
    return () => {
      of.delete(listener);
      if (of.size === 0) listeners.delete(id);
    };
  }

  watch(
    () => link.value.state,
    (state, before) => {
      if (state === 'connected' && status.value !== 'ready') void start();
      else if (state === 'connected' && before === 'lost') {
        listIsStale = true;
        refresh();
      }
    },
    { immediate: true },
  );

  return {
    ...{ views, rows, list, damaged, status, isReading, problem, selected, liveCount, queuedCount },
    ...{ start, readAll, readFirst, reread, onEvents },
  };
});

/** Has the runs that a page shows read before the others. */
export function useReadFirst(ids: () => readonly string[]): void {
  const runs = useRuns();
  // Where that fails the list of all, which is being read, says so.
  watch(ids, (wanted) => void runs.readFirst(wanted).catch(() => undefined), { immediate: true });
}

/** The last attempt has lasted until its newest event. */
function lengthened<A extends { readonly last: number }>(attempts: readonly A[], last: number): A[] {
  return attempts.map((attempt, i) =>
    i === attempts.length - 1 ? { ...attempt, last: Math.max(last, attempt.last) } : attempt,
  );
}

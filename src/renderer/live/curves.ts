import { onScopeDispose, ref, shallowReactive, toValue, watch, type MaybeRefOrGetter } from 'vue';
import { messageOf } from '../../shared/errors';
import type { RunEvent } from '../../shared/run-events';
import type { StoredEvent } from '../../shared/run-records';
import type { Axis, MetricName, ReducedSeries } from '../../shared/series';
import { useRuns } from '../stores/runs';
import { useWorkbench } from './workbench';

const usualPoints = 1000;
/** A line is read anew, reduced, when it has grown to this multiple of the points that were asked for. */
const growth = 1.5;

const tellers: Readonly<Partial<Record<RunEvent['type'], readonly MetricName[]>>> = {
  step: ['loss', 'gradientNorm', 'learningRate', 'removingRate', 'tokensPerSecond', 'flops', 'flopsOfDense'],
  evaluation: ['trainingLoss', 'validationLoss', 'validationPerplexity', 'flops', 'flopsOfDense'],
  finished: ['testLoss', 'testPerplexity'],
};

export interface CurveRequest {
  readonly runs: readonly string[];
  readonly metric: MetricName;
  readonly axis: Axis;
  readonly points?: number;
}

/**
 * Curves of a metric, reduced, one of each run. They are read once; what is told later is read from the last known step on.
 * What was shown before stays until the new lines are there.
 */
export function useCurves(request: MaybeRefOrGetter<CurveRequest>) {
  const { client } = useWorkbench();
  const runs = useRuns();
  const lines = shallowReactive(new Map<string, ReducedSeries>());
  const status = ref<'loading' | 'ready' | 'failed'>('loading');
  const problem = ref('');
  const stops = new Map<string, () => void>();
  /** Of the request: an answer to an earlier one is late. */
  let generation = 0;

  async function read(ids: readonly string[], asked: CurveRequest): Promise<void> {
    const mine = generation;
    try {
      const told = ids.length === 0 ? [] : (await client.runs.series(questionOf(asked, ids))).lines;
      if (mine !== generation) return;
      for (const line of told) lines.set(line.run, line);
      status.value = 'ready';
    } catch (error) {
      if (mine !== generation) return;
      status.value = lines.size > 0 ? 'ready' : 'failed';
      problem.value = messageOf(error);
    }
  }

  /** What was measured since. One question at a time; what comes meanwhile is asked for afterwards. */
  function follow(id: string, asked: CurveRequest): () => void {
    let asking = false;
    let again = false;
    const wantsMore = () => again;
    const lengthen = async (): Promise<void> => {
      if (asking) {
        again = true;
        return;
      }
      asking = true;
      const mine = generation;
      do {
        again = false;
        const known = lines.get(id);
        if (known?.lastStep == null || known.x.length > growth * pointsOf(asked)) {
          await read([id], asked);
          continue;
        }
        try {
          const { lines: more } = await client.runs.series({
            ...questionOf(asked, [id]),
            fromStep: known.lastStep + 1,
          });
          if (mine === generation) lines.set(id, joined(known, more[0]));
        } catch {
          break; // the next event, or the next connection, asks again
        }
      } while (wantsMore() && mine === generation);
      asking = false;
    };
    return runs.onEvents(id, (events) => {
      if (events.some(replaces)) void read([id], asked);
      else if (events.some(({ event }) => tellers[event.type]?.includes(asked.metric) === true)) void lengthen();
    });
  }

  watch(
    () => toValue(request),
    (asked, before) => {
      if (before !== undefined && JSON.stringify(asked) === JSON.stringify(before)) return;
      generation += 1;
      for (const stop of stops.values()) stop();
      stops.clear();
      for (const id of lines.keys()) if (!asked.runs.includes(id)) lines.delete(id);
      for (const id of asked.runs) stops.set(id, follow(id, asked));
      const sameLines = before?.metric === asked.metric && before.axis === asked.axis && before.points === asked.points;
      void read(sameLines ? asked.runs.filter((id) => !lines.has(id)) : asked.runs, asked);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    generation += 1;
    for (const stop of stops.values()) stop();
  });

  return { lines, status, problem };
}

/** Whether a run tells again what it had told: after a crash it goes on from its last checkpoint. */
function replaces({ event }: StoredEvent): boolean {
  return event.type === 'started' && event.resumedFrom !== null;
}

function questionOf(asked: CurveRequest, runs: readonly string[]) {
  return { runs: [...runs], metrics: [asked.metric], axis: asked.axis, points: pointsOf(asked) };
}

function pointsOf({ points = usualPoints }: CurveRequest): number {
  return points;
}

function joined(line: ReducedSeries, more: ReducedSeries): ReducedSeries {
  return {
    ...more,
    x: [...line.x, ...more.x],
    y: [...line.y, ...more.y],
    marks: [...line.marks, ...more.marks],
    values: line.values + more.values,
  };
}

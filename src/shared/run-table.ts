import type { RunConfig } from './run-config.js';
import type { RunRecord } from './run-records.js';
import type { RunState } from './run-state.js';

/** A run as a row of the table of runs: what is shown, sorted, filtered and exported. Null is not known yet. */
export interface RunTableRow {
  readonly id: string;
  readonly name: string;
  readonly state: RunState['state'];
  readonly colour: string;
  readonly model: string;
  readonly method: string;
  readonly density: number;
  readonly corpus: string;
  readonly seed: number;
  readonly step: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Share of the training that is done, from 0 to 1. */
  readonly progress: number | null;
  /** What is left at the present speed, while it is running. */
  readonly remainingMs: number | null;
  readonly loss: number | null;
  readonly bestValidationPerplexity: number | null;
  readonly testPerplexity: number | null;
  readonly tokensPerSecond: number | null;
  readonly parameters: number | null;
  readonly activeParameters: number | null;
  /** FLOPs of training so far, and as a share of what it would be without masks. */
  readonly flops: number | null;
  readonly flopsOfDense: number | null;
  /** Training time of all attempts. */
  readonly durationMs: number;
  readonly created: number;
  readonly tags: readonly string[];
  readonly note: string;
  readonly pinned: number | null;
  readonly config: RunConfig;
}

export function tableRow(record: RunRecord, { state }: RunState): RunTableRow {
  const { id, name, colour, created, tags, note, pinned, config } = record;
  const { step, epoch, loss, bestValidationPerplexity, testPerplexity, tokensPerSecond } = record.progress;
  const { parameters, flops, flopsOfDense } = record.progress;
  const progress = state === 'finished' ? 1 : shareDone(record);
  return {
    ...{ id, name, state, colour },
    ...{ model: config.model.kind, method: config.method.kind, density: config.method.density },
    ...{ corpus: config.corpus.name, seed: config.seed },
    ...{ step, epoch, epochs: config.training.epochs, progress },
    remainingMs: state === 'running' ? remainingMs(record) : null,
    ...{ loss, bestValidationPerplexity, testPerplexity, tokensPerSecond },
    ...{ parameters: parameters?.total ?? null, activeParameters: parameters?.active ?? null },
    ...{ flops, flopsOfDense },
    ...{ durationMs: trainingMs(record), created, tags, note, pinned, config },
  };
}

/** Training time over all attempts, without pauses. */
function trainingMs({ attempts }: RunRecord): number {
  return attempts.reduce((sum, { started, last, pausedMs }) => sum + Math.max(0, last - started - pausedMs), 0);
}

function shareDone({ progress: { step, stepsPerEpoch }, config }: RunRecord): number | null {
  return stepsPerEpoch === null ? null : Math.min(1, step / (stepsPerEpoch * config.training.epochs));
}

function remainingMs({ progress, config: { training } }: RunRecord): number | null {
  const { step, stepsPerEpoch, tokensPerSecond } = progress;
  if (stepsPerEpoch === null || tokensPerSecond === null || tokensPerSecond <= 0) return null;
  const steps = Math.max(0, stepsPerEpoch * training.epochs - step);
  return (steps * training.batch * training.bptt * 1000) / tokensPerSecond;
}

import { z } from 'zod';
import { UserError } from '../../shared/errors.js';
import type { Patience } from '../trainers/trainer.js';

/** A bound that few people need to change, from the environment. */
interface Limit {
  readonly variable: string;
  readonly sentence: string;
  readonly fallback: number;
  readonly unit: 'seconds' | 'runs';
}

const known = {
  start: {
    variable: 'SPARROW_START_PATIENCE',
    sentence: 'A trainer may take to start',
    fallback: 1800,
    unit: 'seconds',
  },
  silence: { variable: 'SPARROW_PATIENCE', sentence: 'A trainer may be silent', fallback: 60, unit: 'seconds' },
  stop: { variable: 'SPARROW_STOP_PATIENCE', sentence: 'A trainer may take to stop', fallback: 120, unit: 'seconds' },
  runs: { variable: 'SPARROW_RUNS_PER_DEVICE', sentence: 'Runs at once on a device', fallback: 1, unit: 'runs' },
} as const satisfies Readonly<Record<string, Limit>>;

export function limits(): { patience: Patience; runsPerDevice: number } {
  return {
    patience: {
      startMs: 1000 * valueOf(known.start),
      silenceMs: 1000 * valueOf(known.silence),
      stopMs: 1000 * valueOf(known.stop),
    },
    runsPerDevice: valueOf(known.runs),
  };
}

/** The bounds that hold, for people. */
export function limitsInWords(): (Omit<Limit, 'fallback'> & { readonly value: number })[] {
  return Object.values(known).map(({ fallback, ...limit }) => ({ ...limit, value: valueOf({ ...limit, fallback }) }));
}

function valueOf({ variable, fallback, unit }: Limit): number {
  const text = process.env[variable];
  if (text === undefined || text === '') return fallback;
  const result = z.coerce.number().int().min(1).max(1_000_000).safeParse(text);
  if (result.success) return result.data;
  throw new UserError(`${variable}: ${JSON.stringify(text)} must be a whole number of ${unit}, at least 1`);
}

import { z } from 'zod';
import { UserError } from '../../shared/errors.js';
import type { Patience } from '../trainers/trainer.js';

/** Bounds that few people need to change, from the environment. */
export function limits(): { patience: Patience; runsPerDevice: number } {
  return {
    patience: {
      startMs: 1000 * setting('SPARROW_START_PATIENCE', 1800, 'seconds'),
      silenceMs: 1000 * setting('SPARROW_PATIENCE', 60, 'seconds'),
      stopMs: 1000 * setting('SPARROW_STOP_PATIENCE', 120, 'seconds'),
    },
    runsPerDevice: setting('SPARROW_RUNS_PER_DEVICE', 1, 'runs'),
  };
}

function setting(name: string, fallback: number, unit: string): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const result = z.coerce.number().int().min(1).max(1_000_000).safeParse(text);
  if (result.success) return result.data;
  throw new UserError(`${name}: ${JSON.stringify(text)} must be a whole number of ${unit}, at least 1`);
}

import type { z } from 'zod';
import type { runStateSchema, trainerStateSchema } from './run-state-schema.js';

/** The life of a trainer process. */
export type TrainerState = z.output<typeof trainerStateSchema>;

/** How a trainer ended. */
export type TrainerEnd = Extract<TrainerState, { state: (typeof ends)[number] }>;
const ends = ['stopped', 'finished', 'interrupted', 'failed'] as const;

/** A run: in the queue, or as its trainer is or was. */
export type RunState = z.output<typeof runStateSchema>;

/** Whether a process is at work on it. */
export function isLive(state: RunState): boolean {
  return !isEnd(state) && state.state !== 'queued';
}

/** Whether nothing more will come of it by itself. */
export function isEnd(state: RunState): state is TrainerEnd {
  return (ends as readonly string[]).includes(state.state);
}

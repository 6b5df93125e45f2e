import { explained, UserError } from '../shared/errors.js';

/** What goes to the parent process of an error: its message, and its stack where it is a defect of ours. */
export function explain(error: unknown): { message: string; stack?: string } {
  const told = explained(error);
  return { message: told.message, ...(told instanceof UserError ? {} : { stack: told.stack ?? '' }) };
}

import { messageOf, UserError } from '../shared/errors.js';

/** What goes to the parent process of an error: its message, and its stack where it is a defect of ours. */
export function explain(error: unknown): { message: string; stack?: string } {
  const defect = error instanceof Error && !(error instanceof UserError);
  return { message: messageOf(error), ...(defect ? { stack: error.stack ?? '' } : {}) };
}

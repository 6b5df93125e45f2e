import { explained, UserError } from '../../../shared/errors.js';

/** Says on standard error what went wrong: one line for what a person can act on, the stack of a defect. */
export function tell(error: unknown): void {
  const told = explained(error);
  const text =
    told instanceof UserError ? oneLine(told.message) : `this is a defect of Sparrow: ${told.stack ?? told.message}`;
  process.stderr.write(`sparrow: ${text}\n`);
}

export function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');
}

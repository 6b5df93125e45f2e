/**
 * An error that a person can act on: it names the thing, the value and the remedy in one line. Everything that goes wrong
 * because of what the user gave (configuration, files, network, a folder that cannot be written) is one of these; any
 * other error that reaches the top is a defect of Sparrow and is shown with its stack.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of a system error such as ENOENT, or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Ends a switch over a union: the compiler proves that no case is missing, and a value from outside cannot slip by. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}

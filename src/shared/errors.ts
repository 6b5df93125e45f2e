/**
 * An error that a person can act on: it names the thing, the value and the remedy in one line. Everything that goes wrong
 * because of what the user gave (configuration, files, network, a folder that cannot be written) is one of these; any
 * other error that reaches the top is a defect of Sparrow and is shown with its stack.
 */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}

/** What a machine may refuse to anybody, by the code of the system error, and what helps. */
const remedies: Readonly<Partial<Record<string, string>>> = {
  ENOSPC: 'make room on the disk and try again',
  EDQUOT: 'make room in your quota and try again',
  EFBIG: 'the file system or a limit (ulimit -f) allows no larger file',
  EROFS: 'the disk is read-only: set SPARROW_HOME to another folder',
  EACCES: 'change its permissions, or set SPARROW_HOME to another folder',
  EPERM: 'change its permissions, or set SPARROW_HOME to another folder',
  EMFILE: 'raise the number of open files (ulimit -n) and try again',
  ENFILE: 'close other programs and try again',
  EIO: 'check the disk',
};

/** An error as it is told: what the machine refused is not a defect of ours, wherever it struck. */
export function explained(error: unknown): Error {
  const remedy = remedies[codeOf(error) ?? ''];
  if (remedy !== undefined) return new UserError(`${messageOf(error)}: ${remedy}`);
  return error instanceof Error ? error : new Error(messageOf(error));
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

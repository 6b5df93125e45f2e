import { ORPCError } from '@orpc/client';
import { explained, UserError } from '../errors.js';

/** The connection to the owner is gone: it has ended, or was ended. What was asked may or may not have been done. */
export class ConnectionLost extends UserError {
  override readonly name: string = 'ConnectionLost';

  constructor() {
    super(
      'the process that owns the data folder has ended before it answered: "sparrow runs" says how things stand; then try again',
    );
  }
}

/** The owner is about to end and has not done what was asked: the next one will. */
export class OwnerLeaves extends ConnectionLost {
  override readonly name = 'OwnerLeaves';
}

/** What comes with an error, each part checked where it is read: the page needs this before anything else, and no schemas yet. */
interface Told {
  readonly stack?: unknown;
  readonly issues?: unknown;
  readonly path?: unknown;
  readonly message?: unknown;
}

/** An error as it travels: one for the person keeps its line, a defect its stack. */
export function toContractError(error: unknown): ORPCError<string, unknown> {
  if (error instanceof ORPCError) return error as ORPCError<string, unknown>;
  if (error instanceof OwnerLeaves) return new ORPCError('LEAVING', { status: 503, message: error.message });
  const line = explained(error);
  if (line instanceof UserError) return new ORPCError('REFUSED', { status: 422, message: line.message });
  return new ORPCError('DEFECT', { status: 500, message: line.message, data: { stack: line.stack ?? line.message } });
}

/** An error that has travelled, as it was. */
export function fromContractError(error: unknown): Error {
  if (!(error instanceof ORPCError)) return explained(error);
  if (error.code === 'LEAVING') return new OwnerLeaves();
  if (error.code === 'REFUSED') return new UserError(error.message);
  const { stack, issues } = told(error.data);
  if (error.code === 'DEFECT' && typeof stack === 'string') {
    const made = new Error(error.message);
    made.stack = stack;
    return made;
  }
  if (error.code === 'BAD_REQUEST' && Array.isArray(issues)) return new UserError(issues.map(issueLine).join('; '));
  return error;
}

function issueLine(issue: unknown): string {
  const { path, message } = told(issue);
  const place = Array.isArray(path) ? path.map(String).join('.') : '';
  return `${place || 'input'}: ${String(message)}`;
}

function told(data: unknown): Told {
  return typeof data === 'object' && data !== null ? data : {};
}

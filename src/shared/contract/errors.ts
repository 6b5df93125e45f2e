import { ORPCError } from '@orpc/client';
import { z } from 'zod';
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

const defectData = z.object({ stack: z.string() });
const invalidData = z.object({
  issues: z.array(z.object({ message: z.string(), path: z.array(z.unknown()).optional() })),
});

/** An error as it travels: one for the person keeps its line, a defect its stack. */
export function toContractError(error: unknown): ORPCError<string, unknown> {
  if (error instanceof ORPCError) return error as ORPCError<string, unknown>;
  if (error instanceof OwnerLeaves) return new ORPCError('LEAVING', { status: 503, message: error.message });
  const told = explained(error);
  if (told instanceof UserError) return new ORPCError('REFUSED', { status: 422, message: told.message });
  return new ORPCError('DEFECT', { status: 500, message: told.message, data: { stack: told.stack ?? told.message } });
}

/** An error that has travelled, as it was. */
export function fromContractError(error: unknown): Error {
  if (!(error instanceof ORPCError)) return explained(error);
  if (error.code === 'LEAVING') return new OwnerLeaves();
  if (error.code === 'REFUSED') return new UserError(error.message);
  const defect = defectData.safeParse(error.data);
  if (error.code === 'DEFECT' && defect.success) {
    const made = new Error(error.message);
    made.stack = defect.data.stack;
    return made;
  }
  const invalid = invalidData.safeParse(error.data);
  if (error.code === 'BAD_REQUEST' && invalid.success) {
    const issues = invalid.data.issues.map(
      ({ path = [], message }) => `${path.map(String).join('.') || 'input'}: ${message}`,
    );
    return new UserError(issues.join('; '));
  }
  return error;
}

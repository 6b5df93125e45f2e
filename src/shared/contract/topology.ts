import { oc } from '@orpc/contract';
import { z } from 'zod';
import { connectionRowSchema, maskPlaceSchema, topologyDistanceSchema } from '../topology.js';

/** What is made from the history of masks. Large networks take seconds: a shell asks for one thing at a time and shows how far it is. */
export const topologyContract = {
  /** Age, turnover and exploration after each topology update, of the network and of each layer. */
  connections: oc
    .input(z.strictObject({ id: z.string().min(1).max(200) }))
    .output(z.object({ rows: z.array(connectionRowSchema) })),
  /** Between the masks of two runs, or of one at two times. */
  distance: oc
    .input(z.strictObject({ a: maskPlaceSchema, b: maskPlaceSchema, matched: z.boolean().default(false) }))
    .output(topologyDistanceSchema),
};

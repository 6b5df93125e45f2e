import type { StandardRPCCustomJsonSerializer } from '@orpc/client/standard';
import { isNonFinite } from '../numbers.js';

/** How numbers that are not finite travel: oRPC's own JSON knows NaN and makes null of the infinities. */
const nonFinite: StandardRPCCustomJsonSerializer = {
  type: 20, // those below are oRPC's
  condition: isNonFinite,
  serialize: String,
  deserialize: Number,
};

/** For both ends of the contract. */
export const customJsonSerializers = [nonFinite];

import { createORPCClient } from '@orpc/client';
import { RPCLink } from '@orpc/client/message-port';
import type { ContractRouterClient } from '@orpc/contract';
import type { contract } from './contract.js';
import { fromContractError } from './errors.js';
import { portOf, type Wire } from './wire.js';

/** The contract as a shell calls it. */
export type Client = ContractRouterClient<typeof contract>;

/** Calls over a wire. When the other side dies every call that waits is rejected with `ConnectionLost`. */
export function clientOver(wire: Wire): Client {
  const link = new RPCLink({
    port: portOf(wire),
    interceptors: [
      async (call) => {
        try {
          return await call.next();
        } catch (error) {
          throw fromContractError(error);
        }
      },
    ],
  });
  return createORPCClient(link);
}

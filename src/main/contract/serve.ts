import { createRouterClient } from '@orpc/server';
import { RPCHandler } from '@orpc/server/message-port';
import type { Client } from '../../shared/contract/client.js';
import { fromContractError } from '../../shared/contract/errors.js';
import { portOf, type Wire } from '../../shared/contract/wire.js';
import type { Router } from './router.js';

/** Answers calls that come over a wire, until it closes. */
export function serveOver(wire: Wire, router: Router): void {
  new RPCHandler(router).upgrade(portOf(wire));
}

/** Calls in the same process, checked and refused as any others. */
export function clientInMemory(router: Router): Client {
  return createRouterClient(router, {
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
}

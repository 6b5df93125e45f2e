import { createRouterClient } from '@orpc/server';
import { StandardRPCHandler } from '@orpc/server/standard';
import { createServerPeerHandleRequestFn } from '@orpc/server/standard-peer';
import { ServerPeer } from '@orpc/standard-server-peer';
import type { Client } from '../../shared/contract/client.js';
import { fromContractError } from '../../shared/contract/errors.js';
import { customJsonSerializers } from '../../shared/contract/non-finite.js';
import { asMessage, type Wire } from '../../shared/contract/wire.js';
import type { Router } from './router.js';

/** Answers calls that come over a wire, until it closes. What cannot be read closes it. */
export function serveOver(wire: Wire, router: Router): void {
  const peer = new ServerPeer((message) => {
    wire.send(asMessage(message));
  });
  const handle = createServerPeerHandleRequestFn(new StandardRPCHandler(router, { customJsonSerializers }), {
    context: {},
  });
  wire.onMessage((message) => {
    peer.message(message, handle).catch(() => {
      wire.close();
    });
  });
  wire.onClose(() => {
    peer.close();
  });
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

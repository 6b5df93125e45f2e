import { createORPCClient } from '@orpc/client';
import { StandardRPCLink } from '@orpc/client/standard';
import type { ContractRouterClient } from '@orpc/contract';
import { ClientPeer } from '@orpc/standard-server-peer';
import type { contract } from './contract.js';
import { fromContractError } from './errors.js';
import { customJsonSerializers } from './non-finite.js';
import { asMessage, type Wire } from './wire.js';

/** The contract as a shell calls it. */
export type Client = ContractRouterClient<typeof contract>;

/**
 * Calls over a wire. When the other side dies every call that waits is rejected with `ConnectionLost`.
 *
 * oRPC's protocol and codec without its adapters: those for ports and sockets let a call wait for ever that is made after the
 * close, and a message that is no JSON end the process by an unhandled rejection.
 */
export function clientOver(wire: Wire): Client {
  const peer = new ClientPeer((message) => {
    wire.send(asMessage(message));
  });
  wire.onMessage((message) => {
    peer.message(message).catch(() => {
      wire.close();
    });
  });
  wire.onClose(() => {
    peer.close();
  });
  const link = new StandardRPCLink(
    {
      call: async (request) => {
        const response = await peer.request(request);
        return { ...response, body: () => Promise.resolve(response.body) };
      },
    },
    {
      url: 'http://sparrow', // of no meaning here
      customJsonSerializers,
      interceptors: [
        async (call) => {
          try {
            return await call.next();
          } catch (error) {
            throw fromContractError(error);
          }
        },
      ],
    },
  );
  return createORPCClient(link);
}

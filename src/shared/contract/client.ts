import { createORPCClient, type ClientContext, type ClientLink } from '@orpc/client';
import { StandardRPCLink } from '@orpc/client/standard';
import type { ContractRouterClient } from '@orpc/contract';
import { ClientPeer } from '@orpc/standard-server-peer';
import type { contract } from './contract.js';
import { ConnectionLost, fromContractError } from './errors.js';
import { customJsonSerializers } from './non-finite.js';
import { asMessage, type Wire } from './wire.js';

/** The contract as a shell calls it. */
export type Client = ContractRouterClient<typeof contract>;

/**
 * Calls over a wire. When the other side dies every call that waits is rejected with `ConnectionLost`.
 *
 * oRPC's protocol and codec without its adapters: those for ports and sockets let a call wait for ever that is made after the
 * close, and a message that is no JSON end the process by an unhandled rejection.
 *
 * @param unanswered makes the error of a call that the other side does not answer in time, though the connection stands
 */
export function clientOver(wire: Wire, unanswered: () => Error): Client {
  return clientOf(linkOver(wire, unanswered));
}

/** Calls over whatever a link stands for. */
export function clientOf(link: ClientLink<ClientContext>): Client {
  return createORPCClient(link);
}

/** What carries calls over one wire: see `clientOver`. */
export function linkOver(wire: Wire, unanswered: () => Error): ClientLink<ClientContext> {
  const peer = new ClientPeer((message) => {
    try {
      wire.send(asMessage(message));
    } catch {
      throw new ConnectionLost(); // all that a wire refuses: it is closed
    }
  });
  wire.onMessage((message) => {
    peer.message(message).catch(() => {
      wire.close();
    });
  });
  wire.onClose(() => {
    peer.close({ reason: new ConnectionLost() });
  });
  return new StandardRPCLink(
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
            return await bounded(call.next(), boundMs(call.input), unanswered);
          } catch (error) {
            throw fromContractError(error);
          }
        },
      ],
    },
  );
}

const tickMs = 500;
/** Long enough to make 10,000 runs or to delete large ones on a slow disk. */
const longestMs = 60_000;
/** Beyond what a caller is willing to wait for news. */
const graceMs = 10_000;

function boundMs(input: unknown): number {
  const waits = typeof input === 'object' && input !== null && 'waitMs' in input;
  return waits ? Number(input.waitMs) + graceMs : longestMs;
}

/** Counts its own ticks and not the clock: while this process rests (Ctrl+Z, a laptop closed), nobody is late. */
async function bounded<T>(answer: Promise<T>, withinMs: number, unanswered: () => Error): Promise<T> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const late = new Promise<never>((_, reject) => {
    let waitedMs = 0;
    timer = setInterval(() => {
      waitedMs += tickMs;
      if (waitedMs >= withinMs) reject(unanswered());
    }, tickMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearInterval(timer);
  }
}

import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { ForkOptions, MessagePortMain, UtilityProcess } from 'electron';
import type { ElectronParts } from '../../src/main/trainers/utility-trainers.js';

/**
 * What the trainers use of Electron, made of plain child processes, where Electron cannot be run. It does what Electron's
 * documentation and sources say: https://www.electronjs.org/docs/latest/api/utility-process and message-port-main. Of two
 * things that may happen in any order there, the less convenient one happens here: the exit is told before the last messages.
 */
const childSide = pathToFileURL(join(import.meta.dirname, 'utility-child.mjs')).href;
/** How much later than the exit a message arrives. */
const lateMs = 50;

/** The part of a message port that stays in this process. */
class StandInPort extends EventEmitter {
  other: StandInPort | undefined;
  /** Sends to a port that was given away. */
  away: ((message: unknown) => void) | undefined;
  #queue: unknown[] | undefined = [];
  #closed = false;

  postMessage(message: unknown): void {
    if (this.#closed) return;
    const copy: unknown = structuredClone(message);
    if (this.other?.away !== undefined) this.other.away({ data: copy });
    else this.other?.arrive(copy);
  }

  start(): void {
    const queued = this.#queue ?? [];
    this.#queue = undefined;
    for (const data of queued) this.emit('message', { data, ports: [] });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.other?.away?.({ close: true });
    this.other?.disconnected();
  }

  arrive(data: unknown): void {
    if (this.#queue !== undefined) this.#queue.push(data);
    else this.emit('message', { data, ports: [] });
  }

  disconnected(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.emit('close');
  }
}

class StandInProcess extends EventEmitter {
  pid: number | undefined;
  stderr: PassThrough | null = new PassThrough();
  readonly #child: ChildProcess;
  readonly #ports: StandInPort[] = [];
  #killed = false;

  constructor(module: string, args: string[], options: ForkOptions) {
    super();
    const stdio = options.stdio as ('ignore' | 'pipe')[];
    if (stdio[0] !== 'ignore' || stdio.length !== 3) throw new Error('stdin value other than ignore is not supported.');
    const child = (this.#child = fork(module, args, {
      execArgv: ['--import', childSide],
      stdio: [...stdio, 'ipc'],
      serialization: 'advanced',
    }));
    child.stderr?.pipe(this.stderr!);
    child.on('spawn', () => {
      setImmediate(() => {
        this.pid = child.pid;
        this.emit('spawn');
      });
    });
    child.on('message', (message) => {
      const { port, ...content } = message as { port: number; data?: unknown; close?: true };
      setTimeout(() => {
        const mine = this.#ports[port].other!;
        if (content.close === true) mine.disconnected();
        else mine.arrive(content.data);
      }, lateMs);
    });
    child.on('disconnect', () => {
      setTimeout(() => {
        for (const port of this.#ports) port.other?.disconnected();
      }, lateMs);
    });
    child.on('exit', (code, signal) => {
      this.emit('exit', this.#exitCode(code, signal));
      this.pid = undefined;
      this.stderr?.removeAllListeners();
      this.stderr = null;
    });
  }

  postMessage(message: unknown, transfer: MessagePortMain[] = []): void {
    const numbers = (transfer as unknown as StandInPort[]).map((port) => {
      const number = this.#ports.push(port) - 1;
      port.away = (content) => {
        if (this.#child.connected) this.#child.send({ port: number, ...(content as object) });
      };
      return number;
    });
    this.#child.send({ parent: message, ports: numbers });
  }

  orphan(): void {
    this.#child.disconnect();
  }

  /** With SIGTERM first, and by force if that does not help. */
  kill(): boolean {
    if (this.pid === undefined) return false;
    this.#killed = true;
    this.#child.kill('SIGTERM');
    setTimeout(() => this.#child.kill('SIGKILL'), 2000).unref();
    return true;
  }

  /** The status where the process has called process.exit, else what waitpid says. */
  #exitCode(code: number | null, signal: NodeJS.Signals | null): number {
    if (signal === null) return code!;
    return this.#killed && (signal === 'SIGTERM' || signal === 'SIGKILL') ? 0 : constants.signals[signal];
  }
}

const processes: StandInProcess[] = [];

/** Cuts the last process off, as the end of this one would. */
export function orphanLast(): void {
  processes.at(-1)!.orphan();
}

export const electronStandIn: ElectronParts = {
  utilityProcess: {
    fork: (module, args, options) => {
      const made = new StandInProcess(module, args, options);
      processes.push(made);
      return made as unknown as UtilityProcess;
    },
  },
  MessageChannelMain: class {
    readonly port1 = new StandInPort();
    readonly port2 = new StandInPort();

    constructor() {
      this.port1.other = this.port2;
      this.port2.other = this.port1;
    }
  },
};

import { constants } from 'node:os';
import type { ForkOptions, MessageChannelMain, MessagePortMain, UtilityProcess } from 'electron';
import { engines, type Host } from '../../shared/engines.js';
import { LastWords } from './last-words.js';
import { plainNode } from './plain-node.js';
import { nodeTrainers, trainerModule, type Spawn, type TrainerProcess } from './trainer-process.js';

type Port = Pick<MessagePortMain, 'on' | 'postMessage' | 'start' | 'close'>;
type Child = Pick<UtilityProcess, 'pid' | 'stderr' | 'on' | 'kill' | 'postMessage'>;

/** What is used of Electron, which only its shell may import. */
export interface ElectronParts {
  readonly utilityProcess: {
    fork(module: string, args: string[], options: ForkOptions): Child;
  };
  readonly MessageChannelMain: new () => { [Name in keyof MessageChannelMain]: Port };
}

interface ElectronTrainerOptions {
  /** Path of the trainer's program. */
  readonly module?: string;
  /** Where the engine that `auto` comes to may live. */
  readonly auto?: Host;
  /** Starts plain Node; null where there is none. */
  readonly node?: Spawn | null;
}

/**
 * Trainers under Electron: utility processes, and plain Node children for the engines that declare to need one. Where there is no plain
 * Node, the engine itself says so when it is to start. To be called when the app is ready.
 */
export function electronTrainers(
  electron: ElectronParts,
  {
    module = trainerModule,
    auto = 'any',
    node = plainNode() === undefined ? null : nodeTrainers(module),
  }: ElectronTrainerOptions = {},
): Spawn {
  return (engine) => {
    const host = engine === 'auto' ? auto : engines[engine].host;
    return host === 'node' && node !== null ? node(engine) : utilityTrainer(electron, module);
  };
}

/** Of an ended process's channel and standard error, which may bring what it said last after its end is known. */
const lastWordsMs = 2000;

/**
 * A utility process. It is spoken to over a message port of its own, because only such a port tells the child when the other
 * side is gone (`process.parentPort` does not), and tells this side when nothing more can arrive.
 */
function utilityTrainer({ utilityProcess, MessageChannelMain }: ElectronParts, module: string): TrainerProcess {
  const child = utilityProcess.fork(module, [], {
    stdio: ['ignore', 'ignore', 'pipe'],
    serviceName: 'Sparrow trainer',
  });
  const { port1: port, port2: theirs } = new MessageChannelMain();
  child.postMessage('port', [theirs as MessagePortMain]);

  const words = new LastWords();
  const hear = (chunk: Buffer) => {
    words.add(chunk);
  };
  const stderr = child.stderr!;
  stderr.on('data', hear);
  const silent = new Promise<void>((resolve) => {
    const end = () => {
      resolve();
    };
    stderr.once('end', end);
    // Electron takes all listeners away when it has told of the exit; what is in the pipe by then comes afterwards.
    child.on('exit', () => {
      queueMicrotask(() => {
        if (!stderr.listeners('data').includes(hear)) stderr.on('data', hear);
        stderr.once('end', end);
      });
    });
  });
  child.on('error', (type, location) => {
    words.add(`${type} in ${location}\n`);
  });

  let pid: number | undefined;
  let unwanted = false;
  const kill = () => {
    unwanted = true; // before it is there it cannot be killed
    if (pid === undefined) return;
    // Electron's own kill asks first, with SIGTERM, which a trainer answers with a checkpoint.
    if (process.platform === 'win32') child.kill();
    else signal(pid);
  };
  const exited = new Promise<number>((resolve) => {
    child.on('exit', (code) => {
      pid = undefined;
      resolve(code);
    });
  });
  const spawned = new Promise<void>((resolve) => {
    child.on('spawn', () => {
      ({ pid } = child);
      resolve();
      if (unwanted) kill();
    });
  });
  const closed = new Promise<void>((resolve) => port.on('close', resolve));

  const gone = exited.then(async (code) => {
    const bound = new Promise((resolve) => setTimeout(resolve, lastWordsMs).unref());
    await Promise.race([Promise.all([closed, silent]), bound]);
    port.close();
    return howEnded(code);
  });
  return {
    get pid() {
      return pid;
    },
    spawned: Promise.race([spawned, exited.then(() => undefined)]),
    gone,
    onMessage: (listener) => {
      port.on('message', ({ data }) => {
        listener(data);
      });
      port.start();
    },
    send: (command) => {
      port.postMessage(command);
    },
    kill,
    lastWords: () => words.text,
  };
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** Signals that end a process by force, and which no exit status of a trainer has as its number. */
const forces = ['SIGILL', 'SIGABRT', 'SIGFPE', 'SIGKILL', 'SIGSEGV', 'SIGTERM'] as const;
const coreDumped = 0x80;

/**
 * Of a process that calls `process.exit` Electron tells the exit status; of any other, on POSIX, what waitpid says: the signal
 * that ended it, with a bit for a core dump, or the exit status eight bits up.
 */
function howEnded(code: number): string {
  if (process.platform === 'win32') return `exit status ${code}`;
  const by = forces.find((name) => constants.signals[name] === (code & ~coreDumped));
  return by ?? `exit status ${code > 0xff && (code & 0xff) === 0 ? code >> 8 : code}`;
}

import { Argument, Command } from 'commander';
import { engineNames, engines } from '../../../shared/engines.js';
import { bindingVersion, buildBinding, checkTools } from '../../engines/binding.js';
import { usualSources } from '../../engines/fetch-wheel.js';
import {
  installTensorflow,
  presentTensorflow,
  removeTensorflow,
  type Installer,
} from '../../engines/install-tensorflow.js';
import { tensorflowWheels } from '../../engines/wheels.js';
import { probe } from '../../trainers/probe.js';
import { exitStatusOf } from './signals.js';
import { list } from './text.js';
import { TransferBar } from './transfer-bar.js';

/** `sparrow engine list | install tensorflow [--gpu] | remove tensorflow` */
export function engineCommand(): Command {
  const engine = new Command('engine').description('What computes runs, and the libraries of those that need some.');
  const which = () => new Argument('<engine>', 'the one that is installed apart').choices(['tensorflow']);
  engine
    .command('list')
    .description('List the engines; "sparrow devices" tries them.')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: true }) => {
      const present = presentTensorflow();
      if (json) {
        const rows = engineNames.map((name) => ({
          name,
          sentence: engines[name].sentence,
          ...(name === 'tensorflow' ? { installed: present ?? null } : {}),
        }));
        process.stdout.write(`${JSON.stringify(rows)}\n`);
        return;
      }
      const state =
        present === undefined
          ? 'Not installed: "sparrow engine install tensorflow", with --gpu for CUDA.'
          : `${present.record.version} for ${variant(present.record.gpu)} in ${present.folder}.`;
      const text = (name: (typeof engineNames)[number]) =>
        name === 'tensorflow' ? `${engines[name].sentence} ${state}` : engines[name].sentence;
      process.stdout.write(list(engineNames.map((name) => [name, text(name)])));
    });
  engine
    .command('install')
    .description('Install the libraries of an engine: of pinned versions, built and tried here.')
    .addArgument(which())
    .option('--gpu', 'for NVIDIA GPUs, with the libraries of CUDA 12 (some 3 GB to fetch)')
    .action(async (_name: string, { gpu }: { gpu?: true }) => {
      await interruptible(async (signal) => {
        const bar = new TransferBar(false);
        const say = (text: string) => {
          bar.stop();
          process.stderr.write(`${text}\n`);
        };
        const onProgress = (file: string, received: number, total: number | undefined) => {
          bar.show(file, received, total);
        };
        try {
          const { record, report } = await installTensorflow(gpu === true, thisMachine, { say, onProgress, signal });
          const without = record.gpu && report.device?.kind !== 'gpu' ? '; no NVIDIA GPU with a driver was found' : '';
          say(
            `TensorFlow ${record.version} for ${variant(record.gpu)} is installed in ${presentTensorflow()!.folder} and ` +
              `works on ${report.device!.id} (${report.device!.name})${without}. ` +
              '"sparrow engine remove tensorflow" takes it away',
          );
        } finally {
          bar.stop();
        }
      });
    });
  engine
    .command('remove')
    .description('Take the libraries of an engine away.')
    .addArgument(which())
    .action(() => {
      process.stderr.write(removeTensorflow() ? 'TensorFlow is removed\n' : 'TensorFlow was not installed\n');
    });
  return engine;
}

const thisMachine: Installer = {
  platform: `${process.platform}-${process.arch}`,
  wheels: tensorflowWheels,
  sources: usualSources,
  tools: { check: checkTools, version: bindingVersion, build: buildBinding },
  attempt: (folder) => probe('tensorflow', 'auto', { env: { ...process.env, SPARROW_ENGINES: folder } }),
};

function variant(gpu: boolean): string {
  return gpu ? 'CUDA' : 'processors';
}

/** Has Ctrl+C and its kin end the work, which tidies up behind itself. */
async function interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  let first: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      first ??= signal;
      controller.abort();
    });
  }
  try {
    await work(controller.signal);
  } catch (error) {
    if (first === undefined) throw error;
    process.stderr.write('interrupted: nothing was installed\n');
    process.exitCode = exitStatusOf(first);
  }
}

import { Command } from 'commander';
import { UserError } from '../../../shared/errors.js';
import { modelFields, modelKindNames, type ModelKindName } from '../../../shared/model-config.js';
import { applySettings, parseRunConfig } from '../../../shared/run-config.js';
import { benchStep } from '../../trainers/probe.js';
import { integer, list, table } from './text.js';

type StepOptions = Readonly<Record<string, string | true | undefined>>;

/** Options of `bench step`, the field each sets, and its default. */
const fields: Readonly<Record<string, { readonly field: string; readonly fallback: string; readonly what: string }>> = {
  model: { field: 'model.kind', fallback: 'stacked-lstm', what: 'kind of model' },
  hidden: { field: 'model.hidden', fallback: '1500', what: 'hidden units, and size of the embedding' },
  layers: { field: 'model.layers', fallback: '2', what: 'recurrent layers' },
  density: { field: 'method.density', fallback: '0.33', what: 'share of active weights; 1 is a dense run' },
  batch: { field: 'training.batch', fallback: '20', what: 'streams' },
  bptt: { field: 'training.bptt', fallback: '35', what: 'time steps' },
  depth: { field: 'model.depth', fallback: '10', what: 'highway layers of a time step of an rhn' },
  chunk: { field: 'model.chunk', fallback: '10', what: 'units of a master gate of an on-lstm' },
  experts: { field: 'model.experts', fallback: '10', what: 'softmaxes of an awd-lstm-mos' },
  dropout: { field: 'model.dropout.output', fallback: '0.65', what: 'share dropped at every place that the model has' },
  'micro-batch': { field: 'training.microBatch', fallback: '0', what: 'streams at a time; 0 for all' },
  engine: { field: 'device.engine', fallback: 'auto', what: 'what computes' },
  threads: { field: 'device.threads', fallback: '2', what: 'most threads; 0 for one per core' },
  layout: { field: 'device.layout', fallback: 'auto', what: 'how sparse weights are stored' },
  'clip-norm': { field: 'optimizer.clipNorm', fallback: 'all', what: 'which gradient is measured' },
};

/** `sparrow bench step [--hidden 1500 ...] [--json]` */
export function benchCommand(): Command {
  const bench = new Command('bench').description('Measure speed and memory.');
  const step = bench.command('step').description('Time whole training steps of a model.');
  for (const [name, { fallback, what }] of Object.entries(fields)) step.option(`--${name} <value>`, what, fallback);
  step
    .option('--vocabulary <n>', 'words', '10000')
    .option('--steps <n>', 'steps to time, of which the median counts', '5')
    .option('--profile', 'also say where the time goes, op by op')
    .option('--json', 'one line of JSON')
    .action(async (options: StepOptions) => {
      const result = await benchStep({
        config: configOf(options),
        vocabulary: positive('vocabulary', options['vocabulary'], 2),
        steps: positive('steps', options['steps'], 1),
        profile: options['profile'] === true,
      });
      const { engine, threads, layout, msPerStep, tokensPerSecond, peakMemoryMb, activeWeights, clipNorm } = result;
      const text = list([
        [
          'engine',
          `${engine}, ${threads} thread${threads === 1 ? '' : 's'}, ${layout}, norm of the gradient: ${clipNorm}`,
        ],
        ['step', `${msPerStep.toFixed(1)} ms, ${integer(tokensPerSecond)} words/s`],
        ['memory', `${integer(peakMemoryMb)} MiB at most`],
        ['weights', `${integer(activeWeights)} active`],
      ]);
      const profile = Object.entries(result.profile ?? {}).map(([op, ms]) => [op, `${ms.toFixed(1)} ms`]);
      process.stdout.write(options['json'] === true ? `${JSON.stringify(result)}\n` : text + table(profile));
    });
  return bench;
}

function configOf(options: StepOptions) {
  const value = (name: string) => String(options[name.replace(/-(.)/, (_, letter: string) => letter.toUpperCase())]);
  const settings = Object.entries(fields).map(([name, { field }]) => `${field}=${value(name)}`);
  const dense = Number(value('density')) === 1;
  return parseRunConfig(
    applySettings({}, [
      ...settings,
      `model.embedding=${value('hidden')}`,
      ...placesOf(value('model')).map((field) => `model.${field}=${value('dropout')}`),
      ...penaltiesOf(value('model')).map((setting) => `model.${setting}`),
      `model.tied=${tiedKinds.includes(value('model'))}`,
      `method.kind=${dense ? 'dense' : 'selfish'}`,
    ]),
  );
}

/** Published recipes of these have one matrix for words and decoder. */
const tiedKinds: readonly string[] = ['rhn', 'on-lstm', 'awd-lstm', 'awd-lstm-mos'] satisfies readonly ModelKindName[];

/** Fields that a model has; of a kind that there is not, the schema says so. */
function fieldsOf(kind: string): string[] {
  const known = modelKindNames.find((name) => name === kind);
  return known === undefined ? [] : modelFields(known);
}

/** Where it drops something. */
const placesOf = (kind: string) => fieldsOf(kind).filter((field) => field.startsWith('dropout.'));

/** What published recipes penalise, where it does. */
const penaltiesOf = (kind: string) =>
  fieldsOf(kind).includes('activationReg') ? ['activationReg=2', 'temporalActivationReg=1'] : [];

function positive(name: string, text: string | true | undefined, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new UserError(`--${name}: ${JSON.stringify(text)} must be a whole number of at least ${least}`);
}

import { parseArgs } from 'node:util';
import { messageOf } from '../src/shared/errors.js';
import { boundsOf } from './bounds.js';
import { cases, modelCases, normsOf, titleOf, type Norm, type Step } from './cases.js';
import { updatePage } from './markdown.js';
import { kernelSpeeds, machine, ourStep, peerStep, project, torchVersion } from './measure.js';
import { summarise, type CaseSummary, type Pair } from './ratios.js';
import {
  missed,
  modelPage,
  modelTable,
  page,
  tables,
  type ModelResults,
  type ModelSummary,
  type Profile,
  type Results,
} from './report.js';

const profiled: readonly string[] = ['1500-0.33', '1500-0.10'];

/** How often and how long each process is timed, and whether there is a peer. */
interface Extent {
  readonly rounds: number;
  readonly steps: number;
  readonly torch: string | undefined;
  readonly only: readonly string[];
  readonly json: boolean;
}

/**
 * `npm run bench [-- --models --rounds N --steps N --only CASE... --json]`: training steps of ours and of the peer in strict
 * alternation, of an LSTM of several sizes or of every model. A whole run that has its peer writes its part of docs/performance.md.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      steps: { type: 'string', default: '5' },
      models: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  });
  const [rounds, steps] = [positive('rounds', values.rounds), positive('steps', values.steps)];
  const torch = await torchVersion();
  if (torch === undefined) {
    say('no PyTorch: ours alone is timed. For the peer: python3 -m venv FOLDER, FOLDER/bin/pip install torch');
    say('and SPARROW_PYTHON=FOLDER/bin/python npm run bench');
  }
  const extent = { rounds, steps, torch, only: values.only, json: values.json };
  await (values.models ? benchModels(extent) : benchCases(extent));
}

/** The LSTM, with its bars and where its time goes. */
async function benchCases(extent: Extent): Promise<void> {
  const { rounds, steps, torch, only, json } = extent;
  const chosen = chosenFrom(cases, ({ id }) => id, only);
  const summaries: CaseSummary[] = [];
  for (const one of chosen) summaries.push(await measure(one, normsOf(one), extent));
  const toProfile = chosen.filter(({ id }) => profiled.includes(id));
  const kernels = toProfile.length === 0 ? undefined : await kernelSpeeds(toProfile.map(({ density }) => density));
  const profiles: Profile[] = [];
  for (const one of toProfile) {
    const profileWith = async (norm: Norm) => (await ourStep(one, norm, { steps, profile: true })).profile ?? {};
    say(`${titleOf(one)}: profile`);
    profiles.push({
      case: one,
      all: await profileWith('all'),
      active: await profileWith('active'),
      ...(kernels === undefined ? {} : { bounds: boundsOf(one, kernels.figures) }),
    });
  }
  const results: Results = {
    date: today(),
    machine: { ...(await machine(torch)), ...(kernels === undefined ? {} : { compiler: kernels.compiler }) },
    ...{ rounds, steps, cases: summaries, profiles },
  };
  const misses = missed(results);
  if (json) process.stdout.write(`${JSON.stringify({ ...results, missed: misses })}\n`);
  else process.stdout.write(`${tables(results)}\n${misses.map((sentence) => `missed: ${sentence}\n`).join('')}`);
  if (torch !== undefined && chosen.length === cases.length) {
    say(`written: ${updatePage(project, 'performance.md', page(results))}`);
  }
}

/** Every model, with the exact norm. */
async function benchModels(extent: Extent): Promise<void> {
  const { rounds, steps, torch, only, json } = extent;
  const chosen = chosenFrom(modelCases, ({ model }) => model, only);
  const models: ModelSummary[] = [];
  for (const one of chosen) {
    const summary = await measure(one, ['all'], extent);
    // Seconds a step, which nobody waits for in a comparison: one says what to expect where there is no native engine.
    const { msPerStep } = await ourStep(one, 'all', { steps: 1, engine: 'wasm' });
    say(`${titleOf(one)}, on wasm: ${msPerStep.toFixed(1)} ms`);
    models.push({ ...summary, wasmMs: msPerStep });
  }
  const results: ModelResults = { date: today(), machine: await machine(torch), rounds, steps, models };
  process.stdout.write(json ? `${JSON.stringify(results)}\n` : modelTable(models));
  if (torch !== undefined && chosen.length === modelCases.length) {
    say(`written: ${updatePage(project, 'performance.md', modelPage(results), 'models')}`);
  }
}

/** The peer, ours, the peer, ours: a machine that slows down slows both. */
async function measure<Of extends Step>(
  one: Of,
  norms: readonly Norm[],
  { rounds, steps, torch }: Extent,
): Promise<CaseSummary<Of>> {
  const pairs: Pair[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const norm of norms) {
      const peer = torch === undefined ? undefined : await peerStep(one, steps);
      const { msPerStep, peakMemoryMb } = await ourStep(one, norm, { steps });
      pairs.push({ norm, ours: { ms: msPerStep, peakMb: peakMemoryMb }, ...(peer === undefined ? {} : { peer }) });
      const compared =
        peer === undefined ? '' : `, peer ${peer.ms.toFixed(1)} ms, ratio ${(peer.ms / msPerStep).toFixed(2)}`;
      say(`${titleOf(one)}, round ${round} of ${rounds}, norm of ${norm}: ${msPerStep.toFixed(1)} ms${compared}`);
    }
  }
  return summarise(one, pairs);
}

function chosenFrom<Of>(all: readonly Of[], idOf: (one: Of) => string, ids: readonly string[]): readonly Of[] {
  const known = all.map(idOf);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: no such case; there are ${known.join(', ')}`);
  return ids.length === 0 ? all : all.filter((one) => ids.includes(idOf(one)));
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`--${name}: ${JSON.stringify(text)} must be a whole number of at least 1`);
}

/** How it goes is told on standard error. */
function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

// Whoever reads our output may stop reading: then there is nobody to measure for.
process.stdout.on('error', () => process.exit(1));
try {
  await main();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}

import { parseArgs } from 'node:util';
import { messageOf } from '../src/shared/errors.js';
import { boundsOf } from './bounds.js';
import { cases, normsOf, titleOf, type Case, type Norm } from './cases.js';
import { updatePage } from './markdown.js';
import { kernelSpeeds, machine, ourStep, peerStep, project, torchVersion } from './measure.js';
import { summarise, type CaseSummary, type Pair } from './ratios.js';
import { missed, page, tables, type Profile, type Results } from './report.js';

const profiled: readonly string[] = ['1500-0.33', '1500-0.10'];

/**
 * `npm run bench [-- --rounds N --steps N --only CASE... --json]`: training steps of ours and of the peer in strict alternation.
 * A whole run that has its peer writes docs/performance.md.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      steps: { type: 'string', default: '5' },
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = positive('rounds', values.rounds);
  const steps = positive('steps', values.steps);
  const chosen = chosenCases(values.only);
  const torch = await torchVersion();
  if (torch === undefined) {
    say('no PyTorch: ours alone is timed. For the peer: python3 -m venv FOLDER, FOLDER/bin/pip install torch');
    say('and SPARROW_PYTHON=FOLDER/bin/python npm run bench');
  }
  const summaries: CaseSummary[] = [];
  for (const one of chosen) summaries.push(await measure(one, { rounds, steps, withPeer: torch !== undefined }));
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
    date: new Date().toISOString().slice(0, 10),
    machine: { ...(await machine(torch)), ...(kernels === undefined ? {} : { compiler: kernels.compiler }) },
    ...{ rounds, steps, cases: summaries, profiles },
  };
  const misses = missed(results);
  if (values.json) process.stdout.write(`${JSON.stringify({ ...results, missed: misses })}\n`);
  else process.stdout.write(`${tables(results)}\n${misses.map((sentence) => `missed: ${sentence}\n`).join('')}`);
  if (torch !== undefined && chosen.length === cases.length) {
    say(`written: ${updatePage(project, 'performance.md', page(results))}`);
  }
}

/** The peer, ours, the peer, ours: a machine that slows down slows both. */
async function measure(
  one: Case,
  { rounds, steps, withPeer }: { rounds: number; steps: number; withPeer: boolean },
): Promise<CaseSummary> {
  const pairs: Pair[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const norm of normsOf(one)) {
      const peer = withPeer ? await peerStep(one, steps) : undefined;
      const { msPerStep, peakMemoryMb } = await ourStep(one, norm, { steps });
      pairs.push({ norm, ours: { ms: msPerStep, peakMb: peakMemoryMb }, ...(peer === undefined ? {} : { peer }) });
      const compared =
        peer === undefined ? '' : `, peer ${peer.ms.toFixed(1)} ms, ratio ${(peer.ms / msPerStep).toFixed(2)}`;
      say(`${titleOf(one)}, round ${round} of ${rounds}, norm of ${norm}: ${msPerStep.toFixed(1)} ms${compared}`);
    }
  }
  return summarise(one, pairs);
}

function chosenCases(ids: readonly string[]): readonly Case[] {
  const known = cases.map(({ id }) => id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: no such case; there are ${known.join(', ')}`);
  return ids.length === 0 ? cases : cases.filter(({ id }) => ids.includes(id));
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

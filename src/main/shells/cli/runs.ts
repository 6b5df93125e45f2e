import { Command } from 'commander';
import type { RunView } from '../../../shared/contract/contract.js';
import { differences, parseRunConfig } from '../../../shared/run-config.js';
import { parseRunFilter } from '../../../shared/run-filter.js';
import type { RunState } from '../../../shared/run-state.js';
import { tableRow } from '../../../shared/run-table.js';
import { runsFolder } from '../../data-folder.js';
import { earlierRuns } from '../../earlier-runs.js';
import { readRuns, readRunsNamed, withStore } from './read-runs.js';
import { flopsSaid, integer, list, percent, perplexity, table } from './text.js';

/** `sparrow runs [--filter EXPRESSION] [--trash] [--json]` */
export function runsCommand(): Command {
  return new Command('runs')
    .description('List the runs.')
    .option('--filter <expression>', 'those that fit, such as "method:selfish density<0.5 -state:failed"', '')
    .option('--trash', 'those in the trash')
    .option('--json', 'as a JSON array')
    .action(async ({ filter, trash, json }: { filter: string; trash?: true; json?: true }) => {
      const fits = parseRunFilter(filter);
      const { runs: all, damaged } = await readRuns(trash === true);
      const runs = all.filter(({ record, state }) => fits(tableRow(record, state)));
      if (json === true) process.stdout.write(`${JSON.stringify(runs.map(asJson))}\n`);
      else if (runs.length > 0) process.stdout.write(listing(runs));
      for (const { id, problem } of damaged) process.stderr.write(`sparrow: ${id} cannot be read: ${problem}\n`);
      tellEarlier();
    });
}

function tellEarlier(): void {
  const ids = earlierRuns(runsFolder(), (id) => withStore(({ runs }) => runs.has(id)) === true);
  if (ids.length === 0) return;
  process.stderr.write(
    `sparrow: ${ids.length} runs of an earlier version are not in the database yet: the next "sparrow train" or "sparrow resume" adds them\n`,
  );
}

/** `sparrow show ID [--json]` */
export function showCommand(): Command {
  return new Command('show')
    .description('Show a run: its state, how far it is, and what is not as usual in its configuration.')
    .argument('<id>', 'the run')
    .option('--json', 'as JSON')
    .action(async (id: string, { json }: { json?: true }) => {
      const [view] = await readRunsNamed([id]);
      process.stdout.write(json === true ? `${JSON.stringify(asJson(view))}\n` : details(view));
    });
}

function asJson({ record, state }: RunView) {
  const { state: name, ...why } = state;
  return { ...record, state: name, ...(Object.keys(why).length === 0 ? {} : { stateDetail: why }) };
}

function listing(runs: readonly RunView[]): string {
  const head = ['run', 'state', 'method', 'density', 'corpus', 'progress', 'validation', 'test'];
  const rows = runs.map(({ record: { id, config, progress }, state }) => [
    id,
    state.state,
    config.method.kind,
    percent(config.method.density),
    config.corpus.name,
    `${progress.epoch}/${config.training.epochs}`,
    progress.bestValidationPerplexity === null ? '' : perplexity(progress.bestValidationPerplexity),
    progress.testPerplexity === null ? '' : perplexity(progress.testPerplexity),
  ]);
  return table([head, ...rows]);
}

function details({ record, state }: RunView): string {
  const { id, name, config, progress, attempts, tags, note, created } = record;
  const pairs: [string, string][] = [['run', id]];
  if (name !== id) pairs.push(['name', name]);
  pairs.push(['state', said(state)], ['created', new Date(created).toISOString()]);
  pairs.push(['progress', `epoch ${progress.epoch} of ${config.training.epochs}, step ${integer(progress.step)}`]);
  const {
    loss,
    tokensPerSecond,
    bestValidationPerplexity,
    testPerplexity,
    parameters,
    computedBy,
    flops,
    flopsOfDense,
  } = progress;
  if (parameters !== null) {
    const share = percent(parameters.active / parameters.total);
    pairs.push(['parameters', `${integer(parameters.active)} active of ${integer(parameters.total)} (${share})`]);
  }
  if (computedBy !== null) pairs.push(['engine', computedBy]);
  if (flops !== null) pairs.push(['training FLOPs', flopsSaid(flops, flopsOfDense)]);
  if (loss !== null) pairs.push(['training loss', loss.toFixed(4)]);
  if (tokensPerSecond !== null) pairs.push(['speed', `${integer(tokensPerSecond)} words/s`]);
  if (bestValidationPerplexity !== null) pairs.push(['best validation', perplexity(bestValidationPerplexity)]);
  if (testPerplexity !== null) pairs.push(['test perplexity', perplexity(testPerplexity)]);
  pairs.push(['attempts', String(attempts.length)]);
  if (tags.length > 0) pairs.push(['tags', tags.join(', ')]);
  if (note !== '') pairs.push(['note', note.replaceAll(/\s*\n\s*/g, ' ')]);
  for (const { field, b } of differences(parseRunConfig({}), config)) pairs.push([field, String(b)]);
  return list(pairs);
}

function said(state: RunState): string {
  switch (state.state) {
    case 'queued':
      return `queued, ${state.ahead} ahead`;
    case 'interrupted':
      return `interrupted: ${state.reason}`;
    case 'failed':
      return `failed: ${state.error}`;
    default:
      return state.state;
  }
}

import { setting, titleOf, type Case, type ModelCase } from './cases.js';
import type { Bound } from './bounds.js';
import { markdownTable } from './markdown.js';
import { barsOf, type CaseSummary } from './ratios.js';

/** Where the time of a step goes, and what its kernels could do. */
export interface Profile {
  readonly case: Case;
  /** Milliseconds by op, with the exact norm and with that of active weights. */
  readonly all: Readonly<Record<string, number>>;
  readonly active: Readonly<Record<string, number>>;
  /** Missing where kernels could not be measured. */
  readonly bounds?: readonly Bound[];
}

/** Everything that `npm run bench` finds out. */
export interface Results {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly steps: number;
  readonly cases: readonly CaseSummary[];
  readonly profiles: readonly Profile[];
}

const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(value < 100 ? 1 : 0));
const ratio = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2));
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** A model beside its peer, and one step of it on the engine that runs everywhere. */
export interface ModelSummary extends CaseSummary<ModelCase> {
  readonly wasmMs: number;
}

/** What `npm run bench -- --models` finds out. */
export type ModelResults = Omit<Results, 'cases' | 'profiles'> & { readonly models: readonly ModelSummary[] };

/** Every bar and whether it holds, and every norm of every case: on the terminal and in docs/performance.md. */
export function tables({ cases }: Pick<Results, 'cases'>): string {
  const bars = cases.map((summary) => {
    const { case: one, norms } = summary;
    const exact = norms.find(({ norm }) => norm === 'all');
    const [speed, memory] = (['speed', 'memory'] as const).map((what) =>
      barsOf(summary).find((bar) => bar.what === what),
    );
    const verdict = (holds: boolean | undefined) => (holds === undefined ? '' : holds ? 'holds' : '**missed**');
    return [
      titleOf(one),
      ...[ms(exact?.peer?.ms), ms(exact?.ours.ms)],
      ...[ratio(exact?.faster), ratio(one.must), verdict(speed?.holds), ratio(one.reach)],
      ...[ratio(exact?.memory), ratio(one.memory), verdict(memory?.holds)],
    ];
  });
  const all = cases.flatMap(({ case: one, norms }) =>
    norms.map(({ norm, ours, peer, ratios, faster, memory }) => [
      titleOf(one),
      norm,
      ...[ms(ours.ms), ms(peer?.ms), ratios.map(ratio).join(' '), ratio(faster)],
      ...[ours.peakMb.toFixed(0), peer?.peakMb.toFixed(0) ?? '', ratio(memory)],
    ]),
  );
  const barHeader = ['case', 'peer ms', 'ours ms', 'faster', 'must', '', 'reach for', 'memory', 'at most', ''];
  const header = ['case', 'norm', 'ours ms', 'peer ms', 'ratios', 'median', 'ours MiB', 'peer MiB', 'share'];
  return `${markdownTable(barHeader, bars)}\n${markdownTable(header, all)}`;
}

/** One sentence for each bar that does not hold. */
export function missed({ cases, profiles }: Pick<Results, 'cases' | 'profiles'>): string[] {
  return cases.flatMap((summary) =>
    barsOf(summary)
      .filter(({ holds }) => !holds)
      .map(({ what, wanted, reached }) => {
        const title = titleOf(summary.case);
        if (what === 'memory') return `${title}: ${ratio(reached)} of the memory, at most ${ratio(wanted)} is wanted.`;
        return `${title}: ${ratio(reached)} times faster, ${ratio(wanted)} is wanted.${boundSentence(summary, profiles)}`;
      }),
  );
}

function boundSentence({ case: one, norms }: CaseSummary, profiles: readonly Profile[]): string {
  const bounds = profiles.find((profile) => profile.case.id === one.id)?.bounds;
  const peer = norms.find(({ norm }) => norm === 'all')?.peer;
  if (bounds === undefined || peer === undefined) return '';
  const least = sum(bounds.map((bound) => bound.ms));
  return ` Its kernels alone, at the best speed measured of each, need ${ms(least)} ms: ${ratio(peer.ms / least)} times faster.`;
}

function profileText({ case: one, all, active, bounds }: Profile): string {
  const rows = Object.entries(all).map(([op, time]) => {
    const bound = bounds?.find((candidate) => candidate.op === op);
    return [op, ms(time), ms(active[op]), bound?.gigaOperations.toFixed(2) ?? '', ms(bound?.ms)];
  });
  const total = [
    '**step**',
    ...[ms(sum(Object.values(all))), ms(sum(Object.values(active)))],
    ...(bounds === undefined
      ? ['', '']
      : [sum(bounds.map((b) => b.gigaOperations)).toFixed(2), ms(sum(bounds.map((b) => b.ms)))]),
  ];
  const header = ['op', 'ms, norm of all', 'ms, of active', 'giga-operations', 'bound ms'];
  return `### ${titleOf(one)}\n\n${markdownTable(header, [...rows, total])}`;
}

/** Every model: on the terminal and in docs/performance.md. */
export function modelTable(models: readonly ModelSummary[]): string {
  const rows = models.flatMap(({ case: { model }, norms, wasmMs }) =>
    norms.map(({ ours, peer, ratios, faster, memory }) => [
      model,
      ...[ms(peer?.ms), ms(ours.ms), ratios.map(ratio).join(' '), ratio(faster), ms(wasmMs)],
      ...[peer?.peakMb.toFixed(0) ?? '', ours.peakMb.toFixed(0), ratio(memory)],
    ]),
  );
  const header = ['model', 'peer ms', 'native ms', 'ratios', 'faster', 'wasm ms', 'peer MiB', 'native MiB', 'share'];
  return markdownTable(header, rows);
}

function factsList({ date, machine }: Pick<Results, 'date' | 'machine'>, model: string): string {
  const { vocabulary, layers, batch, bptt, threads } = setting;
  const words = `${vocabulary} words, batch ${batch}, ${bptt} steps, ${threads} threads`;
  const facts = { date, ...machine, setting: `${layers} ${model}, ${words}` };
  return Object.entries(facts)
    .map(([name, value]) => `- ${name}: ${value}\n`)
    .join('');
}

/** The part of docs/performance.md about models. */
export function modelPage(results: ModelResults): string {
  const sizes = [...new Set(results.models.map(({ case: { hidden, density } }) => titleOf({ hidden, density })))];
  return [
    factsList(results, `layers, ${sizes.join('; ')}`),
    `Each ratio is of two processes of ${results.steps} steps that ran one right after the other; the median of ${results.rounds} pairs counts.\n`,
    modelTable(results.models),
  ].join('\n');
}

/** The measured part of docs/performance.md. */
export function page(results: Results): string {
  const { rounds, steps, profiles } = results;
  const misses = missed(results);
  return [
    factsList(results, 'LSTM layers'),
    `Each ratio is of two processes of ${steps} steps that ran one right after the other, ${rounds} pairs for each norm; the median counts.\n`,
    tables(results),
    '## What misses its bar\n',
    misses.length === 0 ? 'Nothing.\n' : misses.map((sentence) => `- ${sentence}\n`).join(''),
    '## Where the time goes\n',
    profiles.map(profileText).join('\n'),
  ].join('\n');
}

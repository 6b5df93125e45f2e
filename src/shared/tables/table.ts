import { UserError } from '../errors.js';
import { applySettings, parseRunConfig, type PartialRunConfig, type RunConfig } from '../run-config.js';

/** Tables of the field: rows of runs that are compared, each at two scales, and how a row becomes runs. */

/**
 * `quick` is a network of a hundred units that a laptop trains in minutes and asks the same question; `full` is the published
 * recipe on the published text.
 */
export const scales = ['quick', 'full'] as const;
export type Scale = (typeof scales)[number];

export interface TableRow {
  /** Of its own in the table at a scale; in the names of its runs. */
  readonly name: string;
  readonly title: string;
  readonly base: PartialRunConfig;
  /** What it changes in the base, as `--set` would. */
  readonly settings: readonly string[];
  /** Name of its result in resources/published.json, where one may be quoted. */
  readonly published?: string;
}

export interface Table {
  readonly id: string;
  readonly title: string;
  /** What its rows differ in, and what that tells. */
  readonly question: string;
  /** What its report tells besides perplexities: the densities of gates, or how far the topologies of seeds are apart. */
  readonly tells?: 'gates' | 'topology';
  /** On one of the texts that quick rows can be trained on. */
  readonly quick: (corpus: QuickCorpus) => readonly TableRow[];
  readonly full: readonly TableRow[];
  /** How many seeds a full row has, where that is more than one. */
  readonly fullSeeds?: number;
}

/** Mini-PTB where it has been imported under this name, or else the built-in language. */
export const quickCorpora = ['mini-ptb', 'built-in'] as const;
export type QuickCorpus = (typeof quickCorpora)[number];

/** @param corpora names of those that are here */
export function quickCorpusAmong(corpora: readonly string[]): QuickCorpus {
  return corpora.includes('mini-ptb') ? 'mini-ptb' : 'built-in';
}

/** How many seeds a row has unless somebody asks for others. */
export function usualSeeds({ fullSeeds = 1 }: Table, scale: Scale): number {
  return scale === 'quick' ? 3 : fullSeeds;
}

/**
 * The run of a row with one of its seeds, the first one of which is that of its recipe.
 * @param index counts seeds from 0
 */
export function configOf(table: Table, scale: Scale, row: TableRow, index: number): RunConfig {
  const config = applySettings(row.base, row.settings);
  const seed = (config.seed ?? 1) + index;
  return parseRunConfig({ ...config, seed, name: `${table.id}-${scale}-${row.name}`.toLowerCase() });
}

/** @throws UserError where there is none of that name */
export function tableNamed(name: string, tables: readonly Table[]): Table {
  const table = tables.find(({ id }) => id.toLowerCase() === name.toLowerCase());
  if (table !== undefined) return table;
  throw new UserError(`${name}: no such table; there are ${tables.map(({ id }) => id).join(', ')}`);
}

import type { ModelConfig } from '../../shared/model-config.js';
import type { MaskLayer } from '../../system/mask-file.js';

/**
 * Which units the rows and columns of a model's matrices belong to. A network whose units have changed places, all their rows and columns
 * with them, computes the same: two networks are compared after the units of one have been matched with those of the other.
 */
export interface UnitGroup {
  readonly name: string;
  readonly size: number;
  /**
   * Only inside so many consecutive units may places be changed. In an ON-LSTM those are the units of a master gate, since the
   * cumulative softmax gives master gates an order.
   */
  readonly exchange: number;
}

/** Consecutive rows of a matrix, one for each unit of a group; words, experts and master gates belong to none and keep their places. */
interface RowBlock {
  readonly group: string | undefined;
  readonly rows: number;
}

interface MatrixUnits {
  readonly rows: readonly RowBlock[];
  /** Columns are always units. */
  readonly columns: string;
}

export interface NetworkUnits {
  /** From the words upward: each is matched by what those before it have been matched with. */
  readonly groups: readonly UnitGroup[];
  /** In the order of the layers. */
  readonly matrices: readonly MatrixUnits[];
}

const words = 'embedding';

/** @throws Error where the matrices are not those of such a model */
export function unitsOf(layers: readonly MaskLayer[], model: ModelConfig): NetworkUnits {
  const sizes = new Map<string, number>();
  const recurrent = layers.filter(({ name }) => isRecurrent(name));
  const last = recurrent.length === 0 ? 0 : Math.max(...recurrent.map(({ name }) => levelOf(name)));
  const isMixture = model.kind === 'awd-lstm-mos';
  // A tied decoder reads the last layer by the word vectors' own columns: its units are theirs.
  const group = (level: number) =>
    level < 0 || (level === last && model.tied && !isMixture) ? words : `layer ${level}`;
  const latent = model.tied ? words : 'latent';
  const note = (name: string, size: number) => {
    sizes.set(name, size);
    return name;
  };
  const blocks = (name: string, size: number, rows: number, count: number) =>
    blocksOf(note(name, size), size, rows, count);
  const matrices = layers.map(({ name, rows, columns }): MatrixUnits => {
    if (name === 'embedding.weight') return { rows: fixed(rows), columns: note(words, columns) };
    if (name === 'decoder.weight')
      return { rows: fixed(rows), columns: note(isMixture ? latent : group(last), columns) };
    if (name === 'mos.prior.weight') return { rows: fixed(rows), columns: note(group(last), columns) };
    if (name === 'mos.latent.weight') {
      return {
        rows: blocks(latent, model.embedding, rows, rows / model.embedding),
        columns: note(group(last), columns),
      };
    }
    const level = levelOf(name);
    const own = recurrent.find((other) => levelOf(other.name) === level);
    if (own === undefined) throw new Error(`${name} is no matrix of a model that Sparrow knows`);
    const fromBelow = name.includes('weight_ih') || name.includes('.input');
    return {
      rows: blocks(group(level), own.columns, rows, gatesOf(rows, own.columns, model)),
      columns: note(group(fromBelow ? level - 1 : level), columns),
    };
  });
  const exchangeOf = (name: string, size: number) =>
    model.kind === 'on-lstm' && (name !== words || model.tied) ? Math.min(size, model.chunk) : size;
  const groups = [...sizes].map(([name, size]) => ({ name, size, exchange: exchangeOf(name, size) }));
  return { groups, matrices };
}

function isRecurrent(name: string): boolean {
  return name.endsWith('weight_hh') || name.includes('.recurrent');
}

/** lstm.1.weight_hh -> 1. An RHN is one layer, whatever its depth. */
function levelOf(name: string): number {
  return name.startsWith('rhn.') ? 0 : Number(/\.(\d+)\./.exec(name)?.[1] ?? NaN);
}

function fixed(rows: number): RowBlock[] {
  return [{ group: undefined, rows }];
}

/** The gates of an ON-LSTM are four, whatever its master gates. */
function gatesOf(rows: number, units: number, { kind }: ModelConfig): number {
  return kind === 'on-lstm' ? 4 : rows / units;
}

/** So many blocks of a group's units at the end; what is left over comes first: the master gates of an ON-LSTM. */
function blocksOf(name: string, size: number, rows: number, count: number): RowBlock[] {
  const rest = rows - count * size;
  return [...(rest === 0 ? [] : fixed(rest)), ...new Array<RowBlock>(count).fill({ group: name, rows: size })];
}

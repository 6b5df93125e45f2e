import { UserError } from '../../shared/errors.js';
import { binOfAge, type ConnectionRow } from '../../shared/topology.js';
import { scaled } from '../../shared/topology-distance.js';
import type { LayerBits } from '../../system/mask-file.js';
import { countOf, eachPosition, overlapOf } from './bits.js';

/** What is told of connections after an update, but for its step and epoch. */
export type Connections = Omit<ConnectionRow, 'step' | 'epoch'>;

/** Updates are counted in 16 bits for each position of a network. */
const mostUpdates = 0xffff;

/**
 * The life of a run's connections, told after each update: how many came and went, how old they are, and which share of all positions has
 * been tried so far (S. Liu et al.: Do We Actually Need Dense Over-Parameterization? In-Time Over-Parameterization in Sparse
 * Training. ICML 2021).
 *
 * @param masks after each update, the initial ones first
 * @param isTold which updates to tell of
 * @throws UserError where there are more updates than can be counted
 */
export function* connectionsOf(
  masks: Iterable<readonly LayerBits[]>,
  isTold: (update: number) => boolean = () => true,
): Generator<Connections[]> {
  let lives: LayerLife[] | undefined;
  let update = 0;
  for (const layers of masks) {
    lives ??= layers.map(({ layer: { name, rows, columns } }) => new LayerLife(name, rows * columns));
    if (update > mostUpdates) {
      throw new UserError(
        `this run has more than ${mostUpdates} topology updates: its connections are too many to follow`,
      );
    }
    layers.forEach(({ bits }, i) => {
      lives![i].take(update, bits);
    });
    if (isTold(update)) yield [wholeOf(lives), ...lives].map((life) => life.told(update));
    update += 1;
  }
}

/** Counts of one layer, or of all. */
class Life {
  readonly layer: string | null;
  readonly size: number;
  active = 0;
  removed = 0;
  grown = 0;
  everActive = 0;
  /** With the first masks and with those before: active in both, and in either. */
  start = { both: 0, either: 0 };
  previous = { both: 0, either: 0 };
  /** How many active connections grew with each update. */
  readonly cohorts: number[] = [];

  constructor(layer: string | null, size: number) {
    this.layer = layer;
    this.size = size;
  }

  told(update: number): Connections {
    const { layer, size, active, removed, grown, everActive, start, previous, cohorts } = this;
    return {
      ...{ update, layer, size, active, removed, grown, everActive },
      sinceStart: cohorts[0] ?? 0,
      inStart: start.both,
      meanAge: cohorts.reduce((sum, count, birth) => sum + count * (update - birth), 0) / Math.max(1, active),
      medianAge: medianAge(cohorts, active, update),
      ages: agesOf(cohorts, update),
      toStart: scaled(start.both, start.either),
      toPrevious: scaled(previous.both, previous.either),
    };
  }
}

class LayerLife extends Life {
  readonly #births: Uint16Array;
  readonly #ever: Uint8Array;
  #first: Uint8Array | undefined;
  #last: Uint8Array;

  constructor(layer: string, size: number) {
    super(layer, size);
    this.#births = new Uint16Array(size);
    this.#ever = new Uint8Array(Math.ceil(size / 8));
    this.#last = new Uint8Array(Math.ceil(size / 8));
  }

  take(update: number, bits: Uint8Array): void {
    this.#first ??= bits;
    this.start = overlapOf(this.#first, bits);
    this.previous = update === 0 ? this.start : overlapOf(this.#last, bits);
    this.active = countOf(bits);
    this.cohorts[update] = 0;
    let [removed, grown] = [0, 0];
    for (let i = 0; i < bits.length; i++) {
      const change = bits[i] ^ this.#last[i];
      if (change === 0) continue;
      this.#ever[i] |= bits[i];
      eachPosition(change & this.#last[i], i, (position) => {
        this.cohorts[this.#births[position]] -= 1;
        removed += 1;
      });
      eachPosition(change & bits[i], i, (position) => {
        this.#births[position] = update;
        grown += 1;
      });
    }
    this.cohorts[update] += grown;
    // The first masks did not grow.
    [this.removed, this.grown] = update === 0 ? [0, 0] : [removed, grown];
    this.everActive = countOf(this.#ever);
    this.#last = bits;
  }
}

function wholeOf(layers: readonly Life[]): Life {
  const sum = (of: (life: Life) => number) => layers.reduce((total, life) => total + of(life), 0);
  const whole = new Life(
    null,
    sum(({ size }) => size),
  );
  for (const name of ['active', 'removed', 'grown', 'everActive'] as const) whole[name] = sum((life) => life[name]);
  for (const name of ['start', 'previous'] as const) {
    whole[name] = { both: sum((life) => life[name].both), either: sum((life) => life[name].either) };
  }
  layers[0]?.cohorts.forEach((_, birth) => whole.cohorts.push(sum(({ cohorts }) => cohorts[birth])));
  return whole;
}

function agesOf(cohorts: readonly number[], update: number): number[] {
  const ages = new Array<number>(binOfAge(update) + 1).fill(0);
  cohorts.forEach((count, birth) => (ages[binOfAge(update - birth)] += count));
  return ages;
}

function medianAge(cohorts: readonly number[], active: number, update: number): number {
  let younger = 0;
  for (let birth = update; birth > 0; birth--) {
    younger += cohorts[birth];
    if (2 * younger >= active) return active === 0 ? 0 : update - birth;
  }
  return active === 0 ? 0 : update;
}

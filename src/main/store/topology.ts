import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../shared/errors.js';
import { methods } from '../../shared/methods.js';
import { parseRunConfig, type RunConfig } from '../../shared/run-config.js';
import type { ConnectionRow, MaskPlace, TopologyDistance } from '../../shared/topology.js';
import { readMaskBits, type LayerBits } from '../../system/mask-file.js';
import { connectionsOf } from '../topology/connections.js';
import { networkDistance } from '../topology/network-distance.js';
import type { Connection } from './connection.js';
import { decode } from './json.js';
import { keyOf } from './keys.js';
import type { TopologyReader } from './store.js';

/** Of a run that has more updates so many are told, evenly, the last one among them. */
const mostTold = 1000;

/** What runs tell by their masks, which lie beside the database: `runs/ID/masks.bin`. All of it takes long where networks are large. */
export class TopologyRows implements TopologyReader {
  readonly #connection: Connection;
  readonly #runsFolder: string;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#runsFolder = join(dirname(connection.path), 'runs');
  }

  connections(run: string): ConnectionRow[] {
    const file = this.#fileOf(run);
    const updates = this.#updatesOf(run);
    const last = updates.length - 1;
    const stride = Math.ceil(updates.length / mostTold);
    const rows: ConnectionRow[] = [];
    // A trainer writes masks before it tells of them.
    for (const layers of connectionsOf(
      first(readMaskBits(file), updates.length),
      (n) => n % stride === 0 || n === last,
    )) {
      for (const row of layers) rows.push({ ...row, ...updates[row.update] });
    }
    return rows;
  }

  distance(a: MaskPlace, b: MaskPlace, withMatching: boolean): TopologyDistance {
    const [one, other] = [this.#masksAt(a), this.#masksAt(b)];
    const distance = networkDistance(one.masks, other.masks, this.#configOf(a.run).model, withMatching);
    return { ...distance, a: { run: a.run, update: one.update }, b: { run: b.run, update: other.update } };
  }

  #masksAt({ run, update }: MaskPlace): { masks: LayerBits[]; update: number } {
    const file = this.#fileOf(run);
    const last = this.#updatesOf(run).length - 1;
    const wanted = update ?? last;
    const [masks] = wanted > last ? [] : [...first(readMaskBits(file), wanted + 1, wanted)];
    if ((masks as typeof masks | undefined) !== undefined) return { masks, update: wanted };
    throw new UserError(`run ${run} has no topology update ${wanted}: its last one is ${Math.max(0, last)}`);
  }

  #fileOf(run: string): string {
    const { method } = this.#configOf(run);
    if (methods[method.kind].masks === 'none') {
      throw new UserError(`run ${run} is dense and has no masks: choose runs that are sparse`);
    }
    const file = join(this.#runsFolder, run, 'masks.bin');
    if (existsSync(file)) return file;
    throw new UserError(`run ${run} has no masks yet: they are drawn when it begins to train`);
  }

  #configOf(run: string): RunConfig {
    const key = keyOf(this.#connection, run);
    const text = this.#connection.query('SELECT config FROM runs WHERE key = ?').row(key)?.[0];
    return parseRunConfig(decode(text, `run ${run}`));
  }

  /** Step and epoch of each, the n-th of update n. */
  #updatesOf(run: string): { step: number; epoch: number }[] {
    return this.#connection
      .query('SELECT step, epoch FROM sparsity_updates WHERE run = ? ORDER BY sequence')
      .rows(keyOf(this.#connection, run))
      .map(([step, epoch]) => ({ step: Number(step), epoch: Number(epoch) }));
  }
}

/** At most so many of them, without the first few. */
function* first<T>(items: Iterable<T>, count: number, without = 0): Generator<T> {
  let index = 0;
  if (count === 0) return;
  for (const item of items) {
    if (index >= without) yield item;
    if (++index === count) return;
  }
}

import { z } from 'zod';

/** What the history of a run's masks says: where connections came from, how long they have been there, and how far runs are apart. */

const count = z.int().min(0);
const share = z.number().min(0).max(1);

/** A layer, or the network as a whole, after a topology update. */
export const connectionRowSchema = z.object({
  /** Counts topology updates from 1; 0 is the initial topology. */
  update: count,
  step: count,
  epoch: count,
  /** Null for the network as a whole. */
  layer: z.string().nullable(),
  size: count,
  active: count,
  /** By this update, net: a weight that was removed and grew back at once counts for nothing. */
  removed: count,
  grown: count,
  /** Active without a break since the first masks. */
  sinceStart: count,
  /** Of the positions that the first masks had. */
  inStart: count,
  /** Positions that any mask so far had: their share of all is the in-time over-parameterisation rate. */
  everActive: count,
  /** Of active connections, in updates since they grew. */
  meanAge: z.number().min(0),
  medianAge: count,
  /** Active connections by their age, in bins that grow: 0, 1, 2 to 3, 4 to 7 and so on, as many as there can be by this update. */
  ages: z.array(count),
  /** Topology distance to the first masks and to those before, without matching; 0 is the same, 1 has nothing in common. */
  toStart: share,
  toPrevious: share,
});
export type ConnectionRow = z.output<typeof connectionRowSchema>;

/** The bin of an age, and the first and the last age of a bin. */
export function binOfAge(age: number): number {
  return age === 0 ? 0 : 32 - Math.clz32(age);
}
export function agesOfBin(bin: number): readonly [from: number, to: number] {
  return bin === 0 ? [0, 0] : [2 ** (bin - 1), 2 ** bin - 1];
}

/** How far apart two masks are: connections that only one has, as a share of those that either has. */
const distances = z.object({
  distance: share,
  /** With units matched first; null where that was not asked for. */
  matched: share.nullable(),
  /** Of independent masks with the same densities. */
  chance: share,
});
const layerDistanceSchema = distances.extend({ layer: z.string() });
export type LayerDistance = z.output<typeof layerDistanceSchema>;

const networkDistanceSchema = distances.extend({ layers: z.array(layerDistanceSchema) });
export type NetworkDistance = z.output<typeof networkDistanceSchema>;

/** The masks of a run after an update; the newest where none is told. */
export const maskPlaceSchema = z.strictObject({ run: z.string().min(1).max(200), update: count.optional() });
export type MaskPlace = z.output<typeof maskPlaceSchema>;

/** Between two masks: which ones they were, and how far apart. */
export const topologyDistanceSchema = networkDistanceSchema.extend({
  a: maskPlaceSchema.required(),
  b: maskPlaceSchema.required(),
});
export type TopologyDistance = z.output<typeof topologyDistanceSchema>;

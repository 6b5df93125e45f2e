import type * as tf from '../../tf.js';
import type { GpuBackend } from './backend.js';
import { toRows, toUnits } from './kernels/layout.js';

/** A window as kernels see it: streams of a step in lanes of four. */
export interface Window {
  readonly steps: number;
  readonly batch: number;
}

/** Lanes of a step. */
export function lanesOf({ batch }: Window): number {
  return Math.ceil(batch / 4);
}

/** Activations as kernels go through them (kernels/layout.ts): [units, steps * lanes * 4]. */
export interface Activations {
  readonly tensor: tf.Tensor;
  readonly units: number;
  readonly window: Window;
}

/** Lanes of a unit. */
export function widthOf({ steps, batch }: Window): number {
  return steps * lanesOf({ steps, batch });
}

export function freshActivations(gpu: GpuBackend, units: number, window: Window): Activations {
  return { tensor: gpu.fresh([units, 4 * widthOf(window)]), units, window };
}

/** @param rows [positions, units], step by step */
export function byUnits(gpu: GpuBackend, rows: tf.TensorInfo, window: Window): Activations {
  const to = freshActivations(gpu, rows.shape[1], window);
  placeUnits(gpu, rows, to, 0, window);
  return to;
}

/**
 * Puts some steps among those of longer activations.
 * @param step the first of them there
 */
export function placeUnits(gpu: GpuBackend, rows: tf.TensorInfo, to: Activations, step: number, window: Window): void {
  const width = 4 * widthOf(window);
  gpu.dispatch(toUnits, { rows, units: to.tensor }, { ...partOf(to, step, window), width }, to.units * width);
}

/** Some steps of activations as they are outside, [positions, units]. */
export function byRows(gpu: GpuBackend, from: Activations, step = 0, window = from.window): tf.Tensor2D {
  const rows = gpu.fresh<tf.Rank.R2>([window.steps * window.batch, from.units]);
  const positions = window.steps * window.batch;
  gpu.dispatch(toRows, { units: from.tensor, rows }, { ...partOf(from, step, window), positions }, rows.size);
  return rows;
}

function partOf({ units, window: whole }: Activations, step: number, window: Window) {
  const padded = 4 * lanesOf(window);
  return { unitCount: units, batch: window.batch, padded, stride: 4 * widthOf(whole), offset: step * padded };
}

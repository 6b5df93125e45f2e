/**
 * An exponential moving average with its bias taken out, as TensorBoard draws it: s ← w s + (1 − w) y, shown as s / (1 − wᵗ).
 * @param weight 0 leaves the line as it is, 0.99 flattens it
 */
export function smoothed(values: readonly number[], weight: number): number[] {
  let sum = 0;
  let mass = 0;
  return values.map((value) => {
    sum = weight * sum + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return sum / mass;
  });
}

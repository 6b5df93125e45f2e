import fc from 'fast-check';

/** Checks a property with examples that are the same in every run. */
export function holds<T>(property: fc.IProperty<T>, numRuns = 200): void {
  fc.assert(property, { seed: 20_210, numRuns });
}

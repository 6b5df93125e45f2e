import { expect, test } from 'vitest';
import { isSupported } from '../../scripts/runtime.mjs';

test.each(['22.12.0', '22.20.1', '24.0.0', '24.21.0', '26.0.0', '28.1.0'])('Node %s runs Sparrow', (version) => {
  expect(isSupported(version)).toBe(true);
});

// Odd versions are no longer cared for by the time anybody has them, and packages refuse them.
test.each(['18.20.0', '20.20.2', '21.7.0', '22.11.0', '23.9.0', '25.0.0'])('Node %s does not', (version) => {
  expect(isSupported(version)).toBe(false);
});

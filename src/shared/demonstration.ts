import { presetNamed } from './presets.js';
import type { PartialRunConfig } from './run-config.js';

/** What the runs of the demonstration are tagged with. */
export const demonstrationTag = 'demonstration';

/** One small LSTM on the built-in corpus: with all its weights, with a third of them, and with a third that moves. */
export const demonstration: readonly PartialRunConfig[] = ['quick-dense', 'quick-static', 'quick-selfish'].map(
  (name) => presetNamed(name).config,
);

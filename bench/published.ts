/**
 * What the published implementation of Selfish-RNN gives on the mini-PTB split, presets mini-ptb-*: validation perplexity by seed,
 * after the last epoch or at its best. The mean of ours must lie within a tolerance of the mean of these.
 */
export const published = {
  static: { figure: 'last', bySeed: [360.6, 355.5, 367.6], tolerance: 0.04 },
  selfish: { figure: 'last', bySeed: [359.4, 349.0, 366.5], tolerance: 0.04 },
  dense: { figure: 'best', bySeed: [318.7, 318.3, 319.9], tolerance: 0.02 },
} as const satisfies Record<string, { figure: 'last' | 'best'; bySeed: readonly number[]; tolerance: number }>;

export type Method = keyof typeof published;

/** Mini-PTB: the test file of the Penn Treebank to train on, halves of the validation file to validate and test on. */
export const source = {
  train: { file: 'ptb/test.txt', sha256: 'dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0' },
  halves: { file: 'ptb/valid.txt', sha256: 'c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2' },
  linesOfHalf: 1685,
} as const;

/** Colours of runs: "muted" of Paul Tol's schemes, told apart by colour-blind readers, too. */
export const runColours = [
  '#cc6677',
  '#332288',
  '#ddcc77',
  '#117733',
  '#88ccee',
  '#882255',
  '#44aa99',
  '#999933',
  '#aa4499',
] as const;

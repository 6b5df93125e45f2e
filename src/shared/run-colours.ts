/**
 * Colours of runs, which are stored with them: Okabe and Ito's set (the yellow darkened for white ground) and three of Paul
 * Tol's, told apart by colour-blind readers, too. Each has a variant of the same hue for dark ground.
 */
export const runColours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#8a6d00',
  '#56b4e9',
  '#332288',
  '#882255',
  '#44aa99',
] as const;

export const darkVariants: Readonly<Partial<Record<string, string>>> = {
  '#0072b2': '#5aa9e6',
  '#d55e00': '#ff9d5c',
  '#009e73': '#3fd0a4',
  '#cc79a7': '#e9a3c9',
  '#8a6d00': '#e0c04a',
  '#56b4e9': '#8fd3f7',
  '#332288': '#a99cf5',
  '#882255': '#e4779f',
  '#44aa99': '#6fd8c6',
  // Of runs that were made when the set was another one.
  '#117733': '#4cc371',
  '#999933': '#d0d065',
  '#aa4499': '#dd86d0',
};

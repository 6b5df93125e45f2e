import { setting } from './cases.js';

/** A figure of `npm run bench:kernels`. */
export interface KernelFigure {
  readonly kernel: string;
  readonly density: number;
  readonly threads: number;
  readonly gflops: number;
}

/** Operations of one op that one kernel computes. */
interface Work {
  readonly kernel: string;
  readonly gigaOperations: number;
}

export interface Bound {
  readonly op: string;
  readonly gigaOperations: number;
  /** What its kernels need at the best speed that was measured of each. */
  readonly ms: number;
}

/**
 * Least time of each op of a training step: the arithmetic of its kernels over their speed in `npm run bench:kernels`. Ops that do
 * little arithmetic have none: embedding, dropout, packing and what is JavaScript.
 * @throws Error where a kernel was not measured
 */
export function boundsOf(
  { hidden, density }: { hidden: number; density: number },
  figures: readonly KernelFigure[],
): Bound[] {
  return Object.entries(workOf(hidden, density)).map(([op, works]) => ({
    op,
    gigaOperations: works.reduce((sum, { gigaOperations }) => sum + gigaOperations, 0),
    ms: works.reduce((sum, work) => sum + (work.gigaOperations / speedOf(work.kernel, density, figures)) * 1000, 0),
  }));
}

/** Multiplications and additions by op and kernel, embedding and hidden size being equal. */
function workOf(hidden: number, density: number): Record<string, Work[]> {
  const { vocabulary, layers, batch, bptt } = setting;
  const blocks = Math.ceil((batch * bptt) / 64);
  const product = (rows: number, columns: number) => (2 * density * rows * columns * blocks * 64) / 1e9;
  const pairsOfPositions = ((blocks * (blocks + 1)) / 2) * 64 * 64;
  const gram = (units: number): Work => ({ kernel: 'gram norm', gigaOperations: (2 * pairsOfPositions * units) / 1e9 });
  const recurrent = (kernel: string): Work => ({
    kernel,
    gigaOperations: (2 * density * 4 * hidden * hidden * batch * bptt) / 1e9,
  });
  const gates = product(4 * hidden, hidden);
  const logits = product(vocabulary, hidden);
  const work: Record<string, Work[]> = {};
  for (let layer = 0; layer < layers; layer++) {
    work[`lstm ${layer} forward`] = [{ kernel: 'product', gigaOperations: gates }, recurrent('recurrent forward')];
  }
  work['decoder forward'] = [{ kernel: 'decoder product', gigaOperations: logits }];
  work['decoder backward'] = [
    { kernel: 'transposed', gigaOperations: logits },
    { kernel: 'gradient', gigaOperations: logits },
    gram(vocabulary + hidden),
  ];
  for (let layer = layers - 1; layer >= 0; layer--) {
    // The products of positions of the gates serve both matrices.
    work[`lstm ${layer} backward`] = [
      recurrent('recurrent backward'),
      { kernel: 'transposed', gigaOperations: gates },
      { kernel: 'gradient', gigaOperations: 2 * gates },
      gram(6 * hidden),
    ];
  }
  const weights = density * (2 * vocabulary * hidden + layers * 8 * hidden * hidden);
  work['update'] = [{ kernel: 'update', gigaOperations: (5 * weights) / 1e9 }];
  return work;
}

function speedOf(kernel: string, density: number, figures: readonly KernelFigure[]): number {
  const found = figures.find(
    (figure) =>
      figure.kernel === kernel &&
      figure.threads === setting.threads &&
      figure.density === (kernel === 'gram norm' ? 1 : density),
  );
  if (found === undefined) throw new Error(`${kernel} was not measured at density ${density}`);
  return found.gflops;
}

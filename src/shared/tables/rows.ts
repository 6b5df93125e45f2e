import type { PartialRunConfig } from '../run-config.js';
import type { TableRow } from './table.js';

/** Methods and optimisers as settings on a base that is Selfish-RNN with SNT-ASGD. */

export interface Change {
  readonly name: string;
  readonly title: string;
  readonly settings: readonly string[];
}

/** Definitions as algorithm page 6 has them; all share the removing rate of the base. */
export const methodChanges = {
  dense: { name: 'dense', title: 'dense', settings: ['method.kind=dense', 'method.density=1'] },
  static: { name: 'static', title: 'static, uniform', settings: ['method.kind=static'] },
  staticEr: { name: 'static-er', title: 'static, ER', settings: ['method.kind=static', 'method.initialiser=er'] },
  set: { name: 'set', title: 'SET (signed, per gate)', settings: ['method.kind=set'] },
  setConstant: {
    name: 'set-constant',
    title: 'SET, rate 0.3 throughout',
    settings: ['method.kind=set', 'method.rateSchedule=constant', 'method.removingRate=0.3'],
  },
  dsr: { name: 'dsr', title: 'DSR', settings: ['method.kind=dsr'] },
  snfs: { name: 'snfs', title: 'SNFS', settings: ['method.kind=snfs'] },
  rigl: { name: 'rigl', title: 'RigL', settings: ['method.kind=rigl'] },
  selfishEr: { name: 'selfish-er', title: 'Selfish-RNN, ER', settings: ['method.initialiser=er'] },
  selfish: { name: 'selfish', title: 'Selfish-RNN', settings: [] },
} as const satisfies Record<string, Change>;

/** A dense network of fewer units, with as many parameters as the sparse one has active. */
export function smallDense(units: number): Change {
  const settings = [...methodChanges.dense.settings, `model.embedding=${units}`, `model.hidden=${units}`];
  return { name: 'small-dense', title: `dense, ${units} units`, settings };
}

/** Rates of those that have another one than the base, per base. */
export interface Rates {
  readonly momentum: number;
  readonly adam: number;
}

/** Of optimisers that have none. */
const noAverages = ['optimizer.averagingFrom=0', 'optimizer.restartAverages='];

export function optimizerChanges({ momentum, adam }: Rates) {
  return {
    adam: {
      name: 'adam',
      title: 'Adam',
      settings: ['optimizer.kind=adam', `optimizer.adam.learningRate=${adam}`, ...noAverages],
    },
    momentum: {
      name: 'momentum',
      title: 'SGD with momentum',
      settings: ['optimizer.kind=momentum', `optimizer.learningRate=${momentum}`, ...noAverages],
    },
    ntAsgd: { name: 'nt-asgd', title: 'NT-ASGD, unmasked', settings: ['optimizer.kind=nt-asgd'] },
    sntAsgd: { name: 'snt-asgd', title: 'SNT-ASGD', settings: [] },
  } as const satisfies Record<string, Change>;
}

export const gateChanges: readonly Change[] = [
  { name: 'fused', title: 'gates compete (fused)', settings: [] },
  { name: 'fused-equal', title: 'equal regrowth (fused-equal)', settings: ['method.gateMode=fused-equal'] },
  { name: 'per-gate', title: 'each gate its own (per-gate)', settings: ['method.gateMode=per-gate'] },
];

/** A row for each change of a base. */
export function rowsOf(base: PartialRunConfig, changes: readonly Change[]): TableRow[] {
  return changes.map((change) => ({ ...change, base }));
}

/** A row for each combination, the last change fastest. */
export function crossed(base: PartialRunConfig, ...choices: (readonly Change[])[]): TableRow[] {
  const combined = choices.reduce<readonly Change[]>(
    (before, changes) => before.flatMap((one) => changes.map((other) => joined(one, other))),
    [{ name: '', title: '', settings: [] }],
  );
  return rowsOf(base, combined);
}

function joined(a: Change, b: Change): Change {
  return {
    name: [a.name, b.name].filter((name) => name !== '').join('-'),
    title: [a.title, b.title].filter((title) => title !== '').join(', '),
    settings: [...a.settings, ...b.settings],
  };
}

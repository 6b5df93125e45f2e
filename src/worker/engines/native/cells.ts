import type { LayerAttributes } from '../../ops/recurrent-layer.js';
import type { RhnAttributes } from '../../ops/rhn.js';
import type * as tf from '../../tf.js';
import type { NativeCell, NativeEngine } from './addon.js';
import type { NativeBackend } from './backend.js';
import { Kept } from './kept.js';
import { lanesOf, matrixOf, weightGradients, type Register } from './weights.js';

/** Layers of the cells beside the LSTM, a whole window at a time. */
export function registerCells(engine: NativeEngine, register: Register): void {
  registerCell(engine, register, { cell: 'elman', name: 'SparrowElman', outputs: 3, keptUnits: () => 0 });
  registerCell(engine, register, { cell: 'gru', name: 'SparrowGru', outputs: 6, keptUnits: (size) => 4 * size });
  const ofOnLstm = (size: number, chunk: number) => 4 * size + 4 * (size / chunk);
  registerRhn(engine, register);
  registerCell(engine, register, { cell: 'onLstm', name: 'SparrowOnLstm', outputs: 13, keptUnits: ofOnLstm });
}

/** The recurrent highway layer with coupled gates. */
function registerRhn(engine: NativeEngine, register: Register): void {
  const kept = new Kept<'states' | 'kept'>();
  const none = new Float32Array(0);

  register<RhnAttributes>('SparrowRhn', (inputs, { input, recurrent, mask }, memory) => {
    const of = (name: string) => memory.floats(inputs[name]);
    const [batch, size] = inputs['state'].shape as [number, number];
    const positions = inputs['x'].shape[0];
    const steps = positions / batch;
    const all = steps * recurrent.length;
    const [y, last] = [memory.fresh([positions, size]), memory.fresh([batch, size])];
    const { handle, arrays } = kept.begin(recurrent[0].gates.weight, memory, {
      states: (all + 1) * size * lanesOf(batch),
      kept: all * 2 * size * lanesOf(batch),
    });
    engine.cellForward(
      ...(['rhn', steps, batch, 1, matrixOf(input.gates.weight, of('inputWeight')), of('inputBias')] as const),
      ...([maskOf(mask, memory), of('x'), of('state'), none, y.numbers, last.numbers, none] as const),
      ...([arrays.states, none, arrays.kept] as const),
      ...recurrent.flatMap(({ gates }, d) => [
        matrixOf(gates.weight, of(`recurrent${d}Weight`)),
        of(`recurrent${d}Bias`),
      ]),
    );
    return [y.info, last.info, handle, ...Array.from({ length: 3 }, () => memory.fresh([0]).info)];
  });

  register<RhnAttributes>('SparrowRhnGradient', (inputs, { input, recurrent, mask }, memory) => {
    const of = (name: string) => memory.floats(inputs[name]);
    const [batch, size] = inputs['state'].shape as [number, number];
    const arrays = kept.take(recurrent[0].gates.weight, inputs['output2']);
    const dx = memory.fresh(inputs['x'].shape);
    const dState = memory.fresh([batch, size]);
    const biases = [input, ...recurrent].map(() => memory.fresh([2 * size]));
    const gradients = weightGradients(
      [
        { weight: input.gates.weight, values: of('inputWeight') },
        ...recurrent.map(({ gates }, d) => ({ weight: gates.weight, values: of(`recurrent${d}Weight`) })),
      ],
      memory,
      ([ofInput, ...ofDepths]) =>
        engine.cellBackward(
          ...(['rhn', inputs['x'].shape[0] / batch, batch, 1, ofInput.matrix, maskOf(mask, memory), of('x')] as const),
          ...([arrays.states, none, arrays.kept, of('gradient0'), of('gradient1'), none, dx.numbers] as const),
          ...([ofInput.gradient, biases[0].numbers, dState.numbers, none, ofInput.whole] as const),
          ...ofDepths.flatMap(({ matrix, gradient, whole }, d) => [matrix, gradient, biases[d + 1].numbers, whole]),
        ),
    );
    return [dx.info, dState.info, ...gradients.flatMap((gradient, i) => [gradient, biases[i].info])];
  });
}

function maskOf(mask: tf.Tensor2D | undefined, memory: NativeBackend): Float32Array | null {
  return mask === undefined ? null : memory.floats(mask);
}

interface CellKernel {
  readonly cell: NativeCell;
  /** Of the op. */
  readonly name: string;
  /** How many tensors the op has: outputs of every state, last states, and what is kept. */
  readonly outputs: number;
  /** Units that a step keeps beside its states: cellKeptUnits of native/src/engine.h. */
  readonly keptUnits: (size: number, chunk: number) => number;
}

function registerCell(engine: NativeEngine, register: Register, { cell, name, outputs, keptUnits }: CellKernel): void {
  const hasCell = cell === 'onLstm';
  const kept = new Kept<'states' | 'cells' | 'kept'>();
  const none = new Float32Array(0);

  // Of what the composed op has, h of every step, the last states, and behind the next tensor all that is kept for the way back.
  register<LayerAttributes>(name, (inputs, { inputWeight, recurrentWeight, chunk }, memory) => {
    const of = (input: string) => memory.floats(inputs[input]);
    const [batch, size] = inputs['state0'].shape as [number, number];
    const positions = inputs['x'].shape[0];
    const steps = positions / batch;
    const y = memory.fresh([positions, size]);
    const hidden = memory.fresh([batch, size]);
    const cellAfter = hasCell ? memory.fresh([batch, size]) : undefined;
    const { handle, arrays } = kept.begin(recurrentWeight, memory, {
      states: (steps + 1) * size * lanesOf(batch),
      cells: hasCell ? (steps + 1) * size * lanesOf(batch) : 0,
      kept: steps * keptUnits(size, chunk) * lanesOf(batch),
    });
    engine.cellForward(
      ...([cell, steps, batch, chunk, matrixOf(inputWeight, of('inputValues')), of('inputBias'), null] as const),
      ...([of('x'), of('state0'), hasCell ? of('state1') : none, y.numbers, hidden.numbers] as const),
      ...([cellAfter?.numbers ?? none, arrays.states, arrays.cells, arrays.kept] as const),
      ...[matrixOf(recurrentWeight, of('recurrentValues')), of('recurrentBias')],
    );
    const lastStates = cellAfter === undefined ? [hidden.info] : [hidden.info, cellAfter.info];
    // Every state's outputs, of which only h is anybody's, come first; the handle stands where the first kept tensor would.
    const others = lastStates.slice(1).map(() => memory.fresh([0]).info);
    const told = [y.info, ...others, ...lastStates, handle];
    return [...told, ...Array.from({ length: outputs - told.length }, () => memory.fresh([0]).info)];
  });

  register<LayerAttributes>(`${name}Gradient`, (inputs, attributes, memory) => {
    const { inputWeight, recurrentWeight, recurrentFactor, chunk } = attributes;
    const of = (input: string) => memory.floats(inputs[input]);
    const [batch, size] = inputs['state0'].shape as [number, number];
    const rows = inputWeight.shape[0];
    const states = hasCell ? 2 : 1;
    const arrays = kept.take(recurrentWeight, inputs[`output${2 * states}`]);
    const dx = memory.fresh(inputs['x'].shape);
    const [dInputBias, dRecurrentBias] = [memory.fresh([rows]), memory.fresh([rows])];
    const dHidden = memory.fresh([batch, size]);
    const dCell = hasCell ? memory.fresh([batch, size]) : undefined;
    const [dInput, dRecurrent] = weightGradients(
      [
        { weight: inputWeight, values: of('inputValues') },
        { weight: recurrentWeight, values: of('recurrentValues'), factor: recurrentFactor },
      ],
      memory,
      ([input, recurrent]) =>
        engine.cellBackward(
          ...([cell, inputs['x'].shape[0] / batch, batch, chunk, input.matrix, null, of('x')] as const),
          ...([arrays.states, arrays.cells, arrays.kept, of('gradient0'), of(`gradient${states}`)] as const),
          ...([hasCell ? of('gradient3') : none, dx.numbers, input.gradient, dInputBias.numbers] as const),
          ...([dHidden.numbers, dCell?.numbers ?? none, input.whole] as const),
          ...[recurrent.matrix, recurrent.gradient, dRecurrentBias.numbers, recurrent.whole],
        ),
    );
    const ofStates = dCell === undefined ? [dHidden.info] : [dHidden.info, dCell.info];
    return [dx.info, dInput, dRecurrent, dInputBias.info, dRecurrentBias.info, ...ofStates];
  });
}

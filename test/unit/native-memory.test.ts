import { expect, test } from 'vitest';
import { noDropout, type State } from '../../src/worker/models/model.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import type { LanguageModel } from '../../src/worker/models/model.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { createOptimizer, type Optimizer } from '../../src/worker/optimizers/optimizer.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { memoryInUse } from './support/memory.js';
import { skipWithoutNative, useNative } from './support/native.js';
import { integers, optimizerConfig } from './support/numerics.js';
import type { Sizes } from './support/op-cases.js';
import { modelOf } from './support/steps.js';

skipWithoutNative();

/** Training steps with averaging, clipped by the norm of the whole gradient. */
class Training {
  readonly model: LanguageModel;
  readonly #optimizer: Optimizer;
  readonly #sizes: Sizes;
  #state: State;
  #done = 0;

  constructor(sizes: Sizes) {
    this.#sizes = sizes;
    this.model = modelOf('packed', sizes, false, 1);
    this.#optimizer = createOptimizer(optimizerConfig({ kind: 'snt-asgd', learningRate: 0.1 }), this.model.parameters);
    if (this.#optimizer instanceof SntAsgd) this.#optimizer.beginAveraging(this.model.parameters);
    this.#state = this.model.initialState(sizes.batch);
  }

  run(count: number): void {
    const { batch, steps, words } = this.#sizes;
    const { parameters } = this.model;
    for (const end = this.#done + count; this.#done < end; this.#done++) {
      const text = integers(this.#done, batch * (steps + 1), words);
      const window = { inputs: text.slice(0, -batch), targets: text.slice(batch), batch };
      watchGradients(parameters, 'all', { seed: 1, step: this.#done });
      const pass = lossAndGradients(this.model, window, this.#state, noDropout);
      const norm = gradientNorm(parameters, pass.gradients, 'all', { seed: 1, step: this.#done });
      this.#optimizer.step(parameters, pass.gradients, clipScale(norm, 0.25));
      tf.dispose([pass.loss, ...pass.gradients, ...this.#state]);
      this.#state = pass.state;
    }
  }

  dispose(): void {
    for (const parameter of this.model.parameters) parameter.dispose();
    tf.dispose([...this.#state]);
  }
}

/** Values, their average, since when they are active, a gradient; index of each by row, and by column with its place by row. */
const bytesPerWeight = 4 + 4 + 4 + 4 + 2 + 2 + 4;
const allElse = 1e6;

test('memory of packed training grows with the active weights, and nothing is as large as a dense matrix', async () => {
  const sizes = { batch: 2, steps: 2, inputs: 300, units: 300, words: 100 };
  await useNative(2);
  const measured = async (density: number) => {
    const before = await memoryInUse();
    const training = new Training({ ...sizes, density });
    training.run(3);
    const { peakBytes } = await tf.profile(() => {
      training.run(1);
      return tf.scalar(0);
    });
    const heldBytes = (await memoryInUse()).heldBytes - before.heldBytes;
    const matrices = training.model.parameters.filter((parameter) => parameter instanceof SparseParameter);
    const active = matrices.reduce((sum, { activeCount }) => sum + activeCount, 0);
    const whole = matrices.reduce((sum, { shape: [rows, columns] }) => sum + rows * columns, 0);
    training.dispose();
    return { active, whole, heldBytes, peakBytes };
  };
  await measured(0.01); // code and what is kept by the engine
  for (const density of [0.05, 0.2, 0.8]) {
    const { active, whole, heldBytes, peakBytes } = await measured(density);
    const most = bytesPerWeight * active + allElse;
    expect(heldBytes, `held at density ${density}`).toBeLessThan(most);
    expect(peakBytes, `tensors inside a step at density ${density}`).toBeLessThan(most);
    // What one dense number for each weight would add does not fit in between.
    if (density === 0.05) expect(most).toBeLessThan(4 * whole);
    expect(heldBytes).toBeGreaterThan(0.7 * bytesPerWeight * active);
  }
});

test(
  '2,000 steps leave the number of tensors, what is held and the resident memory as they are',
  { timeout: 180_000 },
  async () => {
    await useNative(2);
    const training = new Training({ batch: 16, steps: 4, inputs: 32, units: 32, words: 100, density: 0.2 });
    const afterSteps = async (hundreds: number) => {
      for (let done = 1; done < hundreds; done++) {
        training.run(100);
        await memoryInUse(); // what is resident must not depend on how long garbage lies about
      }
      training.run(100);
      return memoryInUse();
    };
    const warm = await afterSteps(5);
    const after = await afterSteps(20);
    training.dispose();
    expect(after.tensors).toBe(warm.tensors);
    expect(after.heldBytes - warm.heldBytes).toBeLessThan(2000 * 150); // a tensor of one number is more
    expect(after.residentBytes - warm.residentBytes).toBeLessThan(2000 * 8000); // the outputs of a layer are more
  },
);

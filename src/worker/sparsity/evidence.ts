import { SparseParameter, type Parameter } from './parameter.js';
import * as tf from '../tf.js';

/** What a method may ask of the training steps before an update. */
export type EvidenceKind = 'gradient' | 'momentum' | 'before';

/** What is known of one layer. */
export interface Scores {
  /** Gradient of every position in the last step, or sum of those of the last ones, [rows * columns]. */
  readonly gradient?: Float32Array;
  /** Running mean of that gradient over all steps, likewise. */
  readonly momentum?: Float32Array;
  /** Weights before the last step, of active positions only. */
  readonly before?: Float32Array;
}

/**
 * What training steps leave behind for topology updates: the gradient of every position at the steps that an update follows at once or
 * soon, or its running mean over all steps; both are dense, of inactive weights, too, which is what methods that grow by them need and
 * pay for. A gradient lives from its step to the update, which may be a validation and a checkpoint later.
 */
export class Evidence {
  readonly #kinds: ReadonlySet<EvidenceKind>;
  readonly #decay: number;
  readonly #scores = new Map<string, Partial<Record<EvidenceKind, Float32Array>>>();

  /** @param decay of the running mean: m <- decay m + (1 - decay) g */
  constructor(kinds: Iterable<EvidenceKind>, decay: number) {
    this.#kinds = new Set(kinds);
    this.#decay = decay;
  }

  /**
   * Whether a step must compute the gradient of inactive weights.
   * @param counts whether it is one of those whose gradient the next update goes by
   */
  wantsGradient(counts: boolean): boolean {
    return this.#kinds.has('momentum') || (counts && this.#kinds.has('gradient'));
  }

  /** Whether the step needs to tell the weights from which it set out. */
  get wantsBefore(): boolean {
    return this.#kinds.has('before');
  }

  /** To be called with the weights of a step before they change. */
  noteBefore(parameters: readonly Parameter[]): void {
    for (const parameter of parameters) {
      if (parameter instanceof SparseParameter) this.#of(parameter.name).before = parameter.read('values');
    }
  }

  /**
   * To be called with the gradient of a step.
   * @param whole of every sparse parameter, [rows, columns]
   * @param scale factor on it, from clipping
   */
  noteGradient(whole: WholeGradients, scale: number | tf.Tensor1D, counts: boolean): void {
    for (const [{ name }, tensor] of whole) {
      const gradient = tensor.dataSync<'float32'>();
      const scores = this.#of(name);
      if (counts && this.#kinds.has('gradient')) {
        const sum = scores.gradient;
        if (sum === undefined) scores.gradient = gradient.slice();
        else for (let i = 0; i < sum.length; i++) sum[i] += gradient[i];
      }
      if (!this.#kinds.has('momentum')) continue;
      const momentum = (scores.momentum ??= new Float32Array(gradient.length));
      const share = (1 - this.#decay) * (typeof scale === 'number' ? scale : scale.dataSync<'float32'>()[0]);
      for (let i = 0; i < momentum.length; i++) momentum[i] = this.#decay * momentum[i] + share * gradient[i];
    }
  }

  of(name: string): Scores {
    return this.#scores.get(name) ?? {};
  }

  /** To be called after an update, or when it does not come: a gradient serves one, the mean goes on. */
  afterUpdate(): void {
    for (const scores of this.#scores.values()) {
      delete scores.gradient;
      delete scores.before;
    }
  }

  /** What a checkpoint has of it, by kind and layer. */
  *entries(): Generator<[kind: 'gradient' | 'momentum', name: string, numbers: Float32Array]> {
    for (const [name, { gradient, momentum }] of this.#scores) {
      if (gradient !== undefined) yield ['gradient', name, gradient];
      if (momentum !== undefined) yield ['momentum', name, momentum];
    }
  }

  restore(kind: 'gradient' | 'momentum', name: string, numbers: Float32Array): void {
    this.#of(name)[kind] = numbers.slice();
  }

  #of(name: string) {
    let scores = this.#scores.get(name);
    if (scores === undefined) this.#scores.set(name, (scores = {}));
    return scores;
  }
}

/** The gradient of every weight of the sparse parameters, active or not. */
export type WholeGradients = ReadonlyMap<SparseParameter, tf.Tensor>;

/**
 * After a back-propagation during which whole gradients were watched. Those of packed parameters now belong to the caller; those of masked
 * ones are the stored gradients themselves.
 */
export function takeWholeGradients(parameters: readonly Parameter[], gradients: readonly tf.Tensor[]): WholeGradients {
  const whole = new Map<SparseParameter, tf.Tensor>();
  for (const [i, parameter] of parameters.entries()) {
    if (!(parameter instanceof SparseParameter)) continue;
    const told = parameter.layout === 'masked' ? gradients[i] : parameter.denseGradient.take();
    if (!(told instanceof tf.Tensor)) throw new Error(`nobody has told the dense gradient of ${parameter.name}`);
    whole.set(parameter, told);
  }
  return whole;
}

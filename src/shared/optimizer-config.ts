import { z } from 'zod';
import { hasMasks, methods, type MethodKind } from './methods.js';

/** How the weights of a run are trained. */

export const optimizerSchema = z.strictObject({
  kind: z
    .enum(['snt-asgd', 'nt-asgd', 'asgd', 'sgd', 'momentum', 'adam'])
    .default('snt-asgd')
    .describe(
      'SGD that averages each weight while it is active once validation stalls; that averages without masks, then or always; plain, or with momentum; or Adam.',
    ),
  learningRate: z.number().gt(0).max(1000).default(20).describe('Step size of all but adam, at first.'),
  momentum: z.number().gt(0).lt(1).default(0.9).describe('Share of the step before that momentum keeps.'),
  schedule: z
    .strictObject({
      kind: z
        .enum(['constant', 'decay', 'plateau'])
        .default('constant')
        .describe('Whether the step size stays, falls at set epochs, or falls when validation stalls.'),
      factor: z.number().gt(0).max(1).default(0.5).describe('Factor on the step size each time it falls.'),
      from: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(20)
        .describe('Epoch after which it falls for the first time (decay).'),
      every: z.int().min(1).max(1_000_000).default(1).describe('Epochs from one time to the next (decay).'),
      patience: z.int().min(0).max(100_000).default(2).describe('Epochs without a new best before it falls (plateau).'),
    })
    .prefault({}),
  weightDecay: z.number().min(0).max(1).default(1.2e-6).describe('L2 penalty, added to the gradient.'),
  clip: z.number().gt(0).max(1e9).default(0.25).describe('Largest norm of the whole gradient; a larger one is scaled.'),
  clipNorm: z
    .enum(['all', 'sketched', 'active'])
    .default('all')
    .describe(
      'Which gradient is measured: of all weights, active or not; an estimate of that; or of the active ones only.',
    ),
  nonmonotone: z
    .int()
    .min(0)
    .max(100_000)
    .default(5)
    .describe(
      'Epochs (n) of patience: averaging begins when validation is worse than the best of more than n epochs ago.',
    ),
  averagingFrom: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe('Epoch after which averaging begins even if the trigger has not fired; 0 leaves it to the trigger.'),
  restartAverages: z
    .string()
    .max(200)
    .regex(/^([1-9]\d{0,6}(,[1-9]\d{0,6})*)?$/, 'must be epochs with commas between them, such as 500,1000')
    .default('')
    .describe('Epochs after which averages begin anew if there are any, such as 500,1000; empty for never.'),
  frozenRate: z
    .boolean()
    .default(false)
    .describe(
      'Whether averaging keeps the rate of its first random window for sparse weights, as published code does.',
    ),
  adam: z
    .strictObject({
      learningRate: z.number().gt(0).max(1000).default(1e-3).describe('Step size of adam.'),
      beta1: z.number().min(0).lt(1).default(0).describe('Decay of the mean of the gradient.'),
      beta2: z.number().min(0).lt(1).default(0.999).describe('Decay of the mean of its square.'),
      epsilon: z.number().gt(0).max(1).default(1e-9).describe('Added to the root of the second moment.'),
      plateauFactor: z
        .number()
        .gt(0)
        .max(1)
        .default(0.5)
        .describe('Factor on the learning rate when validation stalls.'),
      plateauPatience: z.int().min(0).max(100_000).default(2).describe('Epochs without a new best before that.'),
      denseMoments: z
        .boolean()
        .default(false)
        .describe(
          'Whether moments of inactive weights go on, as in published code (masked layout only), or are 0 until a weight is active.',
        ),
    })
    .prefault({}),
});

/** Whether what is evaluated is, in the end or always, an average of weights. */
export function averages({ kind }: Pick<z.output<typeof optimizerSchema>, 'kind'>): boolean {
  return kind === 'snt-asgd' || kind === 'nt-asgd' || kind === 'asgd';
}

/** Whether a run keeps something of every weight, active or not, that only the masked layout has room for. */
export function needsMaskedLayout(
  { kind, adam }: Pick<z.output<typeof optimizerSchema>, 'kind' | 'adam'>,
  method: { readonly kind: MethodKind },
): boolean {
  const ofAll = kind === 'nt-asgd' || kind === 'asgd' || (kind === 'adam' && adam.denseMoments);
  return ofAll && hasMasks(methods[method.kind]);
}

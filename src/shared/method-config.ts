import { z } from 'zod';
import { methodKinds, methods } from './methods.js';

/** How the weights of a run are sparse: the fields, and the rules that are about more than one of them. */

export const methodSchema = z.strictObject({
  kind: z
    .enum(methodKinds)
    .default('selfish')
    .describe('How the weights are sparse: not at all, with fixed masks, or with masks that a published rule rewires.'),
  density: z.number().gt(0).max(1).default(0.33).describe('Share of weights that is active (1 for a dense run).'),
  initialiser: z
    .enum(['uniform', 'er'])
    .default('uniform')
    .describe('Density of each layer: the same everywhere, or Erdős-Rényi, larger for smaller matrices.'),
  sampling: z
    .enum(['exact', 'bernoulli'])
    .default('exact')
    .describe('Whether masks and growth draw exact counts, or each position on its own as the published code does.'),
  gateMode: z
    .enum(['auto', 'fused', 'fused-equal', 'per-gate'])
    .default('auto')
    .describe(
      'Whether the gates of a matrix compete for its weights, regrow equal shares, or keep their own; auto: as the method does.',
    ),
  removal: z
    .enum(['auto', 'magnitude', 'signed', 'threshold', 'global-magnitude'])
    .default('auto')
    .describe(
      'What goes: the smallest of a layer, of its positive and its negative weights, of the network, or what a threshold says.',
    ),
  growth: z
    .enum(['auto', 'random', 'gradient', 'momentum'])
    .default('auto')
    .describe('What grows: random positions, or those with the largest gradient, or running mean of it.'),
  redistribution: z
    .enum(['auto', 'none', 'nonzeros', 'magnitude', 'momentum', 'categorical'])
    .default('auto')
    .describe(
      'How weights move between layers: not, or by what each has left, by its mean weight, by its mean momentum, or by chance in proportion to what it had at first (the global DeepR).',
    ),
  removingRate: z.number().min(0).max(1).default(0.8).describe('Share of active weights removed by the first update.'),
  finalRemovingRate: z.number().min(0).max(1).default(0.005).describe('The same at the end of training (cosine).'),
  rateSchedule: z
    .enum(['cosine', 'constant'])
    .default('cosine')
    .describe('Whether the removing rate falls along a cosine, or stays what it is at first.'),
  interval: z.int().min(1).max(1_000_000_000).default(1).describe('Epochs or steps from one update to the next.'),
  intervalUnit: z
    .enum(['epochs', 'steps'])
    .default('epochs')
    .describe('What the interval counts; updates after an epoch come after its validation.'),
  endStep: z
    .int()
    .min(0)
    .max(1_000_000_000)
    .default(0)
    .describe('Optimiser step after which masks stay, and at which the cosine ends; 0 for the end of training.'),
  skipStep: z
    .boolean()
    .default(false)
    .describe('Whether the weights rest in a step that an update follows, as the published RigL has it.'),
  excludeJustRemoved: z.boolean().default(false).describe('Whether a weight just removed may not grow back at once.'),
  reinitialiseRegrown: z
    .boolean()
    .default(false)
    .describe('Whether a weight that is removed and grows back at once starts anew, at 0 and with no average.'),
  threshold: z
    .number()
    .gt(0)
    .max(1000)
    .default(1e-3)
    .describe('Magnitude below which an update removes, where removal is by threshold (l1); of DSR the first.'),
  gradientBatches: z
    .int()
    .min(1)
    .max(10_000)
    .default(1)
    .describe(
      'Steps before an update whose gradients are added up for growth by gradient: more than one see past dropped weights.',
    ),
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe('Decay of the running mean of the gradient that growth and redistribution go by (SNFS).'),
  l1: z.number().min(0).max(1).default(1e-5).describe('L1 penalty on active weights (l1, DeepR).'),
  groupLasso: z
    .number()
    .min(0)
    .max(1000)
    .default(7e-5)
    .describe(
      'Group lasso (lambda) on all weights of a unit, relative to the mean loss of a word (iss): the published 0.00245 is to a sum of 35.',
    ),
  zeroBelow: z
    .number()
    .min(0)
    .max(1000)
    .default(1e-4)
    .describe('Magnitude below which weights are set to 0 after every step (iss).'),
  noise: z
    .number()
    .min(0)
    .max(1)
    .default(1e-3)
    .describe('Rate η of the noise on the gradient, of variance 2 η times the temperature (DeepR).'),
  temperature: z
    .number()
    .min(0)
    .max(1)
    .default(1e-5)
    .describe('Temperature of that noise in the first quarter of training; it falls with each of the next (DeepR).'),
  pruneFrom: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Share of training after which gradual pruning begins (GMP).'),
  pruneUntil: z
    .number()
    .min(0)
    .lt(1)
    .default(0.75)
    .describe('Share of training after which it has come to the density of the run (GMP).'),
  pruneAfter: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe('Epoch after which the network is pruned (one-shot, lottery); 0 for half of all.'),
  updateOnTrigger: z
    .boolean()
    .default(false)
    .describe('Whether the topology is also updated in the epoch in which averaging begins.'),
});

type MethodConfig = z.output<typeof methodSchema>;

/** The epoch after which a method that prunes once does. */
export function pruningEpoch({ pruneAfter }: Pick<MethodConfig, 'pruneAfter'>, epochs: number): number {
  return pruneAfter === 0 ? Math.max(1, Math.floor(epochs / 2)) : pruneAfter;
}

/** Rules of a method that are about more than one field. */
export function broken(method: MethodConfig, epochs: number): { field: keyof typeof method; rule: string }[] {
  const rules: { field: keyof typeof method; rule: string }[] = [];
  const refuse = (field: keyof typeof method, rule: string) => rules.push({ field, rule });
  const row = methods[method.kind];
  const kind = `where method.kind is "${method.kind}"`;
  if (row.masks === 'none' && method.density !== 1) refuse('density', `must be 1 ${kind}`);
  if (row.masks === 'whole-units' && method.density !== 1) {
    refuse('density', `must be 1 ${kind}: its penalty decides what is left`);
  }
  if (row.masks === 'pruned') {
    if (row.schedule === 'interval') {
      if (method.density !== 1) refuse('density', `must be 1 ${kind}: its threshold decides what is left`);
    } else if (method.density === 1) refuse('density', `must be below 1 ${kind}: nothing would be pruned`);
    if (row.schedule === 'once' && pruningEpoch(method, epochs) >= epochs) {
      refuse('pruneAfter', `must be below training.epochs (${epochs}): what is left has to train on`);
    }
    if (row.schedule === 'gradual') {
      if (method.pruneFrom > method.pruneUntil) {
        refuse('pruneFrom', `must be at most method.pruneUntil (${method.pruneUntil})`);
      }
      const last = method.interval * Math.ceil((method.pruneUntil * epochs) / method.interval);
      if (method.intervalUnit === 'epochs' && last >= epochs) {
        const rule = `must end before training.epochs (${epochs}) does, counted in intervals of ${method.interval} epochs`;
        refuse('pruneUntil', rule);
      }
    }
  }
  if (row.masks !== 'rewired') {
    for (const field of ['removal', 'growth', 'redistribution'] as const) {
      if (method[field] !== 'auto')
        refuse(
          field,
          `must be "auto" ${kind}: ${row.masks === 'none' || row.masks === 'fixed' ? 'its masks never change' : 'it has a rule of its own'}`,
        );
    }
    return rules;
  }
  if (method.density === 1) refuse('density', `must be below 1 ${kind}: weights need free positions to grow`);
  if (row.schedule === 'step') {
    const own = `must be %s ${kind}: it removes what changes its sign, after every step`;
    if (method.removal !== 'auto') refuse('removal', own.replace('%s', '"auto"'));
    if (method.interval !== 1) refuse('interval', own.replace('%s', '1'));
    if (method.intervalUnit !== 'epochs') refuse('intervalUnit', own.replace('%s', '"epochs"'));
    if (method.skipStep) refuse('skipStep', own.replace('%s', 'false'));
  }
  const growth = method.growth === 'auto' ? row.growth : method.growth;
  if (growth !== 'gradient' && method.gradientBatches !== 1) {
    refuse('gradientBatches', `must be 1 where growth is "${growth}": nothing grows by gradient`);
  }
  if (method.skipStep && method.intervalUnit === 'steps' && method.interval === 1) {
    refuse('skipStep', 'must be false where masks are updated after every step: nothing would be trained');
  }
  const gateMode = method.gateMode === 'auto' ? row.gateMode : method.gateMode;
  if (gateMode === 'per-gate') {
    const moved = method.redistribution === 'auto' ? row.redistribution : method.redistribution;
    const removal = method.removal === 'auto' ? row.removal : method.removal;
    if (moved !== 'none') {
      refuse(
        'gateMode',
        `must be "fused" or "fused-equal" where redistribution is "${moved}": a gate cannot keep its own`,
      );
    }
    if (removal === 'threshold' || removal === 'global-magnitude') {
      refuse('gateMode', `must be "fused" or "fused-equal" where removal is "${removal}": it sees the whole network`);
    }
  }
  return rules;
}

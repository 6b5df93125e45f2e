import { computed, onScopeDispose, shallowReactive, toValue, watch, type MaybeRefOrGetter } from 'vue';
import { messageOf } from '../../shared/errors';
import type { MaskPlace, TopologyDistance } from '../../shared/topology';
import type { Pair } from '../../shared/topology-pairs';
import { useWorkbench } from '../live/workbench';

export interface DistanceRequest {
  readonly pairs: readonly Pair[];
  readonly matched: boolean;
}

/** What the owner said of a pair: how far apart, or why it cannot tell. */
type Answer = { readonly told: TopologyDistance } | { readonly problem: string };

/** Distances of pairs of masks, asked for one after the other, since each may take seconds; what is known is not asked again. */
export function useDistances(request: MaybeRefOrGetter<DistanceRequest>) {
  const { client } = useWorkbench();
  const answers = shallowReactive(new Map<string, Answer>());
  /** Of the request: who asks for an earlier one stops. */
  let generation = 0;

  async function ask({ pairs, matched }: DistanceRequest): Promise<void> {
    const mine = ++generation;
    for (const pair of pairs) {
      const key = keyOf(pair, matched);
      if (answers.has(key)) continue;
      const answer = await answerOf(pair, matched);
      if (mine !== generation) return;
      answers.set(key, answer);
    }
  }

  async function answerOf([a, b]: Pair, matched: boolean): Promise<Answer> {
    try {
      return { told: await client.topology.distance({ a, b, matched }) };
    } catch (error) {
      return { problem: messageOf(error) };
    }
  }

  watch(
    () => JSON.stringify(toValue(request)),
    () => void ask(toValue(request)),
    { immediate: true },
  );
  onScopeDispose(() => (generation += 1));

  const asked = computed(() => {
    const { pairs, matched } = toValue(request);
    return pairs.map((pair) => answers.get(keyOf(pair, matched)));
  });
  return {
    /** In the order of the pairs, without those of which nothing is known. */
    told: computed(() =>
      asked.value.flatMap((answer) => (answer !== undefined && 'told' in answer ? [answer.told] : [])),
    ),
    problems: computed(() => [
      ...new Set(
        asked.value.flatMap((answer) => (answer !== undefined && 'problem' in answer ? [answer.problem] : [])),
      ),
    ]),
    /** How many have been answered. */
    answered: computed(() => asked.value.filter((answer) => answer !== undefined).length),
    /** Forgets what is known: runs have gone on, or somebody tries once more. */
    again: () => {
      answers.clear();
      void ask(toValue(request));
    },
  };
}

function keyOf([a, b]: Pair, matched: boolean): string {
  const place = ({ run, update }: MaskPlace) => `${run} ${update ?? 'newest'}`;
  return `${place(a)} ${place(b)} ${matched ? 'matched' : ''}`;
}

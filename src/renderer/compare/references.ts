import { computed, shallowReactive, watch } from 'vue';
import { published } from '../../shared/published';
import type { RunTableRow } from '../../shared/run-table';
import type { Reference } from '../charts/curves';
import { useWorkbench } from '../live/workbench';
import { perplexity } from '../parts/format';

/**
 * Levels to hold runs against: what others have published for the same text and model, and the best that any model can do where
 * the text was made by a known language.
 */
export function useReferences(rows: () => readonly RunTableRow[]) {
  const { client } = useWorkbench();
  /** By the run that told it; null where the language is not known. */
  const best = shallowReactive(new Map<string, number | null>());

  watch(
    () => rows().filter(({ corpus, parameters }) => corpus === 'built-in' && parameters !== null),
    async (told) => {
      // Runs on the same text tell the same.
      const texts = Map.groupBy(told, ({ config }) => JSON.stringify(config.corpus));
      for (const [{ id }] of texts.values()) {
        if (best.has(id)) continue;
        best.set(id, null);
        const { started } = await client.runs.started({ id }).catch(() => ({ started: null }));
        best.set(id, started?.corpus.reference.valid.bestPossible ?? null);
      }
    },
    { immediate: true },
  );

  return computed((): Reference[] => {
    const shown = rows();
    const levels = new Set(shown.flatMap(({ id }) => best.get(id) ?? []));
    const corpora = new Set(shown.map(({ corpus, model }) => `${corpus} ${model}`));
    return [
      ...[...levels].map((value) => ({ value, word: `best possible ${perplexity(value)}` })),
      ...published
        .filter(({ corpus, model }) => corpora.has(`${corpus} ${model}`))
        .flatMap(({ word, validation }) =>
          validation === null ? [] : { value: validation, word: `${word} ${perplexity(validation)}` },
        ),
    ];
  });
}

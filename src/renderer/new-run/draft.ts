import { computed, type ComputedRef } from 'vue';
import { messageOf } from '../../shared/errors';
import { presets } from '../../shared/presets';
import { configProblems, parseRunConfig, type PartialRunConfig, type RunConfig } from '../../shared/run-config';
import { sweep } from '../../shared/sweep';
import { useViewState } from '../live/view-state';
import { useRuns } from '../stores/runs';
import { fields } from './fields';

/** So many configurations of a sweep are checked while somebody types; the workbench checks all of them. */
const mostChecked = 100;

/**
 * A run, or a sweep, that is being put together: a preset or another run, and what is set on top. All of it stands in the URL.
 */
export function useDraft() {
  const runs = useRuns();
  const preset = useViewState('preset');
  const clone = useViewState('clone');
  const set = useViewState('set');
  const seeds = useViewState('seeds', '1');

  const base = computed((): PartialRunConfig => {
    const run = runs.views.get(clone.value)?.record;
    if (run !== undefined) return { ...run.config, name: run.name };
    return presets.find(({ name }) => name === preset.value)?.config ?? {};
  });
  /** The whole of the base: what a field shows that nobody has set. */
  const basis = computed((): RunConfig => parseRunConfig(base.value));

  /** What is set on top, by the path of the field. */
  const texts = computed((): ReadonlyMap<string, string> => {
    const pairs = set.value === '' ? [] : set.value.split(';').map((part) => part.split('=').map(decodeURIComponent));
    return new Map(
      pairs.filter(([path]) => fields.some((field) => field.path === path)).map(([path, text = '']) => [path, text]),
    );
  });
  const settings = computed(() => [...texts.value].map(([path, text]) => `${path}=${text}`));
  const seedCount = computed(() => (/^\d+$/.test(seeds.value) ? Number(seeds.value) : NaN));

  /** Configurations, or what is wrong, by the path of the field; '' for what belongs to none. */
  const result: ComputedRef<{ configs: PartialRunConfig[]; problems: ReadonlyMap<string, string> }> = computed(() => {
    const problems = new Map<string, string>();
    for (const [path, text] of texts.value) {
      try {
        sweep(base.value, [`${path}=${text}`], 1);
      } catch (error) {
        problems.set(path, messageOf(error));
      }
    }
    if (!(seedCount.value >= 1))
      problems.set('seeds', `seeds: ${JSON.stringify(seeds.value)} must be a whole number, at least 1`);
    if (problems.size > 0) return { configs: [], problems };
    try {
      const configs = sweep(base.value, settings.value, seedCount.value);
      for (const config of configs.slice(0, mostChecked)) {
        for (const { field, text } of configProblems(config)) problems.set(field, text);
      }
      return { configs, problems };
    } catch (error) {
      return { configs: [], problems: new Map([['', messageOf(error)]]) };
    }
  });

  function valueOf(path: string): string {
    return texts.value.get(path) ?? basisOf(path);
  }

  function basisOf(path: string): string {
    const value = path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], basis.value);
    return String(value);
  }

  /** A text as the base has it is not set at all. */
  function setField(path: string, text: string): void {
    const next = new Map(texts.value);
    if (text === basisOf(path)) next.delete(path);
    else next.set(path, text);
    set.value = [...next].map((pair) => pair.map(encodeURIComponent).join('=')).join(';');
  }

  function reset(): void {
    set.value = '';
    seeds.value = '1';
  }

  return { preset, clone, seeds, basis, texts, result, valueOf, setField, reset };
}

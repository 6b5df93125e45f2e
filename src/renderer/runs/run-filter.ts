import { shallowRef, watch, type Ref } from 'vue';
import { messageOf } from '../../shared/errors';
import type { RunFilter } from '../../shared/run-filter';

interface Filter {
  /** Undefined while it is not known what fits. */
  readonly fits: RunFilter | undefined;
  readonly problem: string;
}

const everything: Filter = { fits: () => true, problem: '' };

/** The filter that a text stands for. What reads it knows all of a configuration, and is loaded when there is a text to read. */
export function useRunFilter(text: Readonly<Ref<string>>): Readonly<Ref<Filter>> {
  const filter = shallowRef<Filter>(everything);
  let latest = 0;

  async function read(expression: string): Promise<void> {
    const mine = ++latest;
    if (expression.trim() === '') {
      filter.value = everything;
      return;
    }
    const told = await parsed(expression);
    if (mine === latest) filter.value = told;
  }

  if (text.value.trim() !== '') filter.value = { fits: undefined, problem: '' };
  watch(text, read, { immediate: true });
  return filter;
}

async function parsed(expression: string): Promise<Filter> {
  try {
    const { parseRunFilter } = await import('../../shared/run-filter');
    return { fits: parseRunFilter(expression), problem: '' };
  } catch (error) {
    return { ...everything, problem: messageOf(error) };
  }
}

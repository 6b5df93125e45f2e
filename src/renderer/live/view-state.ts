import { computed, type WritableComputedRef } from 'vue';
import { useRoute, useRouter } from 'vue-router';

/**
 * A part of the view that stands in the URL, so that a link shows the same. The fallback is not written out.
 */
export function useViewState(name: string, fallback = ''): WritableComputedRef<string> {
  const route = useRoute();
  const router = useRouter();
  return computed({
    get: () => {
      const value = route.query[name];
      return typeof value === 'string' ? value : fallback;
    },
    set: (value) => {
      write(router, { [name]: value === fallback ? undefined : value });
    },
  });
}

/** One of a few words in the URL; anything else is the first of them. */
export function useChoice<const T extends string>(name: string, choices: readonly [T, ...T[]]): WritableComputedRef<T> {
  const text = useViewState(name, choices[0]);
  return computed({
    get: () => choices.find((choice) => choice === text.value) ?? choices[0],
    set: (value) => (text.value = value),
  });
}

/** Names in the URL, separated by commas. */
export function useNames(name: string): WritableComputedRef<string[]> {
  const text = useViewState(name);
  return computed({
    get: () => text.value.split(',').filter((word) => word !== ''),
    set: (names) => (text.value = names.join(',')),
  });
}

export function useSwitch(name: string, fallback = false): WritableComputedRef<boolean> {
  const text = useViewState(name, fallback ? '1' : '0');
  return computed({ get: () => text.value === '1', set: (on) => (text.value = on ? '1' : '0') });
}

/** Several changes of one tick are one replacement of the URL: each alone would undo the one before. */
let pending: Record<string, string | undefined> | undefined;

function write(router: ReturnType<typeof useRouter>, change: Record<string, string | undefined>): void {
  if (pending !== undefined) {
    Object.assign(pending, change);
    return;
  }
  pending = change;
  queueMicrotask(() => {
    const changed = pending;
    pending = undefined;
    void router.replace({ query: { ...router.currentRoute.value.query, ...changed } });
  });
}

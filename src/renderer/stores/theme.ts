import { usePreferredDark, useStorage } from '@vueuse/core';
import { defineStore } from 'pinia';
import { computed, watch } from 'vue';

const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

/** Light, dark, or as the system is. It belongs to this screen, not to the data folder. */
export const useTheme = defineStore('theme', () => {
  const stored = useStorage<string>('sparrow-theme', 'system');
  const prefersDark = usePreferredDark();
  const chosen = computed<Theme>({
    get: () => themes.find((theme) => theme === stored.value) ?? 'system',
    set: (theme) => (stored.value = theme),
  });
  const shown = computed(() => (chosen.value === 'system' ? (prefersDark.value ? 'dark' : 'light') : chosen.value));
  watch(
    shown,
    (theme) => {
      document.documentElement.dataset['theme'] = theme;
    },
    { immediate: true, flush: 'sync' },
  );
  return { chosen, shown };
});

import { defineStore } from 'pinia';
import { ref } from 'vue';
import { messageOf } from '../../shared/errors';

export interface Notice {
  readonly id: number;
  readonly kind: 'done' | 'error';
  readonly text: string;
  /** What takes it back, where that is possible. */
  readonly action?: { readonly word: string; readonly run: () => void };
}

const doneMs = 8000;

/** What was done and what went wrong, said at the foot of the window. Errors stay until they are dismissed. */
export const useNotices = defineStore('notices', () => {
  const shown = ref<Notice[]>([]);
  let next = 0;

  function say(text: string, action?: Notice['action']): void {
    const id = next++;
    add({ id, kind: 'done', text, ...(action === undefined ? {} : { action }) });
    setTimeout(() => {
      dismiss(id);
    }, doneMs);
  }

  function complain(error: unknown): void {
    const text = messageOf(error);
    if (!shown.value.some((notice) => notice.kind === 'error' && notice.text === text)) {
      add({ id: next++, kind: 'error', text });
    }
  }

  /** Does something that may be refused. @returns whether it was done */
  async function attempt(work: () => Promise<unknown>, done?: string, action?: Notice['action']): Promise<boolean> {
    try {
      await work();
    } catch (error) {
      complain(error);
      return false;
    }
    if (done !== undefined) say(done, action);
    return true;
  }

  function add(notice: Notice): void {
    shown.value = [...shown.value.slice(-3), notice];
  }

  function dismiss(id: number): void {
    shown.value = shown.value.filter((notice) => notice.id !== id);
  }

  return { shown, say, complain, attempt, dismiss };
});

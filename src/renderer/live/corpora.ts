import { onScopeDispose, ref, shallowRef } from 'vue';
import type { CorpusWork } from '../../shared/contract/corpora';
import type { CorpusInfo } from '../../shared/corpus-jobs';
import { messageOf } from '../../shared/errors';
import { useWorkbench } from './workbench';

/** While something is being fetched or imported its progress is asked for. */
const lookMs = 500;

/** The corpora that are here, those that can be fetched, and what is on its way. */
export function useCorpora() {
  const { client } = useWorkbench();
  const corpora = shallowRef<readonly CorpusInfo[]>([]);
  const fetchable = shallowRef<readonly { readonly name: string; readonly title: string }[]>([]);
  const work = shallowRef<readonly CorpusWork[]>([]);
  const status = ref<'loading' | 'ready' | 'failed'>('loading');
  const problem = ref('');
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isGone = false;

  async function read(): Promise<void> {
    try {
      const told = await client.corpora.list({});
      corpora.value = told.corpora;
      fetchable.value = told.fetchable;
      status.value = 'ready';
      takeWork(told.work);
    } catch (error) {
      status.value = 'failed';
      problem.value = messageOf(error);
    }
  }

  function takeWork(told: readonly CorpusWork[]): void {
    const isOver = isRunning(work.value) && !isRunning(told);
    work.value = told;
    clearTimeout(timer);
    if (isGone) return;
    if (isOver) void read();
    else if (isRunning(told)) timer = setTimeout(() => void look(), lookMs);
  }

  async function look(): Promise<void> {
    try {
      takeWork((await client.corpora.work({})).work);
    } catch {
      if (!isGone) timer = setTimeout(() => void look(), lookMs); // the page says that the connection is lost
    }
  }

  onScopeDispose(() => {
    isGone = true;
    clearTimeout(timer);
  });
  void read();
  return { corpora, fetchable, work, status, problem, read };
}

function isRunning(work: readonly CorpusWork[]): boolean {
  return work.some(({ state }) => state === 'running');
}

import type { MessageBoxOptions } from 'electron';

/**
 * What a person is asked who closes the window while runs are being trained by it. Another answer than `cancelId` closes it.
 * @param names of those runs
 * @returns undefined where nothing would be interrupted
 */
export function closingQuestion(names: readonly string[]): (MessageBoxOptions & { cancelId: number }) | undefined {
  if (names.length === 0) return undefined;
  const [is, it, waits, goes] = names.length === 1 ? ['is', 'it', 'waits', 'goes'] : ['are', 'them', 'wait', 'go'];
  return {
    type: 'question',
    title: 'Sparrow',
    message: `${names.join(', ')} ${is} being trained.`,
    detail:
      `Closing the window writes a checkpoint of ${it}. Until Sparrow is started again, as a window or in a terminal, ` +
      `${names.length === 1 ? 'it' : 'they'} ${waits} at the head of the queue, and then ${goes} on from there.`,
    buttons: ['Checkpoint and close', 'Keep training'],
    defaultId: 0,
    cancelId: 1,
    noLink: true,
  };
}

/**
 * The non-monotone trigger of NT-ASGD (S. Merity, N. Keskar, R. Socher: Regularizing and Optimizing LSTM Language Models.
 * ICLR 2018), as its published code has it: averaging begins when validation is worse than the best of more than n epochs
 * ago. The condition printed in the paper is a slip, its authors say (salesforce/awd-lstm-lm, issue 13).
 *
 * @param history validation losses of the epochs before, without the one just measured
 */
export function isTriggered(history: readonly number[], loss: number, n: number): boolean {
  return history.length > n && loss > Math.min(...history.slice(0, history.length - n));
}

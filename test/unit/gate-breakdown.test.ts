import { expect, test } from 'vitest';
import { gateBreakdown } from '../../src/shared/gate-breakdown.js';

const row = (update: number, layer: string, gate: string | null, size: number, active: number) => ({
  ...{ update, layer, gate, size, active },
});

/** An ON-LSTM of two units to a master gate: gates have different sizes. */
const rows = [0, 1, 2].flatMap((update) => [
  row(update, 'embedding.weight', null, 40, 10),
  row(update, 'embedding.weight', 'all', 40, 10),
  row(update, 'on_lstm.0.weight_ih', null, 30, 12),
  row(update, 'on_lstm.0.weight_ih', 'master input', 10, 4 + update),
  row(update, 'on_lstm.0.weight_ih', 'cell', 20, 8 - update),
  row(update, 'on_lstm.1.weight_ih', null, 60, 30),
  row(update, 'on_lstm.1.weight_ih', 'master input', 20, 10 - 2 * update),
  row(update, 'on_lstm.1.weight_ih', 'cell', 40, 20 + 2 * update),
  row(update, 'rhn.0.recurrent.weight', null, 20, 10),
  row(update, 'rhn.0.recurrent.weight', 'all', 20, 10),
]);

test('each gate of a recurrent matrix is told before and after, then all of a side; other matrices are not', () => {
  const told = gateBreakdown(rows).map(({ layer, side, gate, size, first, last }) => [
    layer,
    side,
    gate,
    size,
    first,
    last,
  ]);
  expect(told).toEqual([
    ['on_lstm.0.weight_ih', 'input', null, 30, 12 / 30, 12 / 30],
    ['on_lstm.0.weight_ih', 'input', 'master input', 10, 4 / 10, 6 / 10],
    ['on_lstm.0.weight_ih', 'input', 'cell', 20, 8 / 20, 6 / 20],
    ['on_lstm.1.weight_ih', 'input', null, 60, 30 / 60, 30 / 60],
    ['on_lstm.1.weight_ih', 'input', 'master input', 20, 10 / 20, 6 / 20],
    ['on_lstm.1.weight_ih', 'input', 'cell', 40, 20 / 40, 24 / 40],
    ['rhn.0.recurrent.weight', 'recurrent', null, 20, 10 / 20, 10 / 20],
    [null, 'input', null, 90, 42 / 90, 42 / 90],
    [null, 'input', 'master input', 30, 14 / 30, 12 / 30],
    [null, 'input', 'cell', 60, 28 / 60, 30 / 60],
    [null, 'recurrent', null, 20, 10 / 20, 10 / 20],
  ]);
});

test('any update can be compared with the first', () => {
  const cell = (update: number) =>
    gateBreakdown(rows, update).find(({ layer, gate }) => layer === 'on_lstm.0.weight_ih' && gate === 'cell')!;
  expect(cell(0).last).toBe(cell(0).first);
  expect(cell(1)).toMatchObject({ first: 0.4, last: 7 / 20 });
  expect(gateBreakdown([])).toEqual([]);
});

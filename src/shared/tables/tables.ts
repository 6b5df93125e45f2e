import { presetNamed } from '../presets.js';
import type { PartialRunConfig } from '../run-config.js';
import { quickBase, quickRates, quickSmallUnits } from './quick.js';
import { crossed, gateChanges, methodChanges, optimizerChanges, rowsOf, smallDense, type Change } from './rows.js';
import type { Table, TableRow } from './table.js';

/** The tables E1 to E10 of the algorithm page (7.3). Its recipes are the presets; a row says what it changes in one. */

const lstm = presetNamed('selfish-lstm-ptb').config;
const rhn = presetNamed('selfish-rhn-ptb').config;
const onLstm = presetNamed('selfish-on-lstm-ptb').config;
const mos = presetNamed('selfish-mos-wikitext-2').config;

// Adam has the rate of the published code; momentum that of the recipe, less what it adds to each step.
const rates = {
  lstm: { momentum: 4, adam: 1e-3 },
  rhn: { momentum: 1.5, adam: 1e-3 },
};

const denseRhn = presetNamed('dense-rhn-ptb').config;

const { dense, static: uniform, staticEr, set, setConstant, dsr, snfs, rigl, selfishEr, selfish } = methodChanges;

/** A recipe under a name of its own, where a table has rows of several. */
const model = (name: string, title: string): readonly Change[] => [{ name, title, settings: [] }];

const valued = (word: string, field: string, values: readonly number[]): Change[] =>
  values.map((value) => ({ name: `${word}-${value}`, title: `${word} ${value}`, settings: [`${field}=${value}`] }));

/** A change with what a table adds to its settings. */
const and = (change: Change, ...settings: string[]): Change => ({
  ...change,
  settings: [...change.settings, ...settings],
});

const quoted = (rows: readonly TableRow[], published: string): TableRow[] => rows.map((row) => ({ ...row, published }));

/** Every method on one model: those that move weights with SNT-ASGD and with Adam. */
function everyMethod(of: readonly Change[], base: PartialRunConfig, small: number, published: string, adam: Change) {
  return [
    ...crossed(base, of, [dense, smallDense(small), uniform, staticEr, set, setConstant, dsr, snfs, rigl, selfishEr]),
    ...quoted(crossed(base, of, [selfish]), published),
    ...crossed(base, of, [set, dsr, snfs, rigl, selfishEr, selfish], [adam]),
  ];
}

/** Density and removing rate are those of the base: a dense row has a third of its settings for nothing, which is no harm. */
const densities = valued('density', 'method.density', [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
const removingRates = valued('rate', 'method.removingRate', [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);

const intervals: readonly Change[] = [
  ...[100, 200, 500, 1000].map((steps) => ({
    name: `${steps}-steps`,
    title: `every ${steps} steps`,
    settings: [`method.interval=${steps}`, 'method.intervalUnit=steps'],
  })),
  { name: 'epoch', title: 'every epoch', settings: [] },
];

/** Seeds of a row begin alike and go on with other dropout and other growth, or have nothing in common. */
const starts: readonly Change[] = [
  { name: 'one-start', title: 'one start', settings: ['training.initialSeed=9'] },
  { name: 'own-starts', title: 'starts of their own', settings: [] },
];

const longer: Change = { name: 'selfish-1300', title: 'Selfish-RNN, 1300 epochs', settings: ['training.epochs=1300'] };

const growths: readonly Change[] = [
  { name: 'random', title: 'random growth', settings: [] },
  { name: 'gradient', title: 'growth by gradient', settings: ['method.growth=gradient'] },
];

const quickOnLstm = ['model.kind=on-lstm', 'model.dropout.embedding=0.1', 'model.dropout.weight=0.2'];
const quickMos = ['model.kind=awd-lstm-mos', 'model.experts=3', 'model.dropout.latent=0.2'];

export const tables: readonly Table[] = [
  {
    id: 'E1',
    title: 'Methods on the stacked LSTM and the RHN',
    question: 'which way to be sparse reaches the lowest perplexity with as many weights',
    quick: (corpus) =>
      rowsOf(quickBase(corpus), [
        ...[dense, smallDense(quickSmallUnits[corpus]), uniform, set, dsr, snfs, rigl, selfish],
      ]),
    full: [
      ...everyMethod(model('lstm', 'LSTM'), lstm, 699, 'selfish-lstm-ptb', optimizerChanges(rates.lstm).adam),
      ...everyMethod(model('rhn', 'RHN'), rhn, 518, 'selfish-rhn-ptb', optimizerChanges(rates.rhn).adam),
      ...quoted(rowsOf(denseRhn, model('rhn-dense-first', 'RHN, dense, as first published')), 'dense-rhn-ptb'),
    ],
  },
  {
    id: 'E2',
    title: 'Methods on the ON-LSTM',
    question: 'the same where gates are of two sizes, over several seeds',
    quick: (corpus) =>
      rowsOf(
        quickBase(corpus),
        [dense, set, dsr, snfs, rigl, selfish].map((one) => and(one, ...quickOnLstm)),
      ),
    full: [
      // The dense recipe has twice the rate.
      ...quoted(rowsOf(onLstm, [and(dense, 'optimizer.learningRate=30')]), 'dense-on-lstm-ptb'),
      ...crossed(
        onLstm,
        [set, dsr, snfs, rigl],
        [optimizerChanges(rates.lstm).sntAsgd, optimizerChanges(rates.lstm).adam],
      ),
      ...quoted(rowsOf(onLstm, [selfish]), 'selfish-on-lstm-ptb'),
      ...quoted(rowsOf(onLstm, [longer]), 'selfish-on-lstm-1300-ptb'),
    ],
    fullSeeds: 3,
  },
  {
    id: 'E3',
    title: 'Methods on the AWD-LSTM with a mixture of softmaxes',
    question: 'the same on WikiText-2, without fine-tuning',
    quick: (corpus) =>
      rowsOf(
        quickBase(corpus),
        [dense, set, dsr, snfs, rigl, selfish].map((one) => and(one, ...quickMos)),
      ),
    full: [
      ...rowsOf(mos, [dense]),
      ...crossed(
        mos,
        [set, dsr, snfs, rigl],
        [optimizerChanges(rates.lstm).sntAsgd, optimizerChanges(rates.lstm).adam],
      ),
      ...quoted(rowsOf(mos, [selfish]), 'selfish-mos-wikitext-2'),
    ],
  },
  {
    id: 'E4',
    title: 'Density',
    question: 'how few weights do as well as all of them',
    quick: (corpus) => rowsOf(quickBase(corpus), [...densities, dense]),
    full: rowsOf(lstm, [...densities, dense]),
  },
  {
    id: 'E5',
    title: 'Initial removing rate',
    question: 'how much of the network may be replaced at once',
    quick: (corpus) => rowsOf(quickBase(corpus), removingRates),
    full: rowsOf(lstm, removingRates),
  },
  {
    id: 'E6',
    title: 'Random growth and growth by gradient',
    question: 'which wins, how often masks are updated, and whether steps are averaged',
    quick: (corpus) => growthRows(quickBase(corpus), optimizerChanges(quickRates)),
    full: growthRows(lstm, optimizerChanges(rates.lstm)),
  },
  {
    id: 'E7',
    title: 'Where the weights of the gates go',
    question: 'which gates lose and which win',
    tells: 'gates',
    quick: (corpus) =>
      rowsOf(quickBase(corpus), [
        selfish,
        and({ ...selfish, name: 'on-lstm', title: 'Selfish-RNN, ON-LSTM' }, ...quickOnLstm),
      ]),
    full: [
      ...crossed(lstm, model('lstm', 'LSTM'), [selfish]),
      ...crossed(rhn, model('rhn', 'RHN'), [selfish]),
      ...crossed(onLstm, model('on-lstm', 'ON-LSTM'), [selfish]),
      ...crossed(mos, model('mos', 'AWD-LSTM-MoS'), [selfish]),
    ],
  },
  {
    id: 'E8',
    title: 'How far topologies are apart',
    question: 'whether runs find the same topology, from one start and from several',
    tells: 'topology',
    quick: (corpus) => crossed(quickBase(corpus), starts, [set, rigl, selfish]),
    full: [...crossed(lstm, starts, model('lstm', 'LSTM')), ...crossed(rhn, starts, model('rhn', 'RHN'))],
    fullSeeds: 3,
  },
  {
    id: 'E9',
    title: 'Optimisers',
    question: 'whether averages know masks, and what Adam and momentum do to sparse networks',
    quick: (corpus) => crossed(quickBase(corpus), [set, rigl, selfish], Object.values(optimizerChanges(quickRates))),
    full: crossed(lstm, [dense, uniform, set, dsr, snfs, rigl, selfish], Object.values(optimizerChanges(rates.lstm))),
  },
  {
    id: 'E10',
    title: 'Gates that compete',
    question: 'whether it matters that gates may take weights from one another',
    tells: 'gates',
    quick: (corpus) => rowsOf(quickBase(corpus), gateChanges),
    full: [...crossed(lstm, model('lstm', 'LSTM'), gateChanges), ...crossed(rhn, model('rhn', 'RHN'), gateChanges)],
  },
];

function growthRows(base: PartialRunConfig, { sntAsgd, momentum }: ReturnType<typeof optimizerChanges>): TableRow[] {
  return crossed(base, growths, intervals, [sntAsgd, momentum]);
}

import type { RunEvent, RunEventOf } from '../../../shared/run-events.js';
import { duration, flopsSaid, integer, list, percent, perplexity, table } from './text.js';

/** The closing tables of a finished run: what it reached, and where its weights went. */
export function summary(run: string, events: readonly RunEvent[]): string {
  const started = last(events, 'started');
  const finished = last(events, 'finished');
  if (started === undefined || finished === undefined) return '';
  const parameters = finished.parameters ?? started.parameters;
  const pairs: [string, string][] = [
    ['run', run],
    ['test perplexity', perplexity(finished.testPerplexity)],
    ['best validation', `${perplexity(finished.bestValidationPerplexity)} (epoch ${finished.bestEpoch})`],
    ['bigram model', `${perplexity(finished.bigramPerplexity)} on the test text`],
  ];
  if (finished.bestPossiblePerplexity !== undefined) {
    pairs.push(['best possible', `${perplexity(finished.bestPossiblePerplexity)} on the test text`]);
  }
  if (finished.dynamicPerplexity !== undefined) {
    pairs.splice(2, 0, ['dynamic evaluation', perplexity(finished.dynamicPerplexity)]);
  }
  if (finished.cachePerplexity !== undefined) {
    pairs.splice(2, 0, ['with a cache', perplexity(finished.cachePerplexity)]);
  }
  const share = percent(parameters.active / parameters.total);
  pairs.push(['parameters', `${integer(parameters.active)} active of ${integer(parameters.total)} (${share})`]);
  if (finished.units !== undefined) {
    const units = finished.units.map(({ layer, left, of }) => `${integer(left)} of ${integer(of)} in ${layer}`);
    pairs.push(['hidden units', units.join(', ')]);
  }
  const trained = last(events, 'evaluation')?.flops;
  if (trained !== undefined) {
    pairs.push(['training FLOPs', flopsSaid(trained.training, trained.training / trained.dense)]);
  }
  if (finished.flopsPerWord !== undefined) {
    const { sparse, dense } = finished.flopsPerWord;
    pairs.push(['FLOPs of a word', flopsSaid(sparse, sparse / dense)]);
  }
  pairs.push(['time', `${duration(finished.trainingMs)} for ${integer(finished.step)} steps`]);
  const gates = gateTable(events);
  return `\n${list(pairs)}${gates === '' ? '' : `\n${gates}`}`;
}

/** Density of each layer and gate after the last topology update, and before the first where it has changed. */
function gateTable(events: readonly RunEvent[]): string {
  const updates = events.filter((event) => event.type === 'sparsity');
  const [first, final] = [updates.at(0), updates.at(-1)];
  if (first === undefined || final === undefined) return '';
  const rows = final.layers.flatMap((layer, i) => {
    const before = first.layers[i];
    return layer.gates.map((gate, j) => [
      gate.name === 'all' ? layer.name : `${layer.name} ${gate.name}`,
      percent(before.gates[j].active / gate.size),
      percent(gate.active / gate.size),
    ]);
  });
  return table([['density', 'at first', 'at last'], ...rows]);
}

function last<Type extends RunEvent['type']>(events: readonly RunEvent[], type: Type): RunEventOf<Type> | undefined {
  return events.findLast((event): event is RunEventOf<Type> => event.type === type);
}

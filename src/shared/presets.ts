import miniPtbDense from '../../resources/presets/mini-ptb-dense.json';
import miniPtbSelfish from '../../resources/presets/mini-ptb-selfish.json';
import miniPtbStatic from '../../resources/presets/mini-ptb-static.json';
import quickDense from '../../resources/presets/quick-dense.json';
import quickSelfish from '../../resources/presets/quick-selfish.json';
import quickStatic from '../../resources/presets/quick-static.json';
import selfishLstmPtb from '../../resources/presets/selfish-lstm-ptb.json';
import { UserError } from './errors.js';
import { parseRunConfig, type PartialRunConfig } from './run-config.js';

/** A configuration with a name and a sentence that says what it is for. */
export interface Preset {
  readonly name: string;
  readonly sentence: string;
  readonly config: PartialRunConfig;
}

const files: Readonly<Record<string, { readonly sentence: string; readonly config: unknown }>> = {
  'quick-selfish': quickSelfish,
  'quick-static': quickStatic,
  'quick-dense': quickDense,
  'selfish-lstm-ptb': selfishLstmPtb,
  'mini-ptb-static': miniPtbStatic,
  'mini-ptb-selfish': miniPtbSelfish,
  'mini-ptb-dense': miniPtbDense,
};

/** Every preset is a file in resources/presets, checked here as any configuration is. */
export const presets: readonly Preset[] = Object.entries(files).map(([name, { sentence, config }]) => {
  parseRunConfig(config);
  return { name, sentence, config: config as PartialRunConfig };
});

/** @throws UserError where there is none of that name */
export function presetNamed(name: string): Preset {
  const preset = presets.find((candidate) => candidate.name === name);
  if (preset !== undefined) return preset;
  throw new UserError(`${name}: no such preset; there are ${presets.map((candidate) => candidate.name).join(', ')}`);
}

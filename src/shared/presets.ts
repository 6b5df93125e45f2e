import awdLstmMosPtb from '../../resources/presets/awd-lstm-mos-ptb.json';
import awdLstmMosWikitext2 from '../../resources/presets/awd-lstm-mos-wikitext-2.json';
import awdLstmPtb from '../../resources/presets/awd-lstm-ptb.json';
import awdLstmWikitext2 from '../../resources/presets/awd-lstm-wikitext-2.json';
import denseLstmPtb from '../../resources/presets/dense-lstm-ptb.json';
import denseRhnPtb from '../../resources/presets/dense-rhn-ptb.json';
import denseOnLstmPtb from '../../resources/presets/dense-on-lstm-ptb.json';
import dsrLstmPtb from '../../resources/presets/dsr-lstm-ptb.json';
import globalMagnitudeLstmPtb from '../../resources/presets/global-magnitude-lstm-ptb.json';
import miniPtbDense from '../../resources/presets/mini-ptb-dense.json';
import miniPtbSelfish from '../../resources/presets/mini-ptb-selfish.json';
import miniPtbStatic from '../../resources/presets/mini-ptb-static.json';
import quickAwdLstm from '../../resources/presets/quick-awd-lstm.json';
import quickAwdLstmMos from '../../resources/presets/quick-awd-lstm-mos.json';
import quickDeepr from '../../resources/presets/quick-deepr.json';
import quickDense from '../../resources/presets/quick-dense.json';
import quickDsr from '../../resources/presets/quick-dsr.json';
import quickElman from '../../resources/presets/quick-elman.json';
import quickGlobalMagnitude from '../../resources/presets/quick-global-magnitude.json';
import quickGmp from '../../resources/presets/quick-gmp.json';
import quickGru from '../../resources/presets/quick-gru.json';
import quickIss from '../../resources/presets/quick-iss.json';
import quickL1 from '../../resources/presets/quick-l1.json';
import quickLottery from '../../resources/presets/quick-lottery.json';
import quickOnLstm from '../../resources/presets/quick-on-lstm.json';
import quickOneShot from '../../resources/presets/quick-one-shot.json';
import quickRhn from '../../resources/presets/quick-rhn.json';
import quickRigl from '../../resources/presets/quick-rigl.json';
import quickSelfish from '../../resources/presets/quick-selfish.json';
import quickSet from '../../resources/presets/quick-set.json';
import quickSnfs from '../../resources/presets/quick-snfs.json';
import quickStatic from '../../resources/presets/quick-static.json';
import riglLstmPtb from '../../resources/presets/rigl-lstm-ptb.json';
import selfishAdamLstmPtb from '../../resources/presets/selfish-adam-lstm-ptb.json';
import selfishLstmPtb from '../../resources/presets/selfish-lstm-ptb.json';
import selfishLstmPtbCheckpoint from '../../resources/presets/selfish-lstm-ptb-checkpoint.json';
import selfishMosWikitext2 from '../../resources/presets/selfish-mos-wikitext-2.json';
import selfishOnLstm1300Ptb from '../../resources/presets/selfish-on-lstm-1300-ptb.json';
import selfishOnLstmPtb from '../../resources/presets/selfish-on-lstm-ptb.json';
import selfishRhnPtb from '../../resources/presets/selfish-rhn-ptb.json';
import setLstmPtb from '../../resources/presets/set-lstm-ptb.json';
import snfsLstmPtb from '../../resources/presets/snfs-lstm-ptb.json';
import staticErLstmPtb from '../../resources/presets/static-er-lstm-ptb.json';
import staticLstmPtb from '../../resources/presets/static-lstm-ptb.json';
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
  'quick-rhn': quickRhn,
  'quick-on-lstm': quickOnLstm,
  'quick-awd-lstm': quickAwdLstm,
  'quick-awd-lstm-mos': quickAwdLstmMos,
  'quick-elman': quickElman,
  'quick-gru': quickGru,
  'quick-set': quickSet,
  'quick-rigl': quickRigl,
  'quick-snfs': quickSnfs,
  'quick-dsr': quickDsr,
  'quick-global-magnitude': quickGlobalMagnitude,
  'quick-deepr': quickDeepr,
  'quick-gmp': quickGmp,
  'quick-one-shot': quickOneShot,
  'quick-lottery': quickLottery,
  'quick-l1': quickL1,
  'quick-iss': quickIss,
  'selfish-lstm-ptb': selfishLstmPtb,
  'selfish-lstm-ptb-checkpoint': selfishLstmPtbCheckpoint,
  'selfish-adam-lstm-ptb': selfishAdamLstmPtb,
  'set-lstm-ptb': setLstmPtb,
  'dsr-lstm-ptb': dsrLstmPtb,
  'snfs-lstm-ptb': snfsLstmPtb,
  'rigl-lstm-ptb': riglLstmPtb,
  'global-magnitude-lstm-ptb': globalMagnitudeLstmPtb,
  'static-lstm-ptb': staticLstmPtb,
  'static-er-lstm-ptb': staticErLstmPtb,
  'dense-lstm-ptb': denseLstmPtb,
  'selfish-rhn-ptb': selfishRhnPtb,
  'dense-rhn-ptb': denseRhnPtb,
  'selfish-on-lstm-ptb': selfishOnLstmPtb,
  'selfish-on-lstm-1300-ptb': selfishOnLstm1300Ptb,
  'dense-on-lstm-ptb': denseOnLstmPtb,
  'awd-lstm-ptb': awdLstmPtb,
  'awd-lstm-wikitext-2': awdLstmWikitext2,
  'selfish-mos-wikitext-2': selfishMosWikitext2,
  'awd-lstm-mos-ptb': awdLstmMosPtb,
  'awd-lstm-mos-wikitext-2': awdLstmMosWikitext2,
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

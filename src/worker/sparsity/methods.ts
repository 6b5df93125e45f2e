import { methods, type GateMode, type Schedule } from '../../shared/methods.js';
import type { RunConfig } from '../../shared/run-config.js';
import type { EvidenceKind } from './evidence.js';
import { growths, type Growth } from './growth.js';
import { redistributions, type Redistribution } from './redistribution.js';
import { removals, type Removal } from './removal.js';

/** What an update of the masks does: the row of the run's method, with what the run has put in place of its words. */
export interface Rules {
  readonly removal: Removal;
  readonly growth: Growth;
  readonly redistribution: Redistribution;
  readonly gateMode: GateMode;
  readonly schedule: Schedule;
  readonly excludeJustRemoved: boolean;
  /** Whether the threshold of removal follows what it removes. */
  readonly adaptsThreshold: boolean;
  /** What updates must know of the training steps before them. */
  readonly evidence: readonly EvidenceKind[];
}

/** Undefined where masks never change. */
export function rulesOf(config: RunConfig['method']): Rules | undefined {
  const row = methods[config.kind];
  if (row.masks !== 'rewired') return undefined;
  const chosen = <Word extends string>(word: Word | 'auto', own: Word): Word => (word === 'auto' ? own : word);
  const removal = chosen(config.removal, row.removal);
  const growth = chosen(config.growth, row.growth);
  const redistribution = chosen(config.redistribution, row.redistribution);
  const evidence: EvidenceKind[] = [];
  if (growth === 'gradient') evidence.push('gradient');
  if (growth === 'momentum' || redistribution === 'momentum') evidence.push('momentum');
  if (removal === 'sign-change') evidence.push('before');
  return {
    removal: removals[removal],
    growth: growths[growth],
    redistribution: redistributions[redistribution],
    gateMode: chosen(config.gateMode, row.gateMode),
    schedule: row.schedule,
    excludeJustRemoved: row.excludeJustRemoved || config.excludeJustRemoved,
    adaptsThreshold: removal === 'threshold',
    evidence,
  };
}

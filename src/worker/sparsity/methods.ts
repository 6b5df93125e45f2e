import { methods, type GateMode, type Penalty, type Schedule } from '../../shared/methods.js';
import type { RunConfig } from '../../shared/run-config.js';
import type { EvidenceKind } from './evidence.js';
import { growNothing, growths, type Growth } from './growth.js';
import { nothingGrows, redistributions, type Redistribution } from './redistribution.js';
import { excess, removalCount, removals, type Removal } from './removal.js';

/** What an update of the masks does: the row of the run's method, with what the run has put in place of its words. */
export interface Rules {
  readonly removal: Removal;
  /** How many of so many active weights of so many positions go. */
  readonly removalCount: (rate: number, active: number, size: number) => number;
  readonly growth: Growth;
  readonly redistribution: Redistribution;
  readonly gateMode: GateMode;
  readonly schedule: Schedule;
  readonly penalty: Penalty;
  /** Whether weights and optimiser go back to where they began after an update. */
  readonly rewinds: boolean;
  readonly excludeJustRemoved: boolean;
  /** Whether the threshold of removal follows what it removes. */
  readonly adaptsThreshold: boolean;
  /** What updates must know of the training steps before them. */
  readonly evidence: readonly EvidenceKind[];
}

/** Undefined where masks never change. */
export function rulesOf(config: RunConfig['method']): Rules | undefined {
  const row = methods[config.kind];
  if (row.masks === 'pruned') {
    return {
      removal: removals[row.removal],
      removalCount: row.schedule === 'interval' ? removalCount : excess,
      growth: growNothing,
      redistribution: nothingGrows,
      gateMode: 'fused',
      schedule: row.schedule,
      penalty: row.penalty,
      rewinds: row.rewinds,
      excludeJustRemoved: false,
      adaptsThreshold: false,
      evidence: [],
    };
  }
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
    removalCount,
    growth: growths[growth],
    redistribution: redistributions[redistribution],
    gateMode: chosen(config.gateMode, row.gateMode),
    schedule: row.schedule,
    penalty: row.penalty,
    rewinds: false,
    excludeJustRemoved: row.excludeJustRemoved || config.excludeJustRemoved,
    adaptsThreshold: removal === 'threshold',
    evidence,
  };
}

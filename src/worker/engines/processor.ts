import { cpus, totalmem } from 'node:os';
import type { Device } from '../../shared/engines.js';

/** This machine's processor as a device. @param vectors how wide its vectors are, where that is known */
export function processor(vectors?: string): Device {
  const model = cpus().at(0)?.model.trim();
  return {
    id: 'cpu',
    kind: 'cpu',
    name: [model === undefined || model === '' ? 'unknown processor' : model, vectors].filter(Boolean).join(', '),
    memory: totalmem(),
    driver: null,
  };
}

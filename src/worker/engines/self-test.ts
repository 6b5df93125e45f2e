import type { EngineName } from '../../shared/engines.js';
import { messageOf } from '../../shared/errors.js';
import type { EngineReport } from '../../shared/run-events.js';
import { devicesOf, startEngine } from './engine.js';

/** Starts an engine on one of its devices (`auto`: the first) and has it compute something that is known. */
export async function tryEngine(name: EngineName, id: string): Promise<EngineReport> {
  let devices: EngineReport['devices'] = [];
  try {
    devices = await devicesOf(name);
    const { version, features, threads, device } = await startEngine({ engine: name, id, threads: 0 });
    const detail = [version, ...features, `${threads} thread${threads === 1 ? '' : 's'}`].join(', ');
    return { name, works: true, detail, device, devices };
  } catch (error) {
    return {
      name,
      works: false,
      detail: messageOf(error),
      device: devices.find((one) => one.id === id) ?? null,
      devices,
    };
  }
}

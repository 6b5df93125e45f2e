import { Command } from 'commander';
import type { EngineReport } from '../../../shared/run-events.js';
import { bestOf, probeEngines } from '../../trainers/probe.js';
import { bytes, list } from './text.js';

/** `sparrow devices [--json]`: what runs can compute on, tried. */
export function devicesCommand(): Command {
  return new Command('devices')
    .description('List what runs can compute on; device.id and device.engine choose among it.')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: true }) => {
      const reports = await probeEngines();
      const best = bestOf(reports);
      if (json) {
        const rows = reports.map((report) => ({ ...report, auto: report === best }));
        process.stdout.write(`${JSON.stringify(rows)}\n`);
        return;
      }
      const here = reports.filter(({ device }) => device !== null);
      const lines = here.map((report): [string, string] => [
        `${report.device!.id} ${report.name}`,
        `${describe(report)}${report === best ? ' [auto]' : ''}`,
      ]);
      const absent = reports.filter(({ device }) => device === null).map(({ name, detail }) => `${name}: ${detail}\n`);
      process.stdout.write((lines.length === 0 ? '' : list(lines)) + absent.join(''));
    });
}

/** The device in words, and what is wrong with it where something is. */
function describe({ device, works, detail }: EngineReport): string {
  const { name, memory, driver, kind } = device!;
  const facts = [name, memory === null ? '' : bytes(memory), driver ?? '', kind === 'software' ? 'in software' : ''];
  return `${facts.filter((fact) => fact !== '').join(', ')}; ${works ? detail : `does not work: ${detail}`}`;
}

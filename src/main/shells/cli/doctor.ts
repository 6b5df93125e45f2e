import { existsSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { messageOf } from '../../../shared/errors.js';
import { runCorpusJob } from '../../corpora.js';
import { corporaFolder, dataFolder, prepareDataFolder } from '../../data-folder.js';
import { probeEngines } from '../../trainers/probe.js';
import { bytes, list } from './text.js';

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Whether a run cannot do without it. */
  readonly needed: boolean;
  readonly detail: string;
}

/** `sparrow doctor [--json]`: what works on this machine; exit status 1 if a run could not be trained. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Check what Sparrow needs on this machine.')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: true }) => {
      const findings = [node(), processor(), folder(), ...(await engines()), await corpora()];
      const lines = list(findings.map((finding) => [`${verdict(finding)} ${finding.name}`, finding.detail]));
      process.stdout.write(json ? `${JSON.stringify(findings)}\n` : lines);
      if (findings.some(({ ok, needed }) => !ok && needed)) process.exitCode = 1;
    });
}

function verdict({ ok, needed }: Finding): string {
  if (ok) return 'ok  ';
  return needed ? 'FAIL' : 'none';
}

function node(): Finding {
  return { name: 'node', ok: true, needed: true, detail: `${process.version} on ${process.platform}-${process.arch}` };
}

function processor(): Finding {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return {
    name: 'processor',
    ok: true,
    needed: true,
    detail: `${model}, ${availableParallelism()} threads, ${bytes(totalmem())} memory`,
  };
}

function folder(): Finding {
  const path = dataFolder();
  try {
    prepareDataFolder();
    const { bavail, bsize } = statfsSync(path);
    return { name: 'data folder', ok: true, needed: true, detail: `${path}, ${bytes(bavail * bsize)} free` };
  } catch (error) {
    return { name: 'data folder', ok: false, needed: true, detail: messageOf(error) };
  }
}

async function engines(): Promise<Finding[]> {
  const reports = await probeEngines();
  // One will do.
  const none = reports.every(({ works }) => !works);
  return reports.map(({ name, works, detail, device }) => ({
    name: `engine ${name}`,
    ok: works,
    needed: none,
    detail: works && device !== null ? `${detail}, on ${device.id}` : detail,
  }));
}

async function corpora(): Promise<Finding> {
  const name = 'corpora';
  if (!existsSync(corporaFolder())) return { name, ok: true, needed: true, detail: 'built-in' };
  try {
    const { corpora: found } = await runCorpusJob({ type: 'list', folder: corporaFolder() });
    return { name, ok: true, needed: true, detail: ['built-in', ...found.map((corpus) => corpus.name)].join(', ') };
  } catch (error) {
    return { name, ok: false, needed: true, detail: messageOf(error) };
  }
}

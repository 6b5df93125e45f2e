import { spawn } from 'node:child_process';
import { cpus, availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { stepBenchmarkSchema, type StepBenchmark } from '../src/shared/run-events.js';
import type { KernelFigure } from './bounds.js';
import { setting, type Norm, type Step } from './cases.js';
import type { Figure } from './ratios.js';

/** This file is bundled into out/main. */
export const project = join(import.meta.dirname, '..', '..');

/** What a command says on standard output; its standard error goes to ours. @throws Error where it fails */
function output(command: string, args: readonly string[], errors: 'inherit' | 'ignore' = 'inherit'): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: project, stdio: ['ignore', 'pipe', errors] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(said);
      else reject(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? `status ${code}`}`));
    });
  });
}

function sparrow(...args: string[]): Promise<string> {
  return output(process.execPath, [join(import.meta.dirname, 'sparrow.js'), ...args]);
}

/** What both programs are told about a step, in options of the same name. */
function stepOptions({ model = 'stacked-lstm', hidden, density }: Step, steps: number): string[] {
  const { layers, batch, bptt, threads } = setting;
  const options = { model, hidden, density, layers, batch, bptt, threads, steps };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** One process of `sparrow bench step`. */
export async function ourStep(
  step: Step,
  norm: Norm,
  { steps, profile = false, engine = 'native' }: { steps: number; profile?: boolean; engine?: 'native' | 'wasm' },
): Promise<StepBenchmark> {
  const said = await sparrow(
    ...['bench', 'step', ...stepOptions(step, steps), '--vocabulary', String(setting.vocabulary)],
    ...['--clip-norm', norm, '--engine', engine, '--json', ...(profile ? ['--profile'] : [])],
  );
  return stepBenchmarkSchema.parse(JSON.parse(said));
}

/** The Python that may have PyTorch. */
const python = process.env['SPARROW_PYTHON'] ?? 'python3';

/** The version of PyTorch, or undefined where there is none. */
export async function torchVersion(): Promise<string | undefined> {
  try {
    return (await output(python, ['-c', 'import torch; print(torch.__version__)'], 'ignore')).trim();
  } catch {
    return undefined;
  }
}

/** One process of the peer. */
export async function peerStep(step: Step, steps: number): Promise<Figure> {
  const program = join(project, 'bench', 'peers', 'torch_step.py');
  const said = await output(python, [program, ...stepOptions(step, steps), '--vocab', String(setting.vocabulary)]);
  return peerFigure(said);
}

/** What the peer's line says. */
export function peerFigure(line: string): Figure {
  const number = (name: string) => {
    const found = new RegExp(`\\b${name}=([0-9.]+)`).exec(line);
    if (found === null) throw new Error(`the peer has not said its ${name}: ${JSON.stringify(line)}`);
    return Number(found[1]);
  };
  return { ms: number('ms_per_step'), peakMb: number('peak_memory_mb') };
}

const kernelsSchema = z.object({
  compiler: z.string(),
  figures: z.array(
    z.object({ kernel: z.string(), density: z.number(), threads: z.number(), width: z.string(), gflops: z.number() }),
  ),
});

/** Speeds of the kernels at some densities; undefined where they cannot be built, which has been said. */
export async function kernelSpeeds(
  densities: readonly number[],
): Promise<{ compiler: string; figures: KernelFigure[] } | undefined> {
  const args = ['--json', '--densities', densities.join(','), '--threads', String(setting.threads)];
  try {
    const said = await output(process.execPath, [join(project, 'scripts', 'bench-kernels.mjs'), ...args]);
    return kernelsSchema.parse(JSON.parse(said));
  } catch {
    return undefined;
  }
}

/** What the figures depend on. */
export async function machine(torch: string | undefined): Promise<Record<string, string>> {
  const findings = z
    .array(z.object({ name: z.string(), detail: z.string() }))
    .parse(JSON.parse(await sparrow('doctor', '--json')));
  const engine = findings.find(({ name }) => name === 'engine native')?.detail ?? 'none';
  return {
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads, ${(totalmem() / 1e9).toFixed(1)} GB`,
    'native engine': engine,
    node: process.version,
    ...(torch === undefined ? {} : { PyTorch: torch }),
  };
}

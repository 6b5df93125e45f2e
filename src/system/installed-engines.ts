import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import envPaths from 'env-paths';
import { z } from 'zod';

/**
 * Libraries of engines that are installed by `sparrow engine install`, for all data folders of a user: they are large, and
 * no data of theirs.
 */
export function enginesFolder(): string {
  const named = process.env['SPARROW_ENGINES'];
  return named !== undefined && named !== '' ? named : join(envPaths('sparrow', { suffix: '' }).data, 'engines');
}

const installedSchema = z.object({
  /** Of TensorFlow. */
  version: z.string(),
  /** Whether it is built for CUDA. */
  gpu: z.boolean(),
  /** The version of tfjs-node-gpu whose binding was built. */
  tfjs: z.string(),
  /** Every wheel that was unpacked. */
  wheels: z.array(z.object({ file: z.string(), sha256: z.string() })),
});
export type InstalledTensorflow = z.output<typeof installedSchema>;

/** Names below the folder of an installed TensorFlow. */
export const tensorflowFiles = {
  /** What is there, written last. */
  record: 'installed.json',
  /** The addon, which finds the libraries by their place relative to its own. */
  binding: 'binding/tfjs_binding.node',
} as const;

export function tensorflowFolder(): string {
  return join(enginesFolder(), 'tensorflow');
}

/** What is installed in `folder`; undefined where nothing is. @throws Error where its record cannot be read */
export function installedTensorflow(folder = tensorflowFolder()): InstalledTensorflow | undefined {
  const record = join(folder, tensorflowFiles.record);
  if (!existsSync(record)) return undefined;
  const parsed = installedSchema.safeParse(JSON.parse(readFileSync(record, 'utf8')));
  if (!parsed.success) throw new Error(`${record} is not what "sparrow engine install" writes`);
  return parsed.data;
}

import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../shared/errors.js';

/**
 * Where the owner of a data folder listens: a socket in the folder, on Windows a named pipe. The path of a socket may have no
 * more than 103 bytes on some systems, so a folder whose path is too long has it in a folder of its own among the temporary
 * files. Which it is stands in `owner.json`, which only the folder's user can write.
 */
const recordSchema = z.object({ pid: z.int().min(1), address: z.string().min(1) });
export type Endpoint = z.output<typeof recordSchema>;

const longestAddress = 103;
const temporaryPrefix = 'sparrow-owner-';

/** What the last owner has written, which may be gone; undefined where there is nothing that can be read. */
export function readEndpoint(folder: string): Endpoint | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(recordFile(folder), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Makes room for a socket; for the holder of the owner's lock only. What an owner that was killed has left is taken away. */
export function newAddress(folder: string): string {
  removeEndpoint(folder);
  if (process.platform === 'win32') {
    const hash = createHash('sha256').update(resolve(folder).toLowerCase()).digest('hex').slice(0, 16);
    return `\\\\.\\pipe\\sparrow-${hash}`;
  }
  const inside = resolve(folder, 'owner.sock');
  rmSync(inside, { force: true });
  if (Buffer.byteLength(inside) <= longestAddress) return inside;
  for (const root of temporaryRoots()) {
    const example = join(root, `${temporaryPrefix}XXXXXX`, 'owner.sock');
    if (!existsSync(root) || Buffer.byteLength(example) > longestAddress) continue;
    return join(mkdtempSync(join(root, temporaryPrefix)), 'owner.sock'); // made with mode 0700
  }
  throw new UserError(
    `no folder for a socket has a short enough path: set SPARROW_HOME to a folder with a shorter one`,
  );
}

/** Takes away what was made for a socket that could not be opened. */
export function dropAddress(address: string): void {
  removeTemporary(dirname(address));
}

function temporaryRoots(): string[] {
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? '';
  return [...(runtime === '' ? [] : [runtime]), tmpdir(), '/tmp'];
}

/** Tells where to find the owner, once it listens. */
export function announce(folder: string, address: string): void {
  if (process.platform !== 'win32') chmodSync(address, 0o600);
  const path = recordFile(folder);
  writeFileSync(`${path}.tmp`, `${JSON.stringify({ pid: process.pid, address } satisfies Endpoint)}\n`, {
    mode: 0o600,
  });
  renameSync(`${path}.tmp`, path);
}

/** For the holder of the owner's lock only. */
export function removeEndpoint(folder: string): void {
  const address = readEndpoint(folder)?.address;
  if (address !== undefined) removeTemporary(dirname(address));
  rmSync(recordFile(folder), { force: true });
}

/** Only ever a folder that one of us has made. */
function removeTemporary(folder: string): void {
  if (
    !temporaryRoots().includes(dirname(folder)) ||
    !basename(folder).startsWith(temporaryPrefix) ||
    !existsSync(folder)
  )
    return;
  if (statSync(folder).uid !== process.getuid?.()) return;
  rmSync(folder, { recursive: true, force: true });
}

function recordFile(folder: string): string {
  return join(folder, 'owner.json');
}

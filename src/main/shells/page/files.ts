import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, resolve, sep } from 'node:path';
import { codeOf, UserError } from '../../../shared/errors.js';

/** The built page, beside the bundles of the processes. */
export const pageFolder = join(import.meta.dirname, '..', 'renderer');

/** @throws UserError where the page has not been built */
export function requirePage(folder: string): void {
  const index = join(folder, 'index.html');
  if (existsSync(index)) return;
  throw new UserError(`the page has not been built: ${index} is missing. "npm run build" makes it`);
}

/** What the build makes; anything else has no business in a page. */
const types: Readonly<Partial<Record<string, string>>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

export interface PageFile {
  readonly body: Buffer<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A file of the page by the path of its URL, as it was sent.
 * @returns undefined where there is none: outside the folder there is nothing
 */
export async function pageFile(folder: string, pathname: string): Promise<PageFile | undefined> {
  const path = containedPath(folder, pathname);
  const type = path === undefined ? undefined : types[extname(path)];
  if (path === undefined || type === undefined) return undefined;
  try {
    const body = await readFile(path);
    // Names in assets/ carry a hash of their content.
    const cached = pathname.startsWith('/assets/') ? 'private, max-age=31536000, immutable' : 'no-cache';
    return { body, headers: { 'content-type': type, 'cache-control': cached } };
  } catch (error) {
    if (['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** The file that a URL's path names, or undefined where it would leave the folder or is none. */
function containedPath(folder: string, pathname: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  // A backslash separates folders on Windows, a colon names a disk or a stream there.
  if (!decoded.startsWith('/') || /[\0\\:]/.test(decoded)) return undefined;
  const root = resolve(folder);
  const path = resolve(root, `.${decoded === '/' ? '/index.html' : decoded}`);
  return path.startsWith(root + sep) ? path : undefined;
}

import { pageFile } from '../page/files.js';
import { pageHeaders } from '../page/policy.js';
import { isOurPage } from './rules.js';

/** Answers a request of the window's own scheme with a file of the page. */
export async function answerPage(folder: string, { url, method }: { url: string; method: string }): Promise<Response> {
  if (!isOurPage(url)) return refused(403);
  if (method !== 'GET') return refused(405);
  const file = await pageFile(folder, new URL(url).pathname);
  if (file === undefined) return refused(404);
  return new Response(file.body, { headers: { ...pageHeaders, ...file.headers } });
}

function refused(status: number): Response {
  return new Response(null, { status, headers: pageHeaders });
}

import type { Client } from '../../shared/contract/client';
import type { News } from '../../shared/contract/contract';

const waitMs = 20_000;
/** Between two answers, so that a fast run is drawn a few times a second and not at each step. */
const restMs = 80;
/** After an error: the connection is restored meanwhile, or not. */
const retryMs = 400;

/**
 * Asks for news for as long as the page lives. What was missed while the connection was away is told afterwards, by this owner
 * or the next: the cursor means the same to each.
 */
export async function followNews(client: Client, after: number, take: (news: News) => void, signal: AbortSignal): Promise<void> {
  let cursor = after;
  let version = '';
  while (!signal.aborted) {
    try {
      const news = await client.news({ after: cursor, version, waitMs });
      if (signal.aborted) return;
      cursor = news.cursor;
      version = news.version;
      take(news);
      await sleep(restMs);
    } catch {
      // The link says that it is lost; a defect of the owner shows in its own log. Either way the question stays the same.
      version = '';
      await sleep(retryMs);
    }
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

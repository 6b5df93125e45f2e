import type { Client } from '../../shared/contract/client';
import type { News } from '../../shared/contract/contract';

const waitMs = 20_000;
/** Between two answers, so that a fast run is drawn a few times a second and not at each step. */
const restMs = 80;
/** After an error: the connection is restored meanwhile, or not. */
const retryMs = 400;

/** @property all whether the owner is another than before: what it tells of states is of every run */
export interface Heard extends News {
  readonly all: boolean;
}

/**
 * Asks for news for as long as the page lives. What was missed while the connection was away is told afterwards, by this owner
 * or the next: the cursor means the same to each.
 */
export async function followNews(
  client: Client,
  since: Pick<News, 'cursor' | 'version'>,
  take: (news: Heard) => void,
  signal: AbortSignal,
): Promise<void> {
  let { cursor, version } = since;
  const isOver = () => signal.aborted;
  while (!isOver()) {
    try {
      const news = await client.news({ after: cursor, version, waitMs });
      if (isOver()) return;
      take({ ...news, all: ownerOf(news.version) !== ownerOf(version) });
      ({ cursor, version } = news);
      if (!news.more) await sleep(restMs);
    } catch {
      // The page says that the connection is lost, and the question stays the same.
      await sleep(retryMs);
    }
  }
}

function ownerOf(version: string): string {
  return version.split('-')[0];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

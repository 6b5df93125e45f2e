/**
 * A tab that is opened from another one (a link in a new tab) has the cookie of its session and not its secret. Tabs of the same
 * server, which are of one origin and trust each other, pass it on; no other site, and no other port, hears them.
 */
const channelName = 'sparrow-session';
const withinMs = 500;

interface Said {
  readonly secret?: string;
}

/** The secret of any other tab that has one, or undefined. */
export async function askOtherTabs(): Promise<string | undefined> {
  const channel = new BroadcastChannel(channelName);
  try {
    return await new Promise((resolve) => {
      setTimeout(() => {
        resolve(undefined);
      }, withinMs);
      channel.onmessage = ({ data }: { data: Said }) => {
        if (data.secret !== undefined) resolve(data.secret);
      };
      channel.postMessage({} satisfies Said);
    });
  } finally {
    channel.close();
  }
}

/** Answers other tabs that ask, as long as the page is open. */
export function answerOtherTabs(secret: string): void {
  const channel = new BroadcastChannel(channelName);
  channel.onmessage = ({ data }: { data: Said }) => {
    if (data.secret === undefined) channel.postMessage({ secret } satisfies Said);
  };
}

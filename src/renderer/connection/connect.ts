import type { Bridge } from '../../shared/bridge.js';
import { contractPath } from '../../shared/web-session.js';
import { Connection } from './connection.js';
import { answerOtherTabs, askOtherTabs } from './other-tabs.js';
import { openPort } from './port.js';
import { TabSession } from './session.js';
import { openWebSocket } from './web-socket.js';

export type { ConnectionState } from './connection.js';

/** What the page can have done outside of itself, whichever shell it is in. */
export interface Platform {
  /** Opens a web page that is not ours. */
  openLink(url: string): void;
  /** Where a file lies that the person has chosen; undefined in a browser, which does not tell. */
  pathOf(file: File): string | undefined;
}

/**
 * Connects the page with the workbench, in Electron's window and in a browser. Call it once, before anything reads the page's
 * address: the one-time token of a link is taken out of it.
 */
export function connect(): { readonly connection: Connection; readonly platform: Platform } {
  const bridge = (window as { sparrow?: Bridge }).sparrow;
  if (bridge !== undefined) {
    return { connection: new Connection(() => openPort(bridge)), platform: bridge };
  }
  const session = new TabSession({
    location,
    storage: sessionStorage,
    replaceAddress: (address) => {
      history.replaceState(history.state, '', address);
    },
    fetch: (path, options) => fetch(path, options),
    askOthers: askOtherTabs,
    answerOthers: answerOtherTabs,
  });
  const url = `${location.origin.replace(/^http/, 'ws')}${contractPath}`;
  return {
    connection: new Connection(async () => {
      const secret = await session.secret();
      return openWebSocket(new WebSocket(url), secret);
    }),
    platform: {
      openLink: (link) => window.open(link, '_blank', 'noopener'),
      pathOf: () => undefined,
    },
  };
}

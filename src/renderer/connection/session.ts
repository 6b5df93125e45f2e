import { sessionPath } from '../../shared/web-session.js';
import { Refused } from './connection.js';
import { newLinkNeeded } from './web-socket.js';

/** What of the browser a session needs. */
export interface Tab {
  /** The address of the page. */
  readonly location: { readonly hash: string; readonly pathname: string };
  readonly storage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
  /** Puts another address in place of the page's, without a visit. */
  replaceAddress(address: string): void;
  fetch(path: string, options: { method: string; body: string }): Promise<Pick<Response, 'ok' | 'status' | 'json'>>;
  /** Asks the other tabs of this server for their secret. */
  askOthers(): Promise<string | undefined>;
  /** Answers other tabs that ask. */
  answerOthers(secret: string): void;
}

const storageKey = 'sparrow-session';
const tokenPattern = /^#token=([\w-]+)$/;

/** A tab's session: of the link it was opened with, of an earlier visit, or of another tab. */
export class TabSession {
  readonly #tab: Tab;
  /** Of the link, until it has been spent. */
  #token: string | undefined;
  #secret: string | undefined;

  /** Takes the token out of the page's address. */
  constructor(tab: Tab) {
    this.#tab = tab;
    this.#token = tokenPattern.exec(tab.location.hash)?.[1];
    if (this.#token !== undefined) tab.replaceAddress(tab.location.pathname);
  }

  /** @throws Refused where there is none; Error where the server cannot be reached */
  async secret(): Promise<string> {
    if (this.#secret === undefined) {
      const secret = await this.#find();
      this.#tab.storage.setItem(storageKey, secret);
      this.#tab.answerOthers(secret);
      this.#secret = secret;
    }
    return this.#secret;
  }

  async #find(): Promise<string> {
    const found = (await this.#exchange()) ?? this.#tab.storage.getItem(storageKey) ?? (await this.#tab.askOthers());
    if (found === undefined) throw new Refused(newLinkNeeded);
    return found;
  }

  async #exchange(): Promise<string | undefined> {
    if (this.#token === undefined) return undefined;
    const body = JSON.stringify({ token: this.#token });
    const response = await this.#tab.fetch(sessionPath, { method: 'POST', body });
    if (response.ok) {
      this.#token = undefined;
      return ((await response.json()) as { secret: string }).secret;
    }
    if (response.status !== 401) throw new Error(`the server answers ${response.status}`);
    this.#token = undefined; // it was spent before, perhaps by this tab
    return undefined;
  }
}

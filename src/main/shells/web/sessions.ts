import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { codeOf, UserError } from '../../../shared/errors.js';

/** The two halves of a session: neither is of use without the other. */
export interface Session {
  /** In the browser's jar, where no script reads it: keeps out who only has the secret. */
  readonly cookie: string;
  /** In the tab's sessionStorage, which no other site and no other port reads: keeps out who only has the cookie. */
  readonly secret: string;
}

const lifetimeMs = 7 * 24 * 60 * 60 * 1000;

/**
 * Sessions of a data folder's pages. A token opens one session; both halves of it are derived from the folder's key, so that a
 * page that is open goes on when the server is started again, and nothing is kept of it here.
 */
export class Sessions {
  readonly #key: Buffer;
  readonly #now: () => number;
  #token = random();

  constructor(key: Buffer, now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  /** Opens the next session, and only that. */
  get token(): string {
    return this.#token;
  }

  /** @returns undefined where the token is not the current one */
  exchange(token: string): Session | undefined {
    if (!equal(token, this.#token)) return undefined;
    this.#token = random();
    const id = `${this.#now().toString(36)}.${random()}`;
    return { cookie: `${id}.${this.#sign('cookie', id)}`, secret: this.#sign('secret', id) };
  }

  /** Whether both halves are of one session that is not too old. */
  admits(cookie: string, secret: string): boolean {
    const [started = '', unique = '', signature = ''] = cookie.split('.');
    const id = `${started}.${unique}`;
    const whole = equal(signature, this.#sign('cookie', id));
    const same = equal(secret, this.#sign('secret', id));
    const age = this.#now() - Number.parseInt(started, 36);
    return whole && same && age >= 0 && age < lifetimeMs;
  }

  #sign(what: string, id: string): string {
    return createHmac('sha256', this.#key).update(`${what}:${id}`).digest('base64url');
  }
}

/** Counts failures: who guesses has few guesses. */
export class Failures {
  readonly #most: number;
  readonly #withinMs: number;
  readonly #now: () => number;
  #times: number[] = [];

  constructor(most = 10, withinMs = 60_000, now: () => number = Date.now) {
    this.#most = most;
    this.#withinMs = withinMs;
    this.#now = now;
  }

  add(): void {
    this.#times = [...this.#times, this.#now()].slice(-this.#most);
  }

  /** Whether nobody is listened to for a while. */
  get tooMany(): boolean {
    return this.#times.length === this.#most && this.#now() - this.#times[0] < this.#withinMs;
  }
}

const keyBytes = 32;

/**
 * The key of a data folder's sessions, in a file of it that only its user can read; made where there is none. Deleting the file
 * ends every session.
 */
export function sessionKey(file: string): Buffer {
  try {
    writeFileSync(file, `${randomBytes(keyBytes).toString('hex')}\n`, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
  if (key.length === keyBytes) return key;
  throw new UserError(`the key of the sessions in ${file} is damaged: delete the file, and open the pages anew`);
}

function random(): string {
  return randomBytes(keyBytes).toString('base64url');
}

/** In a time that tells nothing about where they differ. */
function equal(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a, b);
}

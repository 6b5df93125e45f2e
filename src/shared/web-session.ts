/** What a page and the web server agree on before the contract is spoken. */

/** Where a one-time token is exchanged for a session: POST `{"token"}`, answered by `{"secret"}` and a cookie. */
export const sessionPath = '/session';

/** Where the contract is spoken over WebSocket: after the session's secret as the page's first message, and this as the answer. */
export const contractPath = '/contract';
export const admitted = 'admitted';

/** Why a WebSocket is closed. */
export const closeCodes = {
  /** The server ends; it may come back. */
  goingAway: 1001,
  /** Not with this session: a new link is needed. */
  refused: 4401,
  /** After too many failures nobody is listened to for a while. */
  tooMany: 4429,
} as const;

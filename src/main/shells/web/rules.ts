/**
 * Who may speak with the web server. It listens on 127.0.0.1, which every program of this machine and, by way of a browser,
 * every website can reach; these rules keep out what did not come from our own page.
 */

/** What a browser was asked to visit. Names that an attacker can point at 127.0.0.1 (DNS rebinding) are none of ours; any port is, for `ssh -L`. */
function isOurHost(host: string | undefined): host is string {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(host);
}

/** A browser says where the page comes from that asks; no other page than ours may. */
function isOurOrigin(origin: string | undefined, host: string): boolean {
  return origin === `http://${host}`;
}

/** Why a request is refused, or undefined. Pages are only read without an origin, as when an address is typed. */
export function refusalOf(
  { method, host, origin }: { method: string; host: string | undefined; origin: string | undefined },
  isUpgrade: boolean,
): string | undefined {
  if (!isOurHost(host)) return 'this server answers to 127.0.0.1, localhost and [::1] only';
  const reads = !isUpgrade && (method === 'GET' || method === 'HEAD');
  if (origin === undefined && reads) return undefined;
  return isOurOrigin(origin, host) ? undefined : 'this server answers its own pages only';
}

/** Cookies do not know ports: each server, as the browser sees it, has a name of its own. */
export function cookieName(host: string): string {
  return `sparrow-${/:(\d+)$/.exec(host)?.[1] ?? '80'}`;
}

/** The value of a cookie in a request's header. */
export function cookieIn(header: string | undefined, name: string): string | undefined {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

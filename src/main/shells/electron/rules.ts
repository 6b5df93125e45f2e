/**
 * What the window may do. Its page is our own, and is treated as if it were not: a flaw in it, or in what it loads, must not
 * reach the machine. Each rule is a function, so that it can be tested without a window.
 */

export const scheme = 'sparrow';
const host = 'app';
export const pageUrl = `${scheme}://${host}/index.html`;

/** Before the app is ready: an origin of its own, with fetch and storage as https has them, and no way around the policy. */
export const schemePrivileges = { standard: true, secure: true, supportFetchAPI: true, codeCache: true } as const;

export const webPreferences = {
  contextIsolation: true,
  sandbox: true,
  nodeIntegration: false,
  nodeIntegrationInWorker: false,
  nodeIntegrationInSubFrames: false,
  webSecurity: true,
  allowRunningInsecureContent: false,
  webviewTag: false,
  navigateOnDragDrop: false,
  spellcheck: false, // its dictionaries are downloads
} as const;

export function isOurPage(url: string): boolean {
  const parsed = parse(url);
  return parsed?.protocol === `${scheme}:` && parsed.host === host && parsed.username === '' && parsed.password === '';
}

/** Of any frame: the page may be loaded again, and nothing else be put in its place or into it. */
export function mayNavigate(url: string, isMainFrame: boolean): boolean {
  return isMainFrame && isOurPage(url);
}

/** Copying text is all that the page needs of what browsers ask people about. */
export function mayUse(permission: string, url: string): boolean {
  return permission === 'clipboard-sanitized-write' && isOurPage(url);
}

/** What the page has made itself, such as a table or a picture. */
export function mayDownload(url: string): boolean {
  return url.startsWith(`blob:${scheme}://${host}/`) || url.startsWith('data:');
}

/** Links that are handed to the person's browser: to the web, encrypted, and with nothing hidden in them. */
export function mayOpenOutside(url: string): boolean {
  const parsed = parse(url);
  return url.length < 2000 && parsed?.protocol === 'https:' && parsed.username === '' && parsed.password === '';
}

interface Frame {
  readonly url: string;
}

/** Messages are taken from the window's own frame while it shows our page. @param sender null where it is gone */
export function isOurSender<F extends Frame>(sender: F | null, mainFrame: F): sender is F {
  return sender !== null && sender === mainFrame && isOurPage(sender.url);
}

function parse(url: string): URL | undefined {
  return URL.parse(url) ?? undefined;
}

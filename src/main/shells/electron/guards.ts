import type { Session, Shell, WebContents } from 'electron';
import { isOurPage, mayDownload, mayNavigate, mayOpenOutside, mayUse } from './rules.js';

/** Holds a session, which is what windows share, to the rules. */
export function guardSession(
  session: Pick<
    Session,
    'setPermissionRequestHandler' | 'setPermissionCheckHandler' | 'setDevicePermissionHandler' | 'on'
  >,
): void {
  session.setPermissionRequestHandler((_contents, permission, answer, { requestingUrl }) => {
    answer(mayUse(permission, requestingUrl));
  });
  session.setPermissionCheckHandler((_contents, permission, origin) => mayUse(permission, origin));
  session.setDevicePermissionHandler(() => false);
  session.on('will-download', (event, item) => {
    if (!mayDownload(item.getURL())) event.preventDefault();
  });
}

/** Holds any page, of whatever window, to the rules. */
export function guardContents(
  contents: Pick<WebContents, 'on' | 'setWindowOpenHandler' | 'getURL'>,
  shell: Pick<Shell, 'openExternal'>,
): void {
  contents.on('will-frame-navigate', (event) => {
    if (!mayNavigate(event.url, event.isMainFrame)) event.preventDefault();
  });
  contents.on('will-redirect', (event) => {
    event.preventDefault(); // our scheme has no redirections
  });
  contents.on('will-attach-webview', (event) => {
    event.preventDefault();
  });
  contents.setWindowOpenHandler(({ url }) => {
    if (isOurPage(contents.getURL())) openLink(url, shell);
    return { action: 'deny' };
  });
}

/** Hands a link to the person's browser, if it is one that may be. */
export function openLink(url: unknown, shell: Pick<Shell, 'openExternal'>): void {
  if (typeof url === 'string' && mayOpenOutside(url)) void shell.openExternal(url);
}

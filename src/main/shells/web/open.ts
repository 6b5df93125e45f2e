import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Opens a link that holds a token in the person's browser. Command lines are for everybody to see, so the browser is given a
 * file that only this user can read and that leads to the link.
 *
 * @param spent has the file taken away
 * @throws an error of the system where there is no browser to be asked
 */
export async function openInBrowser(link: string, folder: string, spent: AbortSignal): Promise<void> {
  const file = join(folder, `open-${process.pid}.html`);
  rmSync(file, { force: true });
  writeFileSync(file, redirectTo(link), { mode: 0o600, flag: 'wx' });
  const remove = () => {
    rmSync(file, { force: true });
  };
  spent.addEventListener('abort', remove);
  if (spent.aborted) remove();
  try {
    const [command, ...args] = opener(process.platform);
    const child = spawn(command, [...args, file], { stdio: 'ignore', detached: true });
    await once(child, 'spawn'); // rejects where there is no such command
    child.unref();
  } catch (error) {
    remove();
    throw error;
  }
}

function opener(platform: NodeJS.Platform): [string, ...string[]] {
  if (platform === 'darwin') return ['open'];
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return ['xdg-open'];
}

/** @param link of characters that mean nothing in HTML */
function redirectTo(link: string): string {
  return `<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=${link}">
<title>Sparrow</title>
<p><a href="${link}">Open Sparrow</a></p>
`;
}

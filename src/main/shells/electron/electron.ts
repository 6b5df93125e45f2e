import { join } from 'node:path';
import {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  MessageChannelMain,
  protocol,
  session,
  shell,
  utilityProcess,
} from 'electron';
import { channels } from '../../../shared/bridge.js';
import { explained, messageOf } from '../../../shared/errors.js';
import { dataFolder, prepareDataFolder } from '../../data-folder.js';
import { hostOfAuto } from '../../trainers/probe.js';
import { electronTrainers } from '../../trainers/utility-trainers.js';
import { mainPortWire } from '../../transports/main-port-wire.js';
import { tell } from '../cli/tell.js';
import { Host } from '../host.js';
import { pageFolder, requirePage } from '../page/files.js';
import { startedByNpm, windowIsOpen } from '../start-signals.js';
import { closingQuestion } from './closing.js';
import { guardContents, guardSession, openLink } from './guards.js';
import { menuTemplate } from './menu.js';
import { answerPage } from './page.js';
import { isOurSender, pageUrl, scheme, schemePrivileges, webPreferences } from './rules.js';

/** Electron's main process: the window on the workbench. What must be said before the app is ready comes first. */
app.enableSandbox();
protocol.registerSchemesAsPrivileged([{ scheme, privileges: schemePrivileges }]);
app.on('web-contents-created', (_event, contents) => {
  guardContents(contents, shell);
});
try {
  start();
} catch (error) {
  giveUp(error);
}

function start(): void {
  prepareDataFolder();
  app.setPath('userData', join(dataFolder(), 'window')); // a window for each data folder
  if (app.requestSingleInstanceLock()) {
    app.whenReady().then(open).catch(giveUp);
  } else {
    process.stdout.write(`${windowIsOpen}\n`); // the one that is open comes to the front
    app.exit(0);
  }
}

async function open(): Promise<void> {
  requirePage(pageFolder);
  const spawn = electronTrainers({ utilityProcess, MessageChannelMain }, { auto: await hostOfAuto() });
  const host = await Host.open(tell, { spawn });
  endWith(host);
  guardSession(session.defaultSession);
  protocol.handle(scheme, (request) => answerPage(pageFolder, request));
  ipcMain.on(channels.port, ({ senderFrame, sender }) => {
    if (!isOurSender(senderFrame, sender.mainFrame)) return;
    const { port1, port2 } = new MessageChannelMain();
    host.admit(mainPortWire(port1));
    senderFrame.postMessage(channels.port, null, [port2]);
  });
  ipcMain.on(channels.link, ({ senderFrame, sender }, url: unknown) => {
    if (isOurSender(senderFrame, sender.mainFrame)) openLink(url, shell);
  });
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform)));
  const again = () => {
    show().catch(tell);
  };
  app.on('second-instance', again);
  app.on('activate', again);
  await (await host.client()).runs.demonstrate({});
  await show();
  process.stdout.write(`${windowIsOpen}\n`);
}

/** Opens the window, or brings it to the front. */
async function show(): Promise<void> {
  const open = BrowserWindow.getAllWindows().at(0);
  if (open !== undefined) {
    if (open.isMinimized()) open.restore();
    open.focus();
    return;
  }
  const window = new BrowserWindow({
    width: 1440,
    height: 900,
    minWidth: 640,
    minHeight: 480,
    title: 'Sparrow',
    show: false,
    webPreferences: { ...webPreferences, preload: join(import.meta.dirname, '..', 'preload', 'preload.cjs') },
  });
  window.once('ready-to-show', () => {
    window.show();
  });
  await window.loadURL(pageUrl);
}

/** However it is asked to end, what is under way has a checkpoint first. A person is told of that, and may change their mind. */
function endWith(host: Host): void {
  let state: 'open' | 'asking' | 'closing' | 'closed' = 'open';
  const isEnding = () => state === 'closing' || state === 'closed';
  const end = () => {
    if (isEnding()) return;
    state = 'closing';
    for (const window of BrowserWindow.getAllWindows()) window.hide();
    host
      .close()
      .catch(tell)
      .finally(() => {
        state = 'closed';
        app.quit();
      });
  };
  const ask = async () => {
    state = 'asking';
    const question = closingQuestion((await host.underWay()).map(({ name }) => name));
    if (question !== undefined) {
      const { response } = await dialog.showMessageBox(question);
      if (isEnding()) return; // a signal did not wait for the answer
      if (response === question.cancelId) {
        state = 'open';
        return;
      }
    }
    end();
  };
  app.on('before-quit', (event) => {
    if (state === 'closed') return;
    event.preventDefault();
    if (state !== 'open') return;
    ask().catch((error: unknown) => {
      tell(error);
      end();
    });
  });
  app.on('browser-window-created', (_event, window) => {
    window.on('close', (event) => {
      if (state === 'closed' || process.platform === 'darwin') return; // there programs stay, and so do their runs
      event.preventDefault(); // it stays while its person is asked
      app.quit();
    });
  });
  app.on('window-all-closed', () => undefined); // of itself Electron would quit, on macOS as well
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
}

/** There is no window that could say it; where `npm start` waits, it does. */
function giveUp(error: unknown): void {
  tell(error);
  if (process.env[startedByNpm] === undefined)
    dialog.showErrorBox('Sparrow cannot be opened', messageOf(explained(error)));
  app.exit(1);
}

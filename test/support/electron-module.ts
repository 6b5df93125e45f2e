import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { createContext, runInContext } from 'node:vm';
import type * as Electron from 'electron';
import { electronStandIn } from './electron-stand-in.ts';

/**
 * What Sparrow calls of Electron, in plain Node: `node --import=electron-module.ts out/main/electron.js` runs the built main
 * process where Electron's binary is not. The page itself is not run: its files are read by way of the scheme, the built preload
 * runs in a context of its own, and what the page would say on its port is said by the test that has started this process.
 * Nothing here shows that Electron behaves as its documentation says.
 */
const url = import.meta.url;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron' ? { url, shortCircuit: true } : next(specifier, context),
});

/** To the test. */
function say(message: object): void {
  process.send?.(message);
}

type AppMethods = 'enableSandbox' | 'requestSingleInstanceLock' | 'whenReady' | 'quit' | 'exit' | 'setPath';
class App extends EventEmitter implements Pick<Electron.App, AppMethods> {
  enableSandbox(): void {
    say({ called: 'enableSandbox' });
  }
  setPath(name: string, path: string): void {
    say({ called: 'setPath', args: [name, path] });
  }
  requestSingleInstanceLock(): boolean {
    return true;
  }
  whenReady(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
  quit(): void {
    const event = { isPrevented: false, preventDefault: () => (event.isPrevented = true) };
    this.emit('before-quit', event);
    if (!event.isPrevented) this.exit(0);
  }
  exit(status = 0): void {
    process.exit(status);
  }
}
export const app = new App();
let answer: ((request: Pick<Request, 'url' | 'method'>) => Promise<Response>) | undefined;
export const protocol = {
  registerSchemesAsPrivileged: (schemes: Electron.CustomScheme[]) => {
    say({ called: 'registerSchemesAsPrivileged', args: schemes });
  },
  handle: (_scheme: string, handler: NonNullable<typeof answer>) => {
    answer = handler;
  },
};
const telling = (called: keyof Electron.Session) => () => {
  say({ called });
};
export const session = {
  defaultSession: {
    on: telling('on'),
    setPermissionRequestHandler: telling('setPermissionRequestHandler'),
    setPermissionCheckHandler: telling('setPermissionCheckHandler'),
    setDevicePermissionHandler: telling('setDevicePermissionHandler'),
  },
};
export const shell: Pick<Electron.Shell, 'openExternal'> = {
  openExternal: (opened) => {
    say({ opened });
    return Promise.resolve();
  },
};
export const dialog = {
  showErrorBox: (title: string, content: string) => {
    say({ title, content });
  },
  /** The person keeps the window the first time, and later does not answer. */
  showMessageBox: ({ message, buttons }: Electron.MessageBoxOptions) => {
    say({ asked: message, buttons });
    return isAsked ? new Promise(() => undefined) : Promise.resolve({ response: (isAsked = 1) });
  },
};
let isAsked = 0;
export const Menu = { buildFromTemplate: () => ({}), setApplicationMenu: () => undefined };
export const ipcMain = new EventEmitter();

export const MessageChannelMain = electronStandIn.MessageChannelMain;
type Port = InstanceType<typeof MessageChannelMain>['port1'];

export const utilityProcess: typeof electronStandIn.utilityProcess = {
  fork: (...args) => {
    const child = electronStandIn.utilityProcess.fork(...args);
    child.on('spawn', () => {
      say({ utility: child.pid });
    });
    return child;
  },
};

/** The window's contents: the preload, and of the page what the test says. */
class Contents extends EventEmitter {
  readonly #renderer = new EventEmitter();
  readonly mainFrame = {
    url: '',
    postMessage: (channel: string, _message: unknown, ports: Port[]) => this.#renderer.emit(channel, { ports }),
  };
  getURL(): string {
    return this.mainFrame.url;
  }
  setWindowOpenHandler(): void {
    say({ called: 'setWindowOpenHandler' });
  }
  async load(address: string, preload: string): Promise<void> {
    this.mainFrame.url = address;
    const page = await this.#read(address);
    for (const [, name] of page.matchAll(/(?:src|href)="(\.[^"]+)"/g)) await this.#read(new URL(name, address).href);
    for (const outside of ['sparrow://app/..%2f..%2fpackage.json', 'sparrow://other/index.html'])
      await this.#read(outside);

    const send = (channel: string, ...args: unknown[]) =>
      ipcMain.emit(channel, { sender: this, senderFrame: this.mainFrame }, ...args);
    const exposed: Record<string, (argument?: unknown) => void> = {};
    const electron = {
      contextBridge: { exposeInMainWorld: (_name: string, api: typeof exposed) => Object.assign(exposed, api) },
      ipcRenderer: Object.assign(this.#renderer, { send }),
      webUtils: {},
    };
    const window = {
      postMessage: (message: unknown, _origin: string, [port]: Port[]) => {
        port.on('message', ({ data }) => {
          say({ wire: data as unknown });
        });
        port.start();
        process.on('message', (wire) => {
          if (wire === 'close the window')
            BrowserWindow.getAllWindows()[0].emit('close', { preventDefault: () => undefined });
          else port.postMessage(wire);
        });
        say({ port: message, bridge: Object.keys(exposed) });
      },
    };
    runInContext(readFileSync(preload, 'utf8'), createContext({ window, require: () => electron }));
    for (const link of ['https://example.org/', 'file:///etc/passwd', 7]) exposed['openLink'](link);
    const stranger = { sender: this, senderFrame: { url: address } }; // a frame inside the page
    ipcMain.emit('sparrow:port', stranger);
    exposed['askForPort']();
  }
  async #read(read: string): Promise<string> {
    const response = await answer!({ url: read, method: 'GET' });
    say({ read, status: response.status, policy: response.headers.get('content-security-policy') });
    return response.text();
  }
}

export class BrowserWindow extends EventEmitter {
  static readonly #open: BrowserWindow[] = [];
  static getAllWindows(): BrowserWindow[] {
    return BrowserWindow.#open;
  }
  readonly webContents = new Contents();
  readonly #preload: string;
  constructor({ webPreferences = {} }: Electron.BrowserWindowConstructorOptions) {
    super();
    this.#preload = webPreferences.preload!;
    say({ called: 'BrowserWindow', args: [webPreferences] });
    BrowserWindow.#open.push(this);
    app.emit('web-contents-created', {}, this.webContents);
    app.emit('browser-window-created', {}, this);
  }
  loadURL(address: string): Promise<void> {
    return this.webContents.load(address, this.#preload);
  }
  hide(): void {
    say({ called: 'hide' });
  }
}

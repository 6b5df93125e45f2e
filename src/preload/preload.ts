import { contextBridge, ipcRenderer, webUtils } from 'electron';
import { channels, portMessage, type Bridge } from '../shared/bridge.js';

// Sandboxed, and one CommonJS file. The page gets these three functions and nothing of Electron.
const bridge: Bridge = {
  askForPort: () => {
    ipcRenderer.send(channels.port);
  },
  openLink: (url) => {
    ipcRenderer.send(channels.link, url);
  },
  pathOf: (file) => webUtils.getPathForFile(file),
};
ipcRenderer.on(channels.port, (event) => {
  window.postMessage(portMessage, '/', [...event.ports]); // to a page of the same origin only: this one
});
contextBridge.exposeInMainWorld('sparrow', bridge);

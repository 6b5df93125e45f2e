/** The environment variable by which `npm start` tells Electron's main process the path of its Node. */
export const nodeOfStart = 'SPARROW_NODE';

/**
 * The Node that runs what may not live in Electron: this one, or the one of `npm start`. Undefined in a window that was opened in
 * another way: Electron's own program runs as Node, too, but loads only what is built for Electron.
 */
export function plainNode(): string | undefined {
  return 'electron' in process.versions ? process.env[nodeOfStart] : process.execPath;
}

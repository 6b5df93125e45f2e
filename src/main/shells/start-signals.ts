/** What Electron's main process says on standard output once its window is open, for `npm start`, which waits for it. */
export const windowIsOpen = 'sparrow: the window is open';

/** The environment variable by which `npm start` tells Electron's main process that it waits. */
export const startedByNpm = 'SPARROW_STARTED_BY_NPM';

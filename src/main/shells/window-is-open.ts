/** What Electron's main process says on standard output once its window is open, for `npm start`, which waits for it. */
export const windowIsOpen = 'sparrow: the window is open';

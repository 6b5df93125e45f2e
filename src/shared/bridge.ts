/** What the preload gives the page of Electron's window, as `window.sparrow`; in a browser there is none. */
export interface Bridge {
  /** Asks for a message port to the workbench; it comes as a message of the window, with `portMessage` as its data. */
  askForPort(): void;
  /** Opens a web page in the person's browser. */
  openLink(url: string): void;
  /** Where a file lies that the person has chosen. */
  pathOf(file: File): string;
}

export const portMessage = 'sparrow-port';

/** Channels between preload and main process. */
export const channels = {
  /** The page asks for a port, and gets it. */
  port: 'sparrow:port',
  /** The page asks to open a link, its one argument. */
  link: 'sparrow:link',
} as const;

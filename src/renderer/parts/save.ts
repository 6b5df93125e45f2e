/** Hands a file to whoever looks at the page: the browser's download, or Electron's dialog behind it. */
export function saveFile(name: string, parts: BlobPart[], type: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  saveAs(name, url);
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}

/** @param url of its data */
export function saveImage(name: string, url: string): void {
  saveAs(`${fileName(name)}.png`, url);
}

/** A name that every file system takes. */
export function fileName(name: string): string {
  return name.replaceAll(/[^\w.-]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'sparrow';
}

function saveAs(name: string, href: string): void {
  const link = document.createElement('a');
  link.href = href;
  link.download = name;
  link.click();
}

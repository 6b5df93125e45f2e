import { readFileSync } from 'node:fs';

/** The rows of a CSV file (RFC 4180), each by the names of its columns. */
export function csvRows(file: string): Record<string, string>[] {
  const cells: string[][] = [[]];
  const text = readFileSync(file, 'utf8');
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    const unquoted = quoted as string | undefined; // one of the two
    cells.at(-1)!.push(unquoted?.replaceAll('""', '"') ?? plain);
    if (end === '\r\n') cells.push([]);
    if (end === '') break;
  }
  const [header, ...rows] = cells.filter((row) => row.length > 1);
  return rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i]])));
}

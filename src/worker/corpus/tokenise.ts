/**
 * Text to word ids as the published code does it (algorithm page 1.1): each line is its words and an `<eos>`, ids are given
 * in order of first appearance, nothing is lower-cased, sorted or replaced.
 */
export const endOfSentence = '<eos>';

// What Python's str.split() takes for white space; JavaScript's \s differs (U+FEFF, U+001C to U+001F, U+0085).
const spaces = [
  [0x09, 0x0d],
  [0x1c, 0x20],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
].map(([first, last]) => `${String.fromCharCode(first)}-${String.fromCharCode(last)}`);
const whiteSpace = new RegExp(`[${spaces.join('')}]+`);

/** The lines of a text: they end at \n, \r\n or \r, and nothing follows the last ending. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Words of a line, without the `<eos>`; none of a blank one. */
export function wordsOf(line: string): string[] {
  return line.split(whiteSpace).filter((word) => word !== '');
}

/** Ids of words in order of first appearance. */
export class Vocabulary {
  readonly words: string[] = [];
  readonly #ids = new Map<string, number>();

  /** The id of a word, which is added if it is new. */
  idOf(word: string): number {
    let id = this.#ids.get(word);
    if (id === undefined) {
      id = this.words.length;
      this.words.push(word);
      this.#ids.set(word, id);
    }
    return id;
  }

  /** Ids of a whole text. */
  encode(text: string): Int32Array {
    const ids: number[] = [];
    for (const line of linesOf(text)) {
      for (const word of wordsOf(line)) ids.push(this.idOf(word));
      ids.push(this.idOf(endOfSentence));
    }
    return Int32Array.from(ids);
  }
}

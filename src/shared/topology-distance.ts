/** @param both connections that both networks have @param either connections that one or the other has */
export function scaled(both: number, either: number): number {
  return either === 0 ? 0 : 1 - both / either;
}

/** What two independent masks of these densities are apart: 1 - d / (2 - d) where both have density d. */
export function chanceDistance(a: number, b: number): number {
  return scaled(a * b, a + b - a * b);
}

/**
 * Owners and shells of different versions do not talk past each other: a number of the contract, in a file of its own because
 * a page that only begins needs no schemas.
 */
export const protocol = 4;

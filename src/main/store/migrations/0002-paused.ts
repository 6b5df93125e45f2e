/** Since when a person has a run rest: it rests with the next owner, too. */
export const paused = `ALTER TABLE runs ADD COLUMN paused INTEGER;`;

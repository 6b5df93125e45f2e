/** What the runs of the demonstration are tagged with. */
export const demonstrationTag = 'demonstration';

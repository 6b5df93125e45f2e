/** Of the runs that are queued where there are none yet, to show what Sparrow does. */
export const demonstrationTag = 'demonstration';

/** A GPU that is gone (a driver that was reset, a card that was taken away): nothing is wrong with the run, and it can be resumed. */
export class DeviceLost extends Error {
  constructor(reason: string) {
    super(`the GPU was lost: ${reason}`);
    this.name = 'DeviceLost';
  }
}

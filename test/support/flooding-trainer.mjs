// @ts-nocheck: plain JavaScript of the other side of a channel.
//
// Loaded before a trainer (node --import): tells events as fast as it can and waits for no answer, then ends.
if (process.argv[1]?.endsWith('trainer-process.js')) {
  const { on } = process;
  const step = {
    type: 'step',
    epoch: 1,
    loss: 1,
    gradientNorm: 1,
    learningRate: 1,
    removingRate: 0,
    tokensPerSecond: 1,
  };
  const flood = ({ type }) => {
    if (type !== 'train') return;
    for (let sequence = 0; sequence < 50_000; sequence++)
      process.send({ sequence, event: { ...step, step: sequence } });
    process.send({ alive: true }, undefined, undefined, () => process.exit(3));
  };
  process.on = (name, listener) => on.call(process, name, name === 'message' ? flood : listener);
}

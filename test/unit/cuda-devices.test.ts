import { expect, test } from 'vitest';
import { readDevices } from '../../src/worker/engines/tensorflow/start.js';

test('GPUs are read from what the driver lists', () => {
  const csv = '0, NVIDIA H100 80GB HBM3, 81559, 570.86.15\n1, NVIDIA GB10, [N/A], 580.95.05\n';
  expect(readDevices(csv)).toEqual([
    {
      ...{ id: 'cuda:0', kind: 'gpu', name: 'NVIDIA H100 80GB HBM3' },
      ...{ memory: 81559 * 2 ** 20, driver: 'NVIDIA 570.86.15' },
    },
    { id: 'cuda:1', kind: 'gpu', name: 'NVIDIA GB10', memory: null, driver: 'NVIDIA 580.95.05' },
  ]);
});

test('what is no list of GPUs is none', () => {
  expect(readDevices('')).toEqual([]);
  expect(readDevices("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")).toEqual([]);
  expect(readDevices('No devices were found\n')).toEqual([]);
});

// @ts-nocheck: members of the GPU and of Node are replaced.
//
// A trainer whose GPU, in software, is lost after it has told of a certain step: what the reset of a driver does to it.
import './swiftshader.mjs';
import { globals } from 'webgpu';

let device;
const { requestDevice } = globals.GPUAdapter.prototype;
globals.GPUAdapter.prototype.requestDevice = async function (...args) {
  device = await requestDevice.apply(this, args);
  return device;
};

const { send } = process;
process.send = function (message, ...rest) {
  const { type, step } = message.event ?? {};
  if (type === 'step' && step === Number(process.env['SPARROW_TEST_LOSE_AT'])) device?.destroy();
  return send.call(process, message, ...rest);
};

const bundle = '../../out/main/trainer-process.js'; // its types are not for the checker
await import(bundle);

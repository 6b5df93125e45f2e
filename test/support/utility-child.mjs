// @ts-nocheck: plain JavaScript of the other side of a channel.
//
// Loaded before a program (node --import): gives it what Electron gives a utility process, `process.parentPort` and the
// ports that are sent over it, and takes away what it does not have.
import { EventEmitter } from 'node:events';

const send = process.send.bind(process);
const on = process.on.bind(process);
const ports = new Map();

class Port extends EventEmitter {
  #number;
  #queue = [];

  constructor(number) {
    super();
    this.#number = number;
    ports.set(number, this);
  }

  postMessage(data) {
    if (process.connected) send({ port: this.#number, data }, () => undefined); // what nobody takes is lost
  }

  start() {
    const queued = this.#queue;
    this.#queue = undefined;
    for (const data of queued) this.emit('message', { data, ports: [] });
  }

  arrive(data) {
    if (this.#queue !== undefined) this.#queue.push(data);
    else this.emit('message', { data, ports: [] });
  }
}

const parentPort = new EventEmitter();
const early = [];
const tell = (event) => {
  if (parentPort.listenerCount('message') === 0) early.push(event);
  else parentPort.emit('message', event);
};
parentPort.on('newListener', (name) => {
  if (name === 'message') queueMicrotask(() => early.splice(0).forEach(tell));
});
on('message', ({ parent, ports: numbers, port, data, close }) => {
  if (numbers !== undefined) tell({ data: parent, ports: numbers.map((number) => new Port(number)) });
  else if (close === true) ports.get(port).emit('close');
  else ports.get(port).arrive(data);
});
on('disconnect', () => {
  for (const port of ports.values()) port.emit('close');
});
Object.defineProperty(process, 'parentPort', { value: parentPort });
process.send = undefined;

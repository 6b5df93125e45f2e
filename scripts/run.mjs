// What `npm start`, `npm test` and the other npm commands call: one of the tasks, by name.
import { runTask, tasks } from './task.mjs';

const [name = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(tasks, name)) {
  process.stderr.write(`sparrow: no task ${JSON.stringify(name)}; there are ${Object.keys(tasks).join(', ')}\n`);
  process.exit(1);
}
await runTask(name, args);

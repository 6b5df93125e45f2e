import { implement } from '@orpc/server';
import { contract, protocol } from '../../shared/contract/contract.js';
import { toContractError } from '../../shared/contract/errors.js';
import type { Workbench } from '../workbench.js';

/** The contract, as the owner of a data folder keeps it. */
export function routerOf(workbench: Workbench, version: string) {
  const os = implement(contract).use(async ({ next }) => {
    try {
      return await next();
    } catch (error) {
      throw toContractError(error);
    }
  });
  return os.router({
    hello: os.hello.handler(() => ({ protocol, version, pid: process.pid })),
    runs: {
      create: os.runs.create.handler(({ input }) => ({ ids: workbench.create(input.configs, input.restarts) })),
      resume: os.runs.resume.handler(({ input: { id, ...options } }) => {
        workbench.resume(id, options);
        return {};
      }),
      pause: os.runs.pause.handler(({ input: { id } }) => {
        workbench.pause(id);
        return {};
      }),
      continue: os.runs.continue.handler(({ input: { id } }) => {
        workbench.continue(id);
        return {};
      }),
      stop: os.runs.stop.handler(({ input: { id, now } }) => {
        workbench.stop(id, now);
        return {};
      }),
      list: os.runs.list.handler(({ input: { trash } }) => workbench.list(trash)),
      get: os.runs.get.handler(({ input: { id } }) => workbench.view(id)),
      trash: os.runs.trash.handler(({ input: { ids } }) => {
        workbench.trash(ids);
        return {};
      }),
      restore: os.runs.restore.handler(({ input: { ids } }) => {
        workbench.restore(ids);
        return {};
      }),
      purge: os.runs.purge.handler(({ input: { ids } }) => ({ freedBytes: workbench.purge(ids) })),
      discard: os.runs.discard.handler(({ input: { id } }) => {
        workbench.discard(id);
        return {};
      }),
    },
    queue: {
      reorder: os.queue.reorder.handler(({ input: { ids } }) => {
        workbench.reorder(ids);
        return {};
      }),
    },
    news: os.news.handler(({ input }) => workbench.news.after(input)),
    now: os.now.handler(() => ({ cursor: workbench.news.cursor })),
  });
}

export type Router = ReturnType<typeof routerOf>;

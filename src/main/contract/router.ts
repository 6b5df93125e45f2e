import { implement } from '@orpc/server';
import { contract } from '../../shared/contract/contract.js';
import { toContractError } from '../../shared/contract/errors.js';
import { protocol } from '../../shared/contract/protocol.js';
import { bestOf, probeEngines } from '../trainers/probe.js';
import { aboutOwner } from '../workbench/about.js';
import type { Workbench } from '../workbench/workbench.js';

/** The contract, as the owner of a data folder keeps it. */
export function routerOf(workbench: Workbench, version: string) {
  const { commands, views, news, exports, corpora, tables, database } = workbench;
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
      create: os.runs.create.handler(({ input }) => ({ ids: commands.create(input.configs, input.restarts) })),
      demonstrate: os.runs.demonstrate.handler(() => ({ ids: workbench.demonstrate() })),
      resume: os.runs.resume.handler(({ input: { id, ...options } }) => {
        commands.resume(id, options);
        return {};
      }),
      pause: os.runs.pause.handler(({ input: { id } }) => {
        commands.pause(id);
        return {};
      }),
      continue: os.runs.continue.handler(({ input: { id } }) => {
        commands.continue(id);
        return {};
      }),
      stop: os.runs.stop.handler(({ input: { id, now } }) => {
        commands.stop(id, now);
        return {};
      }),
      list: os.runs.list.handler(({ input }) => views.list(input)),
      get: os.runs.get.handler(({ input: { id } }) => views.get(id)),
      events: os.runs.events.handler(({ input: { id, ...range } }) => views.events(id, range)),
      annotate: os.runs.annotate.handler(({ input }) => {
        commands.annotate(input);
        return {};
      }),
      pin: os.runs.pin.handler(({ input: { ids } }) => {
        commands.pin(ids);
        return {};
      }),
      series: os.runs.series.handler(({ input }) => views.series(input)),
      sparsity: os.runs.sparsity.handler(async ({ input: { id, fromUpdate } }) => ({
        rows: await views.sparsity(id, fromUpdate),
      })),
      checkpoints: os.runs.checkpoints.handler(async ({ input: { id } }) => ({
        checkpoints: await views.checkpoints(id),
      })),
      started: os.runs.started.handler(async ({ input: { id } }) => ({ started: await views.started(id) })),
      trash: os.runs.trash.handler(({ input: { ids } }) => {
        commands.trash(ids);
        return {};
      }),
      restore: os.runs.restore.handler(({ input: { ids } }) => {
        commands.restore(ids);
        return {};
      }),
      purge: os.runs.purge.handler(({ input: { ids } }) => ({ freedBytes: commands.purge(ids) })),
      discard: os.runs.discard.handler(({ input: { id } }) => {
        commands.discard(id);
        return {};
      }),
    },
    topology: {
      connections: os.topology.connections.handler(async ({ input: { id } }) => ({
        rows: await views.connections(id),
      })),
      distance: os.topology.distance.handler(({ input: { a, b, matched } }) => views.distance(a, b, matched)),
    },
    queue: {
      reorder: os.queue.reorder.handler(({ input: { ids, before } }) => {
        commands.reorder(ids, before);
        return {};
      }),
    },
    facts: os.facts.handler(({ input: { config } }) => workbench.facts(config)),
    exports: {
      open: os.exports.open.handler(async ({ input }) => ({ id: await exports.open(input) })),
      read: os.exports.read.handler(({ input: { id } }) => exports.read(id)),
    },
    corpora: {
      list: os.corpora.list.handler(() => corpora.list()),
      work: os.corpora.work.handler(() => ({ work: corpora.work() })),
      fetch: os.corpora.fetch.handler(({ input: { name, from } }) => {
        corpora.begin({ type: 'fetch', name, ...(from === undefined ? {} : { from }) });
        return {};
      }),
      import: os.corpora.import.handler(({ input: { name, files } }) => {
        corpora.begin({ type: 'import', name, files });
        return {};
      }),
      delete: os.corpora.delete.handler(async ({ input: { name } }) => ({ freedBytes: await corpora.delete(name) })),
    },
    tables: {
      report: os.tables.report.handler(({ input }) => tables.report(input)),
      reproduce: os.tables.reproduce.handler(async ({ input }) => ({ runs: await tables.reproduce(input) })),
    },
    about: os.about.handler(() => aboutOwner(version, database)),
    devices: os.devices.handler(async () => {
      const reports = await probeEngines();
      const best = bestOf(reports);
      return reports.map((report) => ({ ...report, auto: report === best }));
    }),
    settings: {
      get: os.settings.get.handler(({ input: { name } }) => {
        const value = views.setting(name);
        return value === undefined ? {} : { value };
      }),
      set: os.settings.set.handler(({ input: { name, value } }) => {
        commands.set(name, value);
        return {};
      }),
    },
    news: os.news.handler(({ input }) => news.after(input)),
    now: os.now.handler(() => ({ cursor: news.cursor })),
  });
}

export type Router = ReturnType<typeof routerOf>;

import { corpusJobSchema, type CorpusJob, type CorpusReply } from '../shared/corpus-jobs.js';
import { explain } from './explain.js';
import { catalogue, catalogueEntry } from './corpus/catalogue.js';
import { fetchCorpus } from './corpus/fetch.js';
import { addCorpus, describeCorpus, listCorpora, readSource, type CorpusRecord } from './corpus/library.js';
import { openPort } from './port.js';

/** The corpus process: does one job on the library of texts, so that no large file is ever read by the workbench. */
const port = openPort((message) => {
  void answer(corpusJobSchema.parse(message));
});

async function answer(job: CorpusJob): Promise<void> {
  const reply: CorpusReply = await work(job).then(
    (corpora) => ({
      type: 'done',
      corpora,
      fetchable: Object.entries(catalogue).map(([name, { title }]) => ({ name, title })),
    }),
    (error: unknown) => ({ type: 'failed', ...explain(error) }),
  );
  await port.send(reply);
  process.exit(0);
}

async function work(job: CorpusJob): Promise<CorpusRecord[]> {
  switch (job.type) {
    case 'list':
      return listCorpora(job.folder);
    case 'import': {
      const { folder, name, files } = job;
      const sources = { train: readSource(files.train), valid: readSource(files.valid), test: readSource(files.test) };
      const record = describeCorpus(name, 'imported', sources);
      addCorpus(folder, record, sources);
      return [record];
    }
    case 'fetch': {
      const { folder, name, from } = job;
      const onProgress = ({
        split,
        received,
        total,
      }: {
        split: string;
        received: number;
        total: number | undefined;
      }) => {
        void port.send({
          type: 'progress',
          file: split,
          received,
          ...(total === undefined ? {} : { total }),
        } satisfies CorpusReply);
      };
      return [
        await fetchCorpus(folder, name, catalogueEntry(name), { ...(from === undefined ? {} : { from }), onProgress }),
      ];
    }
  }
}

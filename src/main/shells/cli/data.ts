import { Command } from 'commander';
import type { CorpusInfo } from '../../../shared/corpus-jobs.js';
import { runCorpusJob } from '../../corpora.js';
import { corporaFolder, prepareDataFolder } from '../../data-folder.js';
import { integer, table } from './text.js';
import { TransferBar } from './transfer-bar.js';

/** `sparrow data list | fetch NAME | import NAME --train F --valid F --test F` */
export function dataCommand(): Command {
  const data = new Command('data').description('The texts to train on.');
  data
    .command('list')
    .description('List the corpora that are here and those that can be fetched.')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: true }) => {
      const { corpora, fetchable } = await runCorpusJob({ type: 'list', folder: corporaFolder() });
      process.stdout.write(json ? `${JSON.stringify({ corpora, fetchable })}\n` : listing(corpora, fetchable));
    });
  data
    .command('fetch')
    .description('Fetch a published corpus; a transfer that breaks is taken up again.')
    .argument('<name>', 'ptb or wikitext-2')
    .option('--from <address>', 'folder of a mirror that has the same files')
    .option('--json', 'as JSON lines')
    .action(async (name: string, { from, json }: { from?: string; json?: true }) => {
      prepareDataFolder();
      const bar = new TransferBar(json === true);
      try {
        const job = { type: 'fetch', folder: corporaFolder(), name, ...(from === undefined ? {} : { from }) } as const;
        const { corpora } = await runCorpusJob(job, (progress) => {
          bar.show(progress.file, progress.received, progress.total);
        });
        bar.stop();
        announce(corpora[0], json === true);
      } finally {
        bar.stop();
      }
    });
  data
    .command('import')
    .description('Import three UTF-8 text files, one sentence a line.')
    .argument('<name>', 'what to call the corpus: a-z, 0-9, ".", "_" and "-"')
    .requiredOption('--train <file>', 'training text')
    .requiredOption('--valid <file>', 'validation text')
    .requiredOption('--test <file>', 'test text')
    .option('--json', 'as JSON')
    .action(async (name: string, options: { train: string; valid: string; test: string; json?: true }) => {
      prepareDataFolder();
      const { train, valid, test, json } = options;
      const job = { type: 'import', folder: corporaFolder(), name, files: { train, valid, test } } as const;
      const { corpora } = await runCorpusJob(job);
      announce(corpora[0], json === true);
    });
  return data;
}

function listing(corpora: readonly CorpusInfo[], fetchable: readonly { name: string; title: string }[]): string {
  const header = ['corpus', 'words', 'train', 'valid', 'test', 'origin'];
  const rows = corpora.map(({ name, vocabulary, files, origin }) => [
    name,
    integer(vocabulary),
    ...[files.train, files.valid, files.test].map(({ tokens }) => integer(tokens)),
    origin,
  ]);
  const here = table([header, ['built-in', 'any', 'any', 'any', 'any', 'synthetic'], ...rows]);
  const absent = fetchable.filter(({ name }) => !corpora.some((corpus) => corpus.name === name));
  if (absent.length === 0) return here;
  return `${here}\n${absent.map(({ name, title }) => `sparrow data fetch ${name.padEnd(10)}  ${title}\n`).join('')}`;
}

function announce(corpus: CorpusInfo, json: boolean): void {
  const { name, vocabulary, files } = corpus;
  const tokens = [files.train, files.valid, files.test].map((file) => integer(file.tokens)).join(', ');
  const text = `${name}: ${integer(vocabulary)} different words; ${tokens} words to train, validate and test on\n`;
  process.stdout.write(json ? `${JSON.stringify(corpus)}\n` : text);
}

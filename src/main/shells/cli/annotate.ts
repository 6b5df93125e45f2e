import { Command } from 'commander';
import { UserError } from '../../../shared/errors.js';
import { withSession } from './session.js';

/** `sparrow tag ID... [--add TAG]... [--remove TAG]...` */
export function tagCommand(): Command {
  return new Command('tag')
    .description('Put tags on runs, or take them off; "sparrow runs --filter tag:NAME" finds them.')
    .argument('<id...>', 'the runs')
    .option('--add <tag>', 'a word; may be repeated', append, [])
    .option('--remove <tag>', 'a tag they have; may be repeated', append, [])
    .action(async (ids: string[], { add, remove }: { add: string[]; remove: string[] }) => {
      if (add.length + remove.length === 0) throw new UserError(`${ids.join(', ')}: say what to --add or to --remove`);
      await withSession(({ client }) => client.runs.annotate({ ids, addTags: add, removeTags: remove }));
    });
}

/** `sparrow note ID TEXT` */
export function noteCommand(): Command {
  return new Command('note')
    .description('Write a note to a run, in place of the one it has; an empty one deletes it.')
    .argument('<id>', 'the run')
    .argument('<text>', 'the note')
    .action(async (id: string, note: string) => {
      await withSession(({ client }) => client.runs.annotate({ ids: [id], note }));
    });
}

/** `sparrow rename ID NAME` */
export function renameCommand(): Command {
  return new Command('rename')
    .description('Give a run another name; its id, which commands use, stays.')
    .argument('<id>', 'the run')
    .argument('<name>', 'the name; an empty one is the id')
    .action(async (id: string, name: string) => {
      await withSession(({ client }) => client.runs.annotate({ ids: [id], name }));
    });
}

function append(tag: string, tags: readonly string[]): string[] {
  return [...tags, tag];
}

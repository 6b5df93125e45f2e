import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CorpusWork } from '../../shared/contract/corpora.js';
import type { CorpusJob } from '../../shared/corpus-jobs.js';
import { explained, UserError } from '../../shared/errors.js';
import { runCorpusJob } from '../corpora.js';
import { spaceOf } from '../store/trash.js';

type Asked = Extract<CorpusJob, { type: 'fetch' | 'import' }>;

/** The texts to train on, as the owner has them fetched, imported and deleted. */
export class Corpora {
  readonly #folder: string;
  readonly #isUsed: (name: string) => boolean;
  readonly #program: string | undefined;
  readonly #work = new Map<string, CorpusWork>();
  readonly #underWay = new AbortController();

  /**
   * @param folder holds a folder for each
   * @param isUsed whether a run is being trained on it
   * @param program of the corpus process, if not the one beside this
   */
  constructor(folder: string, isUsed: (name: string) => boolean, program?: string) {
    this.#folder = folder;
    this.#isUsed = isUsed;
    this.#program = program;
  }

  async list() {
    const { corpora, fetchable } = await this.#listed();
    return { corpora, fetchable, work: this.work() };
  }

  work(): CorpusWork[] {
    return [...this.#work.values()];
  }

  /** Begins; how it goes on is told by `work`. @throws UserError where one of that name is on its way */
  begin(
    asked: Omit<Extract<Asked, { type: 'fetch' }>, 'folder'> | Omit<Extract<Asked, { type: 'import' }>, 'folder'>,
  ): void {
    const { name, type: kind } = asked;
    if (this.#work.get(name)?.state === 'running') throw new UserError(`${name} is on its way already: wait for it`);
    const begun: CorpusWork = { name, kind, state: 'running', progress: null, error: null };
    this.#work.set(name, begun);
    const job = { ...asked, folder: this.#folder };
    runCorpusJob(
      job,
      ({ file, received, total }) => {
        const progress = { file, received, ...(total === undefined ? {} : { total }) };
        this.#work.set(name, { ...begun, progress });
      },
      this.#underWay.signal,
      this.#program,
    ).then(
      () => this.#work.set(name, { ...begun, state: 'done' }),
      (error: unknown) => this.#work.set(name, { ...begun, state: 'failed', error: explained(error).message }),
    );
  }

  /** @returns bytes that the disk has back */
  async delete(name: string): Promise<number> {
    const { corpora } = await this.#listed();
    if (!corpora.some((corpus) => corpus.name === name)) throw new UserError(`there is no corpus ${name} to delete`);
    if (this.#isUsed(name)) throw new UserError(`a run is being trained on ${name}: stop it first`);
    const place = join(this.#folder, name);
    const freed = spaceOf(place);
    rmSync(place, { recursive: true });
    this.#work.delete(name);
    return freed;
  }

  /** Ends what is on its way; a transfer is taken up again when it is asked for again. */
  close(): void {
    this.#underWay.abort();
  }

  #listed() {
    return runCorpusJob({ type: 'list', folder: this.#folder }, undefined, undefined, this.#program);
  }
}

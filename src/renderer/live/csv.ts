import type { ExportRequest } from '../../shared/contract/exports';
import { fileName, saveFile } from '../parts/save';
import { useNotices } from '../stores/notices';
import { useWorkbench } from './workbench';

/** Tables as CSV, as the command line writes them: read piece by piece, saved as one file. */
export function useCsv() {
  const { client } = useWorkbench();
  const notices = useNotices();

  async function save(name: string, request: ExportRequest): Promise<void> {
    await notices.attempt(async () => {
      const { id } = await client.exports.open(request);
      const parts: string[] = [];
      for (;;) {
        const { text, done } = await client.exports.read({ id });
        parts.push(text);
        if (done) break;
      }
      saveFile(`${fileName(name)}.csv`, parts, 'text/csv;charset=utf-8');
    });
  }

  return { save };
}

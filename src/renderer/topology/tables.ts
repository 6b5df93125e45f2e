import { csvLines, type CsvTable } from '../../shared/csv';
import { fileName, saveFile } from '../parts/save';

/** Saves as CSV what the page has: topologies take the owner too long to be asked for twice. */
export function saveTable(name: string, table: CsvTable): void {
  saveFile(`${fileName(name)}.csv`, [...csvLines(table)], 'text/csv;charset=utf-8');
}

import { Command } from 'commander';
import { presetNamed, presets } from '../../../shared/presets.js';
import { parseRunConfig } from '../../../shared/run-config.js';
import { list } from './text.js';

/** `sparrow presets [NAME] [--json]` */
export function presetsCommand(): Command {
  return new Command('presets')
    .description('List the presets, or print the whole configuration of one.')
    .argument('[name]', 'preset to print')
    .option('--json', 'as JSON')
    .action((name: string | undefined, { json }: { json?: true }) => {
      if (name !== undefined) {
        process.stdout.write(`${JSON.stringify(parseRunConfig(presetNamed(name).config), undefined, 2)}\n`);
      } else if (json) {
        process.stdout.write(`${JSON.stringify(presets)}\n`);
      } else {
        process.stdout.write(list(presets.map((preset) => [preset.name, preset.sentence])));
      }
    });
}

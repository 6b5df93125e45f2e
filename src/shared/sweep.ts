import { UserError } from './errors.js';
import { applySettings, parseRunConfig, type PartialRunConfig } from './run-config.js';

const mostRuns = 10_000;

/**
 * The configurations that settings ask for: `method.density=[0.1,0.33]` makes one of each value, several such fields one of
 * each combination, the last field changing fastest; then each with so many seeds, counting from its own.
 * @throws UserError naming the setting, its value and what was expected
 */
export function sweep(config: PartialRunConfig, settings: readonly string[], seeds: number): PartialRunConfig[] {
  const choices = settings.map(valuesOf);
  const count = choices.reduce((product, { length }) => product * length, seeds);
  if (count > mostRuns) throw new UserError(`that would be ${count} runs: at most ${mostRuns} can be queued at once`);
  return combinations(choices).flatMap((chosen) => {
    const changed = applySettings(config, chosen);
    if (seeds === 1) return [changed];
    const { seed } = parseRunConfig(changed);
    return Array.from({ length: seeds }, (_, i) => ({ ...changed, seed: seed + i }));
  });
}

/** A setting as one setting for each value of its list. */
function valuesOf(setting: string): string[] {
  const list = /^([^=]*=)\s*\[(.*)\]\s*$/s.exec(setting);
  if (list === null) return [setting];
  const [, field, content] = list;
  const values = content.split(',').map((value) => value.trim());
  if (values.includes('')) {
    throw new UserError(
      `--set ${setting}: expected values between commas, for example --set method.density=[0.1,0.33]`,
    );
  }
  return values.map((value) => `${field}${value}`);
}

function combinations(choices: readonly string[][]): string[][] {
  return choices.reduce<string[][]>(
    (chosen, values) => chosen.flatMap((before) => values.map((value) => [...before, value])),
    [[]],
  );
}

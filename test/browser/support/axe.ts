import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
}

/** What axe finds in a page that keeps people from using it: nothing, where all is well. */
export async function axeProblems(page: Page): Promise<string[]> {
  // Through the debugger: the page's own policy allows no script from elsewhere.
  const found = await page.evaluate<{ violations: Violation[] }>(
    `(() => { ${axe}; return axe.run(document, { resultTypes: ['violations'] }); })()`,
  );
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
    );
}

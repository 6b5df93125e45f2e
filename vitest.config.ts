import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { mainFields: ['module', 'main'] } },
  test: {
    include: ['test/**/*.test.ts'],
    // Its module of gradients imports files without their endings, which Node alone cannot resolve.
    server: { deps: { inline: [/@tensorflow\//] } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ['default', './test/counting-reporter.ts'],
  },
});

import { resolve } from 'node:path';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';

// Every process of Sparrow is one bundle in out/main. TensorFlow.js is bundled, too: its module of gradients imports
// files without their endings, which only a bundler resolves.
export default defineConfig({
  main: {
    ssr: { resolve: { mainFields: ['module', 'main'] } },
    build: {
      externalizeDeps: {
        exclude: [
          '@tensorflow/tfjs-core',
          '@tensorflow/tfjs-backend-cpu',
          '@tensorflow/tfjs-backend-wasm',
          '@tensorflow/tfjs-backend-webgpu',
        ],
        include: ['playwright-core'],
      },
      rolldownOptions: {
        input: {
          sparrow: resolve('src/main/shells/cli/sparrow.ts'),
          electron: resolve('src/main/shells/electron/electron.ts'),
          'trainer-process': resolve('src/worker/trainer-process.ts'),
          'corpus-process': resolve('src/worker/corpus-process.ts'),
          'store-reader': resolve('src/main/store/reader-thread.ts'),
          'bench-store': resolve('bench/store.ts'),
          'bench-app': resolve('bench/app.ts'),
          screenshots: resolve('bench/screenshots.ts'),
          golden: resolve('test/golden/golden.ts'),
          bench: resolve('bench/bench.ts'),
          fidelity: resolve('bench/fidelity.ts'),
        },
        // Beside the entries, so that every module finds its neighbours by import.meta.dirname.
        output: { chunkFileNames: '[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      rolldownOptions: {
        input: { preload: resolve('src/preload/preload.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' }, // a sandboxed preload is one CommonJS file
      },
    },
  },
  renderer: {
    plugins: [vue()],
    base: './',
    build: {
      target: 'chrome120',
      minify: true,
      assetsInlineLimit: 0, // the page's policy allows no data in place of files
      modulePreload: { polyfill: false },
      rolldownOptions: { input: resolve('src/renderer/index.html') },
    },
  },
});

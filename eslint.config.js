import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';
import vueParser from 'vue-eslint-parser';

// The house plan's table "may import" (docs/architecture.md), room by room: what each room must NOT reach. A room's
// files name other rooms by relative paths only, so the rule reads the import specifiers.
const rooms = ['shared', 'system', 'worker', 'main', 'preload', 'renderer'];
const inner = ['corpus', 'engines', 'models', 'ops', 'optimizers', 'sparsity'];

/** Forbids imports that climb out of a room into one of the named folders. */
const folders = (names, message) => ({ regex: `^(\\.\\.?/)+(${names.join('|')})(/|\\.js$|$)`, message });
// Not those of src/worker/engines/native, which climb less.
const addonSources = { regex: '^(\\.\\./){3,}native(/|$)', message: 'The addon is loaded, not imported.' };
const builtins = { regex: '^node:', message: 'src/shared has no I/O: it is spoken by the page, too.' };
const electron = {
  regex: '^electron($|/)',
  allowTypeImports: true,
  message:
    "Requiring electron in plain Node starts its download; only the Electron shell and the preload may. Use 'import type'.",
};

function room(name, mayImport, ...more) {
  const forbidden = [...rooms, 'native'].filter((other) => other !== name && !mayImport.includes(other));
  const patterns = [
    folders(forbidden, `src/${name} may import only: ${mayImport.join(', ') || 'nothing of ours'}.`),
    ...more,
  ];
  return restrict([`src/${name}/**/*.{ts,vue}`], patterns);
}

function restrict(files, patterns, ignores = []) {
  return { files, ignores, rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] } };
}

/** Inside the trainer arrows point one way: trainer -> models -> ops -> sparsity. */
function layer(name, mayImport) {
  const forbidden = inner.filter((other) => other !== name && !mayImport.includes(other));
  return restrict(
    [`src/worker/${name}/**/*.ts`],
    [
      folders(['main', 'preload', 'renderer', 'trainer'], 'src/worker may import only: shared, system.'),
      addonSources,
      folders(forbidden, `src/worker/${name} may import only: shared, ${mayImport.join(', ')}.`),
      electron,
    ],
  );
}

export default defineConfig(
  globalIgnores(['out/', 'node_modules/', 'scripts/node-runtime/node_modules/']),
  js.configs.recommended,
  { files: ['**/*.vue'], extends: [vue.configs['flat/recommended']] },
  {
    files: ['**/*.ts', '**/*.vue'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off', // typed arrays and maps whose keys were just written
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: true, extraFileExtensions: ['.vue'] } } },
  {
    // A component's script is checked as any module; what is prettier's is left to it.
    files: ['**/*.vue'],
    languageOptions: {
      parser: vueParser,
      parserOptions: { parser: tseslint.parser, projectService: true, extraFileExtensions: ['.vue'] },
    },
    rules: {
      'no-undef': 'off', // the compiler knows
      // What one component is to another only vue-tsc can say.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/require-default-prop': 'off', // optional properties may be undefined
    },
  },
  {
    files: ['scripts/**/*.mjs', 'test/**/*.mjs', '*.js'],
    languageOptions: {
      globals: { process: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly', queueMicrotask: 'readonly' },
    },
  },
  { files: ['bench/in-page.mjs'], rules: { 'no-undef': 'off' } }, // the page's globals
  {
    files: ['src/shared/**/*.ts', 'src/worker/**/*.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        {
          object: 'Math',
          property: 'random',
          message: 'All randomness comes from (seed, purpose, counter): random/philox.',
        },
      ],
    },
  },
  room('shared', [], builtins, electron),
  // What workbench and trainer both need of Node, such as the lock that keeps them from working on the same thing.
  room('system', ['shared'], electron),
  room('worker', ['shared', 'system'], electron),
  room('main', ['shared', 'system'], electron),
  restrict(
    ['src/main/shells/electron*/**/*.ts', 'src/main/shells/electron*.ts'],
    [folders(['worker', 'renderer', 'preload', 'native'], 'src/main may import only: shared, system.')],
  ),
  room('preload', ['shared']),
  room('renderer', ['shared'], builtins, electron),
  layer('sparsity', ['random']),
  layer('ops', ['sparsity', 'random']),
  layer('models', ['ops', 'sparsity', 'random']),
  layer('optimizers', ['ops', 'sparsity', 'random']),
  layer('corpus', ['random']),
  layer('engines', ['ops', 'sparsity']),
);

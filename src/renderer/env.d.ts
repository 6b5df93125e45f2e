/// <reference types="vite/client" />

declare module '@fontsource-variable/inter/index.css';
declare module '@fontsource-variable/jetbrains-mono/index.css';

// For tools that do not know components, such as the linter; vue-tsc sees what they are.
declare module '*.vue' {
  import type { DefineComponent } from 'vue';
  const component: DefineComponent;
  export default component;
}

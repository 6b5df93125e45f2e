import './zod';
import '@fontsource-variable/inter/index.css';
import '@fontsource-variable/jetbrains-mono/index.css';
import './styles/tokens.css';
import './styles/base.css';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './App.vue';
import { openWorkbench } from './live/workbench';
import { makeRouter } from './router';
import { useNotices } from './stores/notices';

const app = createApp(App);
app.use(createPinia());
app.config.errorHandler = (error) => {
  console.error(error);
  useNotices().complain(error);
};
await openWorkbench(app);
app.use(makeRouter());
app.mount('#app');

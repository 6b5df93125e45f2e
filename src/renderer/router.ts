import { createRouter, createWebHashHistory, type Router } from 'vue-router';
import RunsPage from './pages/RunsPage.vue';

/**
 * Pages in the fragment of the address, so that neither shell needs to know them; those with charts are loaded when they are
 * first opened. Made only when the address is the page's own: the router reads it at once.
 */
export function makeRouter(): Router {
  const router = createRouter({ history: createWebHashHistory(), routes });
  router.afterEach((to) => {
    document.title = `${to.meta.title ?? 'Sparrow'} · Sparrow`;
  });
  return router;
}

const routes = [
  { path: '/', redirect: '/runs' },
  { path: '/runs', component: RunsPage, meta: { title: 'Runs' } },
  { path: '/runs/:id', component: () => import('./pages/RunPage.vue'), props: true, meta: { title: 'Run' } },
  { path: '/new', component: () => import('./pages/NewRunPage.vue'), meta: { title: 'New run' } },
  { path: '/compare', component: () => import('./pages/ComparePage.vue'), meta: { title: 'Compare' } },
  { path: '/sparsity', component: () => import('./pages/SparsityPage.vue'), meta: { title: 'Sparsity' } },
  { path: '/tables', component: () => import('./pages/TablesPage.vue'), meta: { title: 'Published tables' } },
  { path: '/corpora', component: () => import('./pages/CorporaPage.vue'), meta: { title: 'Corpora' } },
  { path: '/settings', component: () => import('./pages/SettingsPage.vue'), meta: { title: 'Settings' } },
  { path: '/:rest(.*)*', component: () => import('./pages/NotFoundPage.vue'), meta: { title: 'Not found' } },
];

declare module 'vue-router' {
  interface RouteMeta {
    title?: string;
  }
}

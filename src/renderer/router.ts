import { createRouter, createWebHashHistory } from 'vue-router';
import RunsPage from './pages/RunsPage.vue';

/** In the fragment, so that neither shell needs to know the pages. Pages with charts are loaded when they are first opened. */
export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    { path: '/', redirect: '/runs' },
    { path: '/runs', component: RunsPage, meta: { title: 'Runs' } },
    { path: '/runs/:id', component: () => import('./pages/RunPage.vue'), props: true, meta: { title: 'Run' } },
    { path: '/new', component: () => import('./pages/NewRunPage.vue'), meta: { title: 'New run' } },
    { path: '/compare', component: () => import('./pages/ComparePage.vue'), meta: { title: 'Compare' } },
    { path: '/sparsity', component: () => import('./pages/SparsityPage.vue'), meta: { title: 'Sparsity' } },
    { path: '/corpora', component: () => import('./pages/CorporaPage.vue'), meta: { title: 'Corpora' } },
    { path: '/settings', component: () => import('./pages/SettingsPage.vue'), meta: { title: 'Settings' } },
    { path: '/:rest(.*)*', component: () => import('./pages/NotFoundPage.vue'), meta: { title: 'Not found' } },
  ],
});

router.afterEach((to) => {
  document.title = `${to.meta.title ?? 'Sparrow'} · Sparrow`;
});

declare module 'vue-router' {
  interface RouteMeta {
    title?: string;
  }
}

import { inject, shallowRef, type App, type InjectionKey, type Ref } from 'vue';
import type { Client } from '../../shared/contract/client';
import { connect, type ConnectionState, type Platform } from '../connection/connect';

/** The workbench, as the page speaks with it. */
export interface Workbench {
  readonly client: Client;
  readonly link: Readonly<Ref<ConnectionState>>;
  readonly platform: Platform;
}

const key: InjectionKey<Workbench> = Symbol('workbench');

/**
 * Connects the page with the workbench, before anything else reads its address: a link's one-time token is taken out of it.
 * @returns once the address is the page's own
 */
export async function openWorkbench(app: App): Promise<void> {
  const hasToken = location.hash.startsWith('#token=');
  const { connection, platform } = connect();
  const link = shallowRef(connection.state);
  connection.onState((state) => (link.value = state));
  app.provide(key, { client: connection.client, link, platform });
  // Where it is refused the page says so; there is nothing else to do with the error.
  if (hasToken) await connection.connected().catch(() => undefined);
}

export function useWorkbench(): Workbench {
  const workbench = inject(key);
  if (workbench === undefined) throw new Error('the page was started without a workbench');
  return workbench;
}

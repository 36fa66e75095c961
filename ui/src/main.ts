import { mount } from 'svelte';

import type { Host } from './host/host';
import { App } from './state/app.svelte';
import { decodesVideo } from './video/codecs';
import Root from './view/Root.svelte';

import './style/tokens.css';
import './style/base.css';
import './style/controls.css';
import './style/tile.css';
import './style/stage.css';
import './style/needs.css';

/** The application around us; in a plain browser, a demonstration, which is no part of the application. */
async function host(): Promise<Host | null> {
  if ('__TAURI_INTERNALS__' in window) return new (await import('./host/tauri')).TauriHost();
  if (import.meta.env.MODE === 'production') return null;
  return new (await import('./host/demo')).DemoHost();
}

const found = await host();
if (found) {
  mount(Root, { target: document.body, props: { app: new App(found), host: found } });
  if (!(await decodesVideo())) found.command({ type: 'set-raw-pictures', on: true });
} else {
  document.body.textContent = 'Parlor runs in its own window. Open the application.';
}

import { createContext } from 'svelte';

import type { App } from '../state/app.svelte';
import type { Screens } from '../video/screens';

/** What every component may ask for. */
export interface Parts {
  app: App;
  screens: Screens;
}

export const [parts, provideParts] = createContext<Parts>();

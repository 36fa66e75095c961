import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig(({ mode }) => ({
  // The window loads its files from the application itself: every address is relative.
  base: './',
  plugins: [svelte()],
  build: {
    // The oldest web views that know light-dark(), container queries and popovers.
    target: ['safari18', 'chrome125'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { host: '127.0.0.1', port: 5173, strictPort: true },
  preview: { host: '127.0.0.1' },
  // Tests of components mount them: the browser's half of Svelte, not the server's.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  // On a busy machine a window takes its time to open.
  test: { include: ['src/**/*.test.ts'], testTimeout: 30_000 },
}));

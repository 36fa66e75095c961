// The window in tests of what it shows. They run in a document without layout, on fake timers.

import { flushSync, mount, unmount } from 'svelte';
import { vi } from 'vitest';

import type { Room, UiCommand, UiEvent } from '../generated/protocol';
import { App } from '../state/app.svelte';
import { room, snapshot } from '../state/fixtures';
import Root from './Root.svelte';

/** The whole window. Times are milliseconds since it was opened. */
export function open() {
  const commands: UiCommand[] = [];
  let send: (event: UiEvent) => void = () => {};
  const host = {
    attach: (onEvent: (event: UiEvent) => void) => {
      send = onEvent;
      return Promise.resolve();
    },
    command: (command: UiCommand) => {
      if (command.type !== 'tile-reports') commands.push(command);
    },
  };
  const root = mount(Root, { target: document.body, props: { app: new App(host), host } });
  flushSync();
  const start = performance.now();
  let version = 0;
  const now = () => performance.now() - start;
  return {
    /** What was asked for, the reports on pictures aside. */
    commands,
    now,
    /** A call with such a room is shown from now on. */
    show(more: Partial<Room>) {
      send({ type: 'snapshot', ...snapshot(++version, { now: now(), room: room(more) }) });
      flushSync();
    },
    /** Somebody is as loud as this, from 0 to 1. */
    hear(peer: string, level: number, speaking = true) {
      send({ type: 'levels', microphone: 0, speaks_muted: false, peers: [{ peer, level, speaking }] });
      flushSync();
    },
    /** Time passes to then. */
    at(milliseconds: number) {
      vi.advanceTimersByTime(milliseconds - now());
      flushSync();
    },
    close() {
      void unmount(root);
      flushSync();
    },
  };
}

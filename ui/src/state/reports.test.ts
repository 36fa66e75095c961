import { describe, expect, it } from 'vitest';

import type { Diagnostics, UiCommand, UiEvent } from '../generated/protocol';
import { App } from './app.svelte';
import { room, snapshot, tile } from './fixtures';
import { COPIED_HOLD } from './timings';

const report: Diagnostics = {
  version: '0.1.0',
  system: 'linux x86_64',
  now: 1000,
  log: null,
  addresses: false,
  room: null,
  facts: [{ name: 'Room', value: 'none' }],
};

function started() {
  const commands: UiCommand[] = [];
  const app = new App({ attach: () => Promise.resolve(), command: (command) => commands.push(command) });
  const call: UiEvent = { type: 'snapshot', ...snapshot(1, { room: room({ tiles: [tile('a7', 'connecting')] }) }) };
  app.receive(call, 0);
  return { app, commands };
}

describe('reports', () => {
  it('are asked for while they are shown, and not any longer', () => {
    const { app, commands } = started();
    app.watchDiagnostics(false);
    app.receive({ type: 'diagnostics', ...report }, 10);
    app.watchDiagnostics(true);
    expect(app.diagnostics?.facts).toEqual(report.facts);
    app.endDiagnostics();
    expect(commands).toEqual([
      { type: 'watch-diagnostics', on: true, addresses: false },
      { type: 'watch-diagnostics', on: true, addresses: true },
      { type: 'watch-diagnostics', on: false, addresses: false },
    ]);
    expect(app.diagnostics).toBeNull();
  });

  it('that were on their way when nobody looks any more are dropped', () => {
    const { app } = started();
    app.watchDiagnostics(true);
    app.endDiagnostics();
    app.receive({ type: 'diagnostics', ...report, addresses: true }, 10);
    expect(app.diagnostics).toBeNull();
  });

  it('say for a while that they were copied', () => {
    const { app } = started();
    app.receive({ type: 'notice', code: 'diagnostics-copied', tone: 'ok', text: 'Diagnostics copied', peer: null }, 100);
    expect([app.reportCopied, app.linkCopied]).toEqual([true, false]);
    app.tick(100 + COPIED_HOLD);
    expect(app.reportCopied).toBe(false);
  });

  it('take the place of the chat, which takes it back', () => {
    const { app } = started();
    app.chatOpen = true;
    app.diagnose('a7');
    expect([app.chatOpen, app.diagnosed]).toEqual([false, 'a7']);
    app.chatOpen = true;
    expect(app.diagnosed).toBe('a7');
  });

  it('end with the call', () => {
    const { app } = started();
    app.diagnose('a7');
    app.receive({ type: 'snapshot', ...snapshot(2, { screen: { name: 'ended', title: '', text: '', seconds: 1 } }) }, 10);
    expect(app.diagnosed).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';

import type { Snapshot, UiCommand, UiEvent } from '../generated/protocol';
import { App } from './app.svelte';
import { media, room, snapshot, tile } from './fixtures';

function app() {
  const commands: UiCommand[] = [];
  const made = new App({ attach: () => Promise.resolve(), command: (command) => commands.push(command) });
  return { app: made, commands };
}

const event = (shot: Snapshot): UiEvent => ({ type: 'snapshot', ...shot });
const lobby = (version: number) => snapshot(version, { screen: { name: 'lobby', link: null, busy: false, problem: null }, room: null });

describe('the state', () => {
  it('shows the newest snapshot', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1)), 0);
    state.receive(event(snapshot(2, { screen: { name: 'ended', title: 'a', text: 'b', seconds: 1 } })), 0);
    expect(state.snapshot?.screen.name).toBe('ended');
  });

  it('drops a snapshot that comes late', () => {
    const { app: state } = app();
    state.receive(event(snapshot(7)), 0);
    state.receive(event(lobby(6)), 0);
    state.receive(event(lobby(7)), 0);
    expect(state.snapshot?.screen.name).toBe('call');
  });

  it('keeps time on the scale of the backend', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1, { now: 60_000 })), 1000);
    expect(state.now).toBe(60_000);
    state.tick(1250);
    expect(state.now).toBe(60_250);
  });

  it('keeps the draft and the chat while the call goes on', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1)), 0);
    state.chatOpen = true;
    state.draft = 'half a sentence';
    state.receive(event(snapshot(2, { room: room({ tiles: [tile('Anna', 'disconnected')] }) })), 0);
    expect([state.chatOpen, state.draft]).toEqual([true, 'half a sentence']);
  });

  it('keeps the draft for coming back to the same room', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1)), 0);
    state.draft = 'half a sentence';
    state.receive(event(snapshot(2, { screen: { name: 'ended', title: 'a', text: 'b', seconds: 1 }, room: null })), 10);
    state.receive(event(lobby(3)), 20);
    state.receive(event(snapshot(4)), 30);
    expect(state.draft).toBe('half a sentence');
  });

  it('forgets the draft in another room', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1)), 0);
    state.draft = 'half a sentence';
    state.receive(event(lobby(2)), 10);
    state.receive(event(snapshot(3, { room: room({ link: 'parlor://host/other#key' }) })), 20);
    expect(state.draft).toBe('');
  });

  it('closes the settings when a link is offered', () => {
    const { app: state } = app();
    state.receive(event(lobby(1)), 0);
    state.page = 'settings';
    state.receive(event(lobby(2)), 10);
    expect(state.page).toBe('settings');
    const offered = { name: 'lobby', link: 'parlor://host/room#key', busy: false, problem: null } as const;
    state.receive(event(snapshot(3, { screen: offered, room: null })), 20);
    expect(state.page).toBeNull();
    state.page = 'settings';
    state.receive(event(snapshot(4, { screen: offered, room: null })), 30);
    expect(state.page).toBe('settings');
  });

  it('says that the link was copied once it was, for 2 s', () => {
    const { app: state, commands } = app();
    state.receive(event(snapshot(1)), 0);
    state.command({ type: 'copy-link' });
    expect([commands.length, state.linkCopied]).toEqual([1, false]);
    state.receive({ type: 'notice', code: 'link-copied', tone: 'ok', text: 'Room link copied', peer: null }, 500);
    state.tick(2499);
    expect(state.linkCopied).toBe(true);
    state.tick(2500);
    expect(state.linkCopied).toBe(false);
  });

  it('has the same sentence read out again', () => {
    const { app: state } = app();
    const said: string[] = [];
    let version = 0;
    const shown = (now: number, ...tiles: ReturnType<typeof tile>[]) => {
      state.receive(event(snapshot(++version, { now, room: room({ tiles }) })), now);
      said.push(state.said);
    };
    for (const start of [0, 10_000]) {
      shown(start, tile('Anna', 'new', { since: start }));
      shown(start + 1000, tile('Anna', 'connected', { since: start + 1000 }));
      shown(start + 2000, tile('Anna', 'connected', { since: start + 1000 }));
      shown(start + 3000);
    }
    const [first, second] = [said[2], said[6]];
    expect(first?.trim()).toBe('Anna connected');
    expect(second?.trim()).toBe('Anna connected');
    expect(second).not.toBe(first);
  });

  it('forgets the notices with the call', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1)), 0);
    state.receive({ type: 'notice', code: 'peer-left', tone: 'neutral', text: 'Anna left', peer: null }, 0);
    expect(state.notice?.text).toBe('Anna left');
    state.receive(event(lobby(2)), 10);
    expect(state.notice).toBeNull();
  });

  it('remembers who left', () => {
    const { app: state } = app();
    state.receive(event(snapshot(1, { room: room({ tiles: [tile('anna', 'connected', { name: 'Anna', hue: 18 })] }) })), 0);
    state.receive(event(snapshot(2)), 0);
    state.receive({ type: 'notice', code: 'peer-left', tone: 'neutral', text: 'Anna left', peer: 'anna' }, 0);
    expect(state.notice?.who).toEqual({ name: 'Anna', hue: 18 });
  });

  it('turns the microphone to the other side', () => {
    const { app: state, commands } = app();
    state.receive(event(snapshot(1)), 0);
    state.toggleMicrophone();
    state.toggleCamera();
    expect(commands).toEqual([
      { type: 'set-microphone', on: false },
      { type: 'set-camera', on: false },
    ]);
  });

  it('asks for nothing before the first snapshot', () => {
    const { app: state, commands } = app();
    state.toggleMicrophone();
    expect(commands).toEqual([]);
  });

  it('notices speech while muted, in a call only', () => {
    const { app: state } = app();
    const me = { peer: null, name: 'Me', hue: 0, media: { ...media, microphone: false }, picture: true };
    const loud: UiEvent = { type: 'levels', microphone: 0.8, speaks_muted: true, peers: [] };
    state.receive(event({ ...lobby(1), me }), 0);
    for (let now = 0; now < 2000; now += 100) state.receive(loud, now);
    expect(state.mutedSpeech).toBe(false);
    state.receive(event(snapshot(2, { me })), 2000);
    for (let now = 2000; now < 4000; now += 100) state.receive(loud, now);
    expect(state.mutedSpeech).toBe(true);
  });
});

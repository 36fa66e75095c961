// @vitest-environment happy-dom
// What the buttons of the banners ask for.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { tile } from '../../state/fixtures';
import { open } from '../fixtures';

let view: ReturnType<typeof open>;

beforeEach(() => {
  vi.useFakeTimers();
  view = open();
});

afterEach(() => {
  view.close();
  vi.useRealTimers();
});

const button = (banner: string) => document.querySelector<HTMLElement>(`[data-testid="${banner}"] button`);
const tiles = [tile('anna', 'disconnected'), tile('ben', 'connected'), tile('carla', 'disconnected')];

describe('the banner about one\'s own network', () => {
  it('has everybody who is away tried at once', () => {
    view.show({ tiles });
    view.at(1000);
    button('network-banner')?.click();
    expect(view.commands).toEqual([
      { type: 'reconnect', peer: 'anna' },
      { type: 'reconnect', peer: 'carla' },
    ]);
  });

  it('has the room server tried at once where that is away too', () => {
    view.show({ tiles: tiles.slice(2), signaling: { state: 'down', since: 0, next: 30_000 } });
    view.at(1000);
    button('network-banner')?.click();
    expect(view.commands).toEqual([{ type: 'reconnect', peer: 'carla' }, { type: 'reconnect-signaling' }]);
  });
});

describe('the banner about the room server', () => {
  it('has it tried at once', () => {
    view.show({ tiles: tiles.slice(1, 2), signaling: { state: 'down', since: 0, next: 30_000 } });
    view.at(4000);
    expect(document.querySelector('[data-testid="signaling-banner"] p')?.textContent).toMatch(/Next try in 26 s/);
    button('signaling-banner')?.click();
    expect(view.commands).toEqual([{ type: 'reconnect-signaling' }]);
  });
});

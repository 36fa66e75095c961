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

describe('the banner about the network', () => {
  it('blames one\'s own only where nothing else can be reached', () => {
    const words = () => document.querySelector('[data-testid="network-banner"] p')?.textContent;
    view.show({ tiles });
    view.at(1000);
    expect(words()).toBe('Some connections are interruptedAttempting to reconnect to 2 people...');
    view.show({ tiles: [tiles[0]!, tiles[2]!] });
    expect(words()).toMatch(/^Your network is interrupted/);
  });

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
  const words = () => document.querySelector('[data-testid="signaling-banner"] p')?.textContent;

  it('says that the call continues only while somebody in it can be reached', () => {
    const signaling = { state: 'down', since: 0, next: 30_000 } as const;
    view.show({ tiles: [tile('anna', 'failed'), tile('ben', 'connected')], signaling });
    view.at(4000);
    expect(words()).toMatch(/^Connection to the room server lost\. Your call continues;/);
    view.show({ tiles: [tile('anna', 'failed'), tile('ben', 'failed')], signaling });
    expect(words()).toMatch(/^Neither the room server nor anyone in the call can be reached\. Check your internet connection\. Next try in/);
    view.show({ tiles: [], signaling });
    expect(words()).toMatch(/Your call continues/);
  });

  it('has it tried at once', () => {
    view.show({ tiles: tiles.slice(1, 2), signaling: { state: 'down', since: 0, next: 30_000 } });
    view.at(4000);
    expect(words()).toMatch(/Next try in 26 s/);
    button('signaling-banner')?.click();
    expect(view.commands).toEqual([{ type: 'reconnect-signaling' }]);
  });
});

// @vitest-environment happy-dom
// Who is here, and how loud they are heard.

import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { PeerVolume } from '../../generated/protocol';
import { tile } from '../../state/fixtures';
import { open } from '../fixtures';

let view: ReturnType<typeof open>;

beforeEach(() => {
  vi.useFakeTimers();
  HTMLElement.prototype.showPopover ??= () => {};
  view = open();
});

afterEach(() => {
  view.close();
  vi.useRealTimers();
});

/** The list of people in a room with Anna and Ben. */
function list(volumes: PeerVolume[] = []) {
  view.show({ tiles: [tile('anna', 'connected', { name: 'Anna' }), tile('ben', 'connected', { name: 'Ben' })], volumes });
  document.querySelector<HTMLElement>('.people')?.click();
  flushSync();
}

const sliders = () => [...document.querySelectorAll<HTMLInputElement>('[data-testid="volume"]')];

describe('the volume of a person', () => {
  it('is theirs, and as they sound where nothing was chosen', () => {
    list([{ peer: 'ben', percent: 40 }]);
    expect(sliders().map(({ value }) => value)).toEqual(['100', '40']);
    expect(sliders().map((slider) => slider.getAttribute('aria-label'))).toEqual(["Anna's volume", "Ben's volume"]);
  });

  it('is asked for while the slider moves', () => {
    list();
    const [anna] = sliders();
    if (!anna) throw new Error('there is no slider');
    anna.value = '150';
    anna.dispatchEvent(new Event('input', { bubbles: true }));
    expect(view.commands).toContainEqual({ type: 'set-volume', peer: 'anna', percent: 150 });
  });
});

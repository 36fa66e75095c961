// @vitest-environment happy-dom
// A tile in the window, as somebody comes: what is shown at which moment.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { SessionState, Tile } from '../../generated/protocol';
import { tile } from '../../state/fixtures';
import { open } from '../fixtures';

let view: ReturnType<typeof withAnna>;

beforeEach(() => {
  vi.useFakeTimers();
  view = withAnna();
});

afterEach(() => {
  view.close();
  vi.useRealTimers();
});

/** The window, in a room with Anna. */
function withAnna() {
  const opened = open();
  let row: SessionState | null = null;
  let since = 0;
  const find = (selector: string) => document.querySelector<HTMLElement>(`[data-testid="tile"] ${selector}`);
  return {
    ...opened,
    /** Anna's tile is in this row from now on. */
    tell(next: SessionState, more: Partial<Tile> = {}) {
      if (next !== row) [row, since] = [next, opened.now()];
      opened.show({ tiles: [tile('anna', next, { name: 'Anna', since, ...more })] });
    },
    find,
    get spinner() {
      return find('.orbit') !== null;
    },
    get title() {
      return find('.placeholder-title')?.textContent ?? null;
    },
    /** The names of the tile's buttons, those of a connected one aside. */
    get buttons() {
      return [...document.querySelectorAll('[data-testid="tile"] .placeholder button')].map((button) => button.textContent.trim());
    },
  };
}

describe('the spinner of a tile that connects', () => {
  it('is not shown where connecting takes less than 300 ms', () => {
    view.tell('new');
    view.at(100);
    view.tell('connecting');
    view.at(299);
    expect(view.spinner).toBe(false);
    view.tell('connected');
    expect(view.title).toBeNull();
    view.at(2000);
    expect(view.spinner).toBe(false);
  });

  it('stays half a second once it was seen, over both states and past them', () => {
    view.tell('new');
    view.at(100);
    view.tell('connecting');
    view.at(299);
    expect(view.spinner).toBe(false);
    view.at(300);
    expect(view.spinner).toBe(true);
    view.at(350);
    view.tell('connected');
    for (const time of [350, 500, 799]) {
      view.at(time);
      expect([time, view.spinner, view.title, view.buttons]).toEqual([time, true, 'Connecting to peers...', []]);
      expect(view.find('.badge-ok')).toBeNull();
    }
    view.at(800);
    expect([view.spinner, view.title]).toEqual([false, null]);
    expect(view.find('.badge-ok')?.textContent).toBe('Connected');
  });

  it('goes at once where it has been seen for long enough', () => {
    view.tell('connecting');
    view.at(4000);
    expect(view.spinner).toBe(true);
    view.tell('connected');
    expect([view.spinner, view.title]).toEqual([false, null]);
  });

  it('gives way to the card at once when connecting fails', () => {
    view.tell('connecting');
    view.at(310);
    view.tell('failed', { remedy: 'retry', cause: 'connect-timeout' });
    expect(view.spinner).toBe(false);
    expect(view.find('.trouble')).not.toBeNull();
  });
});

describe('a tile that connects', () => {
  it('says that it is set up, and can be cancelled', () => {
    view.tell('new');
    expect([view.title, view.buttons]).toEqual(['Setting up connection...', ['Cancel']]);
    view.find('.placeholder button')?.click();
    expect(view.commands).toContainEqual({ type: 'dismiss', peer: 'anna' });
  });

  it('says that it connects, after 5 s why that may take long, after 10 s where to read more', () => {
    view.tell('connecting');
    const why = () => /your network may block direct calls/.test(view.find('.placeholder')?.textContent ?? '');
    view.at(4900);
    expect([view.title, why(), view.buttons]).toEqual(['Connecting to peers...', false, []]);
    view.at(5200);
    expect([why(), view.buttons]).toEqual([true, []]);
    view.at(9900);
    expect(view.buttons).toEqual([]);
    view.at(10_200);
    expect([why(), view.buttons]).toEqual([true, ['Details']]);
  });
});

describe('a tile that could not connect', () => {
  it('says which attempt is under way, and offers Retry and Dismiss', () => {
    view.tell('failed', { remedy: 'retry', cause: 'connect-timeout', attempt: 2 });
    expect(view.find('.again')?.textContent.trim()).toBe('Trying again (2)');
    for (const button of document.querySelectorAll<HTMLElement>('.trouble button')) button.click();
    expect(view.commands.map(({ type }) => type)).toEqual(['retry', 'copy-diagnostics', 'dismiss']);
  });
});

describe('a tile whose video is frozen', () => {
  it('says so over the picture, and no longer once it moves', () => {
    view.tell('connected');
    view.at(3000);
    view.tell('connected', { frozen: true });
    expect(view.find('.badge')?.textContent).toBe('Anna\'s video is frozen');
    expect(document.querySelector('[data-testid="tile"]')?.classList.contains('is-frozen')).toBe(true);
    view.tell('connected');
    expect(view.find('.badge')).toBeNull();
    expect(document.querySelector('[data-testid="tile"]')?.classList.contains('is-frozen')).toBe(false);
  });

  it('says that it reconnects instead, where that is the cause', () => {
    view.tell('connected');
    view.at(3000);
    view.tell('disconnected', { frozen: true });
    view.at(6000);
    expect(document.querySelector('[data-testid="tile"]')?.classList.contains('is-frozen')).toBe(false);
    expect(document.querySelector('[data-testid="tile"]')?.textContent).toMatch(/Attempting to reconnect/);
  });
});

describe('the tile of somebody who speaks', () => {
  const height = () => view.find('.bars')?.style.getPropertyValue('--loudness');

  it('has bars that follow the voice in steps', () => {
    view.tell('connected');
    expect(view.find('.bars')).toBeNull();
    view.hear('anna', 0.5);
    expect(height()).toBe('0.5');
    view.hear('anna', 0.51);
    expect(height()).toBe('0.5');
    view.hear('anna', 0.9);
    expect(Number(height())).toBeCloseTo(0.83);
    view.hear('anna', 0.9, false);
    expect(view.find('.bars')).toBeNull();
  });
});

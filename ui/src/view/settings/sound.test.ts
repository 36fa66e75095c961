// @vitest-environment happy-dom
// What is done to one's own sound: three switches, each its own.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { open } from '../fixtures';

let view: ReturnType<typeof open>;

beforeEach(() => {
  vi.useFakeTimers();
  view = open();
  view.show({});
  press('[data-testid="settings"]');
  press('[data-section="sound"]');
});

afterEach(() => {
  view.close();
  vi.useRealTimers();
});

function press(selector: string) {
  document.querySelector<HTMLElement>(selector)?.click();
  view.at(view.now());
}

const is = (testid: string) => document.querySelector(`[data-testid="${testid}"]`)?.getAttribute('aria-checked');

describe('the switches of sound', () => {
  it('show what is set', () => {
    expect(['echo-cancellation', 'noise-suppression', 'automatic-gain'].map(is)).toEqual(['true', 'true', 'true']);
  });

  it('ask each for its own', () => {
    press('[data-testid="echo-cancellation"]');
    press('[data-testid="noise-suppression"]');
    press('[data-testid="automatic-gain"]');
    expect(view.commands).toEqual([
      { type: 'set-echo-cancellation', on: false },
      { type: 'set-noise-suppression', on: false },
      { type: 'set-automatic-gain', on: false },
    ]);
  });
});

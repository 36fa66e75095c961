import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PATIENCE, Painter, type Paintable } from './painter';

describe('the painter', () => {
  let painted: string[];
  const named = (name: string): Paintable => ({ paint: () => painted.push(name) });

  beforeEach(() => {
    painted = [];
    vi.useFakeTimers();
    vi.stubGlobal('window', globalThis);
    vi.stubGlobal('requestAnimationFrame', (callback: () => void) => setTimeout(callback, 16));
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('paints with the next frame, each thing once', () => {
    const [painter, anna] = [new Painter(), named('anna')];
    painter.request(anna, false);
    painter.request(anna, false);
    vi.advanceTimersByTime(16);
    expect(painted).toEqual(['anna']);
    vi.advanceTimersByTime(1000);
    expect(painted).toEqual(['anna']);
  });

  it('paints what is patient together with what is not', () => {
    const painter = new Painter();
    painter.request(named('self'), true);
    vi.advanceTimersByTime(PATIENCE - 1);
    expect(painted).toEqual([]);
    painter.request(named('anna'), false);
    vi.advanceTimersByTime(16);
    expect(painted).toEqual(['self', 'anna']);
  });

  it('paints what is patient alone when nothing else comes', () => {
    const painter = new Painter();
    painter.request(named('self'), true);
    vi.advanceTimersByTime(PATIENCE + 16);
    expect(painted).toEqual(['self']);
  });

  it('starts the wait anew after each painting', () => {
    const painter = new Painter();
    painter.request(named('self'), true);
    painter.request(named('anna'), false);
    vi.advanceTimersByTime(16);
    painter.request(named('self'), true);
    vi.advanceTimersByTime(PATIENCE - 1);
    expect(painted).toEqual(['self', 'anna']);
  });

  it('paints the others when one cannot be painted', () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const painter = new Painter();
    painter.request({ paint: () => { throw new Error('broken'); } }, false);
    painter.request(named('anna'), false);
    vi.advanceTimersByTime(16);
    expect(painted).toEqual(['anna']);
    vi.advanceTimersByTime(1000);
    expect(painted).toEqual(['anna']);
  });

  it('does not paint what is gone', () => {
    const [painter, anna] = [new Painter(), named('anna')];
    painter.request(anna, false);
    painter.forget(anna);
    vi.advanceTimersByTime(16);
    expect(painted).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest';

/** What was asked for and not answered yet. */
const asked: { command: string; arguments: unknown; answer: (with_: unknown) => void; refuse: (error: unknown) => void }[] = [];

vi.mock('@tauri-apps/api/core', () => ({
  Channel: class {},
  invoke: (command: string, given: unknown) =>
    new Promise((answer, refuse) => asked.push({ command, arguments: given, answer, refuse })),
}));

const { TauriHost } = await import('./tauri');

const message = (byte: number, length = 2000) => new Uint8Array(length).fill(byte).buffer;
const settled = () => new Promise((resolve) => setTimeout(resolve));

async function answer(with_: unknown): Promise<void> {
  asked.shift()?.answer(with_);
  await settled();
}

describe('pictures in the application', () => {
  let taken: number[];
  const take = (got: ArrayBuffer) => void taken.push(new Uint8Array(got)[0] ?? -1);

  beforeEach(async () => {
    taken = [];
    asked.length = 0;
    void new TauriHost().attach(() => undefined, (got) => take(got));
    await answer(3);
  });

  afterEach(() => vi.restoreAllMocks());

  it('are asked for one message after the other, with the number of the page and their own', async () => {
    expect(asked).toMatchObject([{ command: 'pictures', arguments: { page: 3, number: 1 } }]);
    await answer(message(7));
    expect([taken, asked.length]).toEqual([[7], 1]);
    await answer(message(8));
    expect([taken, asked.length]).toEqual([[7, 8], 1]);
    expect(asked[0]?.arguments).toEqual({ page: 3, number: 3 });
  });

  it('are not asked for any more when another page is served', async () => {
    await answer(new ArrayBuffer());
    expect([taken, asked.length]).toEqual([[], 0]);
  });

  it('come as numbers too', async () => {
    await answer([9, 9]);
    expect([taken, asked.length]).toEqual([[9], 1]);
  });

  it('go on after a message that could not be taken', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    vi.spyOn(taken, 'push').mockImplementationOnce(() => {
      throw new Error('broken');
    });
    await answer(message(1));
    await answer(message(2));
    expect([taken, asked.length, said.mock.calls.length]).toEqual([[2], 1, 1]);
  });

  describe('that are refused', () => {
    let said: MockInstance;

    beforeEach(() => {
      vi.useFakeTimers();
      said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    });

    afterEach(() => vi.useRealTimers());

    /** Refuses, and waits for so long: whether it was asked again. */
    async function refused(wait: number): Promise<boolean> {
      asked.shift()?.refuse(new Error('not now'));
      await vi.advanceTimersByTimeAsync(wait);
      return asked.length > 0;
    }

    it('are asked for again after a moment that grows to a second, with the same number, and said once', async () => {
      for (const wait of [50, 100, 200, 400, 800, 1000, 1000, 1000]) {
        expect(await refused(wait - 1)).toBe(false);
        await vi.advanceTimersByTimeAsync(1);
        expect(asked).toMatchObject([{ command: 'pictures', arguments: { page: 3, number: 1 } }]);
      }
      expect(said.mock.calls.length).toBe(1);
    });

    it('come again, and the next trouble begins anew', async () => {
      expect(await refused(50)).toBe(true);
      asked.shift()?.answer(message(5));
      await vi.advanceTimersByTimeAsync(0);
      expect([taken, asked[0]?.arguments]).toEqual([[5], { page: 3, number: 2 }]);
      expect(await refused(50)).toBe(true);
      expect([asked[0]?.arguments, said.mock.calls.length]).toEqual([{ page: 3, number: 2 }, 2]);
    });

    it('are not asked for any more once another page is served', async () => {
      expect(await refused(50)).toBe(true);
      asked.shift()?.answer(new ArrayBuffer());
      await vi.advanceTimersByTimeAsync(5000);
      expect(asked).toEqual([]);
    });
  });
});

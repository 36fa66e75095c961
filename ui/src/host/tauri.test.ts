import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

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

  it('are asked for one message after the other, with the number of the page', async () => {
    expect(asked).toMatchObject([{ command: 'pictures', arguments: { page: 3 } }]);
    await answer(message(7));
    expect([taken, asked.length]).toEqual([[7], 1]);
    await answer(message(8));
    expect([taken, asked.length]).toEqual([[7, 8], 1]);
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

  it('end where the application refuses', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    asked.shift()?.refuse(new Error('closed'));
    await settled();
    expect([asked.length, said.mock.calls.length]).toEqual([0, 1]);
  });
});

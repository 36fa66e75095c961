import { Channel, invoke } from '@tauri-apps/api/core';

import type { UiCommand, UiEvent } from '../generated/protocol';
import type { Host } from './host';

/** The application around this window. */
export class TauriHost implements Host {
  async attach(onEvent: (event: UiEvent) => void, onFrames: (message: ArrayBuffer) => void): Promise<void> {
    const events = new Channel<UiEvent>(onEvent);
    const page = await invoke<number>('attach', { events });
    void pull(page, onFrames);
  }

  command(command: UiCommand): void {
    invoke('command', { command }).catch((error: unknown) => console.error(`${command.type} was refused`, error));
  }
}

/** Waits before a refused request is made again, in milliseconds: doubled from the first to the last. */
const FIRST_RETRY = 50;
const LAST_RETRY = 1000;

/**
 * Asks for messages of frames, one after the other, until another page takes this one's place. Each request has the next number, so
 * that the other side notices where an answer did not arrive.
 */
async function pull(page: number, onFrames: (message: ArrayBuffer) => void): Promise<void> {
  let number = 1;
  let message = await ask(page, number);
  while (message.byteLength > 0) {
    // Asked first: the next one comes while this one is looked at.
    const asked = ask(page, ++number);
    take(message, onFrames);
    message = await asked;
  }
}

/** One message. A request that is refused is made again with its own number, and said once. */
async function ask(page: number, number: number): Promise<ArrayBuffer> {
  for (let wait = FIRST_RETRY; ; wait = Math.min(2 * wait, LAST_RETRY)) {
    try {
      return bytes(await invoke<ArrayBuffer | number[]>('pictures', { page, number }));
    } catch (error) {
      if (wait === FIRST_RETRY) console.error('pictures were refused, and are asked for again', error);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function take(message: ArrayBuffer, onFrames: (message: ArrayBuffer) => void): void {
  try {
    onFrames(message);
  } catch (error) {
    console.error('pictures could not be taken', error);
  }
}

/** Where its own way for requests does not work, Tauri hands short messages over as a list of numbers. */
function bytes(message: ArrayBuffer | number[]): ArrayBuffer {
  return Array.isArray(message) ? Uint8Array.from(message).buffer : message;
}

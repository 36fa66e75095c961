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

/** Asks for messages of frames, one after the other, until another page takes this one's place. */
async function pull(page: number, onFrames: (message: ArrayBuffer) => void): Promise<void> {
  const next = () => invoke<ArrayBuffer | number[]>('pictures', { page }).then(bytes);
  try {
    let message = await next();
    while (message.byteLength > 0) {
      // Asked first: the next one comes while this one is looked at.
      const asked = next();
      take(message, onFrames);
      message = await asked;
    }
  } catch (error) {
    console.error('no more pictures come', error);
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

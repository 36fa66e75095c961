import { Channel, invoke } from '@tauri-apps/api/core';

import type { UiCommand, UiEvent } from '../generated/protocol';
import type { Host } from './host';

/** The application around this window. */
export class TauriHost implements Host {
  async attach(onEvent: (event: UiEvent) => void, onFrames: (message: ArrayBuffer) => void): Promise<void> {
    const events = new Channel<UiEvent>(onEvent);
    const frames = new Channel<ArrayBuffer | number[]>((message) => onFrames(bytes(message)));
    await invoke('attach', { events, frames });
  }

  command(command: UiCommand): void {
    invoke('command', { command }).catch((error: unknown) => console.error(`${command.type} was refused`, error));
  }
}

/** Tauri hands short raw messages over as a list of numbers. */
function bytes(message: ArrayBuffer | number[]): ArrayBuffer {
  return Array.isArray(message) ? Uint8Array.from(message).buffer : message;
}

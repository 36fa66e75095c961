import type { UiCommand, UiEvent } from '../generated/protocol';

/** What the window runs in: the application, or a demonstration in a plain browser. */
export interface Host {
  /** Starts the flow of events and frames; a snapshot comes at once. */
  attach(onEvent: (event: UiEvent) => void, onFrames: (message: ArrayBuffer) => void): Promise<void>;
  /** Asks for something. What came of it is in a later snapshot. */
  command(command: UiCommand): void;
}

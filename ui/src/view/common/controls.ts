// What the microphone and camera buttons are called: the state first, then what a press does.

import type { DeviceProblem } from '../../generated/protocol';

/** `Microphone is off. Unmute (Ctrl+D)` */
export function microphoneName(on: boolean, ...troubles: (string | undefined)[]): string {
  return on ? `Microphone is on.${said(troubles)} Mute (Ctrl+D)` : `Microphone is off.${said(troubles)} Unmute (Ctrl+D)`;
}

/** `Camera is on. Turn off (Ctrl+E)` */
export function cameraName(on: boolean, ...troubles: (string | undefined)[]): string {
  return on ? `Camera is on.${said(troubles)} Turn off (Ctrl+E)` : `Camera is off.${said(troubles)} Turn on (Ctrl+E)`;
}

/** A button's name, and below it what to do about troubles: the pickers that tell it may have no room. */
export function hint(name: string, ...troubles: (DeviceProblem | null)[]): string {
  return [name, ...troubles.flatMap((trouble) => trouble?.text ?? [])].join('\n');
}

function said(troubles: readonly (string | undefined)[]): string {
  return troubles.map((trouble) => (trouble ? ` ${trouble}.` : '')).join('');
}

// What the microphone and camera buttons are called: the state first, then what a press does.

/** `Microphone is off. Unmute (Ctrl+D)` */
export function microphoneName(on: boolean, trouble?: string): string {
  return on ? `Microphone is on.${said(trouble)} Mute (Ctrl+D)` : 'Microphone is off. Unmute (Ctrl+D)';
}

/** `Camera is on. Stop video (Ctrl+E)` */
export function cameraName(on: boolean, trouble?: string): string {
  return on ? `Camera is on.${said(trouble)} Stop video (Ctrl+E)` : 'Camera is off. Start video (Ctrl+E)';
}

function said(trouble: string | undefined): string {
  return trouble ? ` ${trouble}.` : '';
}

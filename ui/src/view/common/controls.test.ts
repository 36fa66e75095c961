import { describe, expect, it } from 'vitest';

import { cameraName, hint, microphoneName } from './controls';

describe('the buttons of microphone and camera', () => {
  it('say the state first, then what a press does', () => {
    expect(microphoneName(true)).toBe('Microphone is on. Mute (Ctrl+D)');
    expect(microphoneName(false)).toBe('Microphone is off. Unmute (Ctrl+D)');
    expect(cameraName(true)).toBe('Camera is on. Turn off (Ctrl+E)');
    expect(cameraName(false)).toBe('Camera is off. Turn on (Ctrl+E)');
  });

  it('say what is wrong', () => {
    expect(microphoneName(true, undefined, 'No speaker found')).toBe('Microphone is on. No speaker found. Mute (Ctrl+D)');
    expect(cameraName(true, 'No camera found')).toBe('Camera is on. No camera found. Turn off (Ctrl+E)');
  });

  it('say what to do about it in their hint', () => {
    const problem = { code: 'missing', title: 'No camera found', text: 'Plug one in.' } as const;
    expect(hint('Camera', problem, null)).toBe('Camera\nPlug one in.');
  });
});

import type { DeviceKind, DeviceTrouble } from '../../generated/protocol';
import type { IconName } from './icons';

interface Words {
  label: string;
  icon: IconName;
  /** There is none to choose. */
  none: string;
}

/** What the kinds of device are called. */
export const devices: Record<DeviceKind, Words> = {
  camera: { label: 'Camera', icon: 'cam', none: 'No camera' },
  microphone: { label: 'Microphone', icon: 'mic', none: 'No microphone' },
  speaker: { label: 'Speaker', icon: 'speaker', none: 'No speaker' },
};

/** Kinds of trouble are told apart at a glance. */
export const troubleIcons: Record<DeviceTrouble, IconName> = {
  busy: 'busy',
  denied: 'lock',
  failed: 'plug',
  missing: 'search-off',
  silent: 'mic-off',
  unplugged: 'unplug',
};

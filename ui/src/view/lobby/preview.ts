import type { Me, Picker } from '../../generated/protocol';

/** The camera's trouble takes the preview's place; one that was unplugged is told beside its picker, where the new one is named. */
export function inPreview(me: Me, camera: Picker): boolean {
  return me.media.camera && camera.problem !== null && !(camera.problem.code === 'unplugged' && me.picture);
}

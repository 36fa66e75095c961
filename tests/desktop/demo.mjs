// Two windows in one call on this machine, with synthetic cameras and microphones; a picture of each in target/demo.
// On a screen the windows stay until they are closed or this is interrupted; without one it ends by itself.

import { join } from 'node:path';

import { alive, eventually, target } from './support/process.mjs';
import { looks, portrait } from './support/portrait.mjs';
import { Screen, Server, scratch } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const hasScreen = Boolean(process.env.DISPLAY);
const folder = join(target, 'demo');
const films = scratch();
const people = [person('anna', 'Anna', 330), person('ben', 'Ben', 440)];

/** Somebody with a drawn face and a tone for a voice. */
function person(name, name_in_lobby, hertz) {
  const film = join(films, `${name}.y4m`);
  portrait(film, looks[name]);
  return { name, name_in_lobby, env: { PARLOR_CAMERA: `file:${film}`, PARLOR_MICROPHONE: `tone:${hertz}`, PARLOR_SPEAKER: 'none' } };
}

const open = [];
async function end(status) {
  for (const part of open.splice(0).reverse()) await part.stop().catch((error) => console.error(error.message));
  process.exit(status);
}
process.on('SIGINT', () => end(0));
process.on('SIGTERM', () => end(0));

try {
  const screen = hasScreen ? { display: process.env.DISPLAY } : await Screen.start();
  if (!hasScreen) open.push(screen);
  const server = await Server.start();
  open.push(server);
  const link = server.link('demo');
  const windows = [];
  for (const person of people) {
    const window = await Window.start({ screen, ...person });
    open.push(window);
    windows.push(window);
    await window.join(link);
    await window.see('leave');
  }
  await Promise.all(windows.map((window) => window.tilesAre(1, 'connected')));
  await Promise.all(windows.map((window) => window.moves('tile')));
  // The badge that says "Connected" is for the moment after; the picture is of the call.
  const badges = `return document.querySelectorAll('.badge-fades').length`;
  for (const window of windows) await eventually('the badge is gone', async () => (await window.page.script(badges)) === 0);
  for (const window of windows) {
    await window.shot(window.name, folder);
    console.log(`${window.name}: in the call; ${join(folder, `${window.name}.png`)}`);
  }
  if (hasScreen) {
    console.log('Close a window or press Ctrl+C to end.');
    await eventually('a window is closed', () => windows.some((window) => !alive(window.pid)), { within: Infinity, every: 500 });
  }
  await end(0);
} catch (error) {
  console.error(error.message);
  await end(1);
}

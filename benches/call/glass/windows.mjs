// Two windows side by side, each on a host of its own; the first one's reading of the film is watched.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { chromiumPath } from '../../../tests/browser/harness/chromium.mjs';
import { eventually } from '../../../tests/desktop/support/process.mjs';
import { Window } from '../../../tests/desktop/support/window.mjs';
import { Page } from '../../support/chromium.mjs';
import { BOXES } from '../../support/parlor.mjs';

const HOSTS = ['a', 'b'];
/** A room of its own for each call: those of one before may still be in it. */
let rooms = 0;

/** Sides have `pid`, `boxes()`, where the pictures are in the page, and `mark(on)`, which marks the page's corner. */
export async function parlorWindows({ network, screen, film, window: size, clock }) {
  const windows = [];
  const close = async () => {
    for (const window of windows) await window.stop();
  };
  try {
    for (const [n, host] of HOSTS.entries()) {
      const env = { PARLOR_CAMERA: `file:${film}`, PARLOR_MICROPHONE: 'tone:440', PARLOR_SPEAKER: 'none', PARLOR_BIND: undefined, ...(n === 0 && clock.env) };
      const name = `glass-${host}`;
      windows.push(await Window.start({ name, screen, env, network: seenFrom(network, host), name_in_lobby: name }));
      await windows[n].page.place(n * size.width, 0, size.width, size.height);
    }
    const link = network.link(`glass-${++rooms}`);
    for (const window of windows) {
      await window.join(link);
      await window.see('leave');
    }
    for (const window of windows) {
      await window.tilesAre(1, 'connected');
      await eventually('a window paints', async () => Number((await window.tiles())[0]?.fps ?? 0) > 0);
    }
    const sides = windows.map(({ pid, page }) => ({ pid, boxes: () => page.script(BOXES), mark: (on) => page.script(MARK, on) }));
    return { sides, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A network in which the window is on this host. */
function seenFrom(network, host) {
  return { program: (_, ...rest) => network.program(host, ...rest), forward: (port) => network.forward(port, host) };
}

/** @param boxes  how large pictures are to be */
export async function chromiumWindows({ network, screen, film, picture, window: size, folder, clock, boxes }) {
  const pages = [];
  const close = async () => {
    for (const page of pages) await page.close();
  };
  try {
    for (const [n, host] of HOSTS.entries()) {
      const namespace = network.world.namespace(host);
      // `exec` keeps the process, and with it the pipe that it is steered through.
      const executable = join(folder, `chromium-${namespace}`);
      writeFileSync(executable, `#!/bin/sh\nexec ip netns exec ${namespace} ${chromiumPath()} "$@"\n`, { mode: 0o755 });
      pages.push(await Page.open({ display: screen.display, film, at: n * size.width, size, boxes, picture, executable, env: n === 0 ? clock.env : {} }));
    }
    const [one, other] = pages;
    await one.connect(other, 0);
    for (const page of pages) await page.ready();
    const sides = pages.map((page) => ({ pid: page.pid, boxes: () => page.page.evaluate(`(() => {${CHROMIUM_BOXES}})()`), mark: (on) => page.page.evaluate(([body, value]) => new Function(body)(value), [MARK, on]) }));
    return { sides, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const MARK = `
  document.querySelector('#corner')?.remove();
  if (!arguments[0]) return;
  const corner = document.createElement('i');
  corner.id = 'corner';
  Object.assign(corner.style, { position: 'fixed', inset: '0 auto auto 0', width: '8px', height: '8px', background: '#ff00ff', zIndex: 1000 });
  document.body.append(corner);
`;

const CHROMIUM_BOXES = `
  const box = (selector) => {
    const { left, top, width, height } = document.querySelector(selector).getBoundingClientRect();
    return { left, top, width, height };
  };
  return { far: box('.far'), near: box('#near') };
`;

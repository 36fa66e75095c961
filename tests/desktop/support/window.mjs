// One window of the app under its own driver, as a person meets it: by what it shows and what can be pressed.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Program, alive, binary, descendant, eventually, freePort, target } from './process.mjs';
import { scratch } from './rig.mjs';
import { WebDriver } from './webdriver.mjs';

const id = (name) => `[data-testid="${name}"]`;

/** Devices that need no hardware. The picture is small: two windows, their encoders and a screen share few cores. */
export const synthetic = { PARLOR_CAMERA: 'pattern:320x180@15', PARLOR_MICROPHONE: 'tone:440', PARLOR_SPEAKER: 'none' };

export class Window {
  /**
   * Starts the app. `home` keeps its data, so that a second start finds it again; `env` adds devices.
   * Nothing of the machine's own session reaches it. With a `network` it runs on a host of that.
   */
  static async start({ name, screen, home = scratch(), env = synthetic, args = [], name_in_lobby, network } = {}) {
    const window = new Window();
    Object.assign(window, { name, home, screen });
    const [port, native] = [await freePort(), await freePort()];
    const driver = [join(target, 'tools/bin/tauri-driver'), ['--port', `${port}`, '--native-port', `${native}`]];
    const options = { log: join(target, `test/${name}.log`), env: windowEnv({ screen, home, env }) };
    window.driver = network ? network.program('a', ...driver, options) : new Program(...driver, options);
    const address = `http://127.0.0.1:${network ? await network.forward(port) : port}`;
    await eventually('the driver listens', () => fetch(`${address}/status`).then((response) => response.ok));
    window.page = await WebDriver.start(address, binary('parlor'), args);
    window.pid = descendant(window.driver.pid, 'parlor');
    await window.see('lobby-start');
    if (name_in_lobby) await window.write('lobby-name', name_in_lobby);
    return window;
  }

  /** The profile's folder. */
  get folder() {
    return profileFolder(this.home);
  }

  /** Waits until something with this test id can be seen. */
  see(testId, options) {
    return eventually(`${this.name} shows ${testId}`, () => this.page.script(VISIBLE, id(testId)), options);
  }

  /** Waits until nothing with this test id can be seen. */
  lose(testId, options) {
    return eventually(`${this.name} shows no ${testId}`, async () => !(await this.page.script(VISIBLE, id(testId))), options);
  }

  async press(testId) {
    await this.see(testId);
    await this.page.click(id(testId));
  }

  /** Replaces what a field holds. */
  async write(testId, text) {
    await this.see(testId);
    await this.page.clear(id(testId));
    await this.page.type(id(testId), text);
  }

  /** The name of a button, which says its state: "Camera is off. Start video (Ctrl+E)". */
  label(testId) {
    return this.page.script(`return document.querySelector('${id(testId)}')?.getAttribute('aria-label')`);
  }

  /** Waits until the name of a button matches. */
  labelled(testId, pattern, options) {
    return eventually(`${this.name}'s ${testId} says ${pattern}`, async () => (await this.label(testId))?.match(pattern), options);
  }

  /** Gives the page this size, in pixels. */
  async resize(width, height) {
    await this.page.place(0, 0, width, height);
    await eventually(`${this.name} is ${width} × ${height}`, () => this.page.script(`return innerWidth === ${width} && innerHeight === ${height}`));
  }

  /** Waits until the text of the page, as it is read, matches. */
  read(pattern, options) {
    return eventually(`${this.name} says ${pattern}`, async () => (await this.text()).match(pattern), options);
  }

  text() {
    return this.page.script('return document.body.innerText');
  }

  /** The attributes of every tile. */
  tiles() {
    return this.page.script(`return [...document.querySelectorAll('${id('tile')}')].map((tile) => ({ ...tile.dataset }))`);
  }

  /** Waits until every tile is in this state, and there are so many. */
  tilesAre(count, state, options) {
    return eventually(`${this.name} has ${count} tiles that are ${state}`, async () => {
      const tiles = await this.tiles();
      return tiles.length === count && tiles.every((tile) => tile.state === state) && tiles;
    }, options);
  }

  /** Waits until the picture under a test id moves: its pixels are neither empty nor the same twice. */
  moves(testId, options) {
    let before;
    return eventually(`the picture in ${this.name}'s ${testId} moves`, async () => {
      const pixels = await this.page.script(PIXELS, id(testId));
      const moved = Boolean(before && pixels && pixels !== before);
      before = pixels ?? before;
      return moved;
    }, { every: 150, ...options });
  }

  /** Has the page note from now on what the tiles look like and when it changes; see [`story`]. */
  note() {
    return this.page.script(NOTE);
  }

  /**
   * What was noted: for each change and each press of a button the time in milliseconds, the name of the button (null for a
   * change), and of each tile its state, its text and the attempt that it names (0 for none).
   */
  story() {
    return this.page.script('return window.story');
  }

  /** Starts a room and gives its link. */
  async startRoom() {
    await this.press('lobby-start');
    await this.see('leave');
    return this.link();
  }

  /** The link that the room shows. */
  link() {
    return eventually(`${this.name} shows the link`, async () => (await this.page.script(LINK))?.match(/parlor:\/\/\S+#[\w-]{22}/)?.[0]);
  }

  /** Joins with a link that is pasted into the lobby. */
  async join(link) {
    await this.write('lobby-link', link);
    await this.press('lobby-join');
  }

  /** A picture of the window for people, in target/states, once nothing fades in or out any more. */
  async shot(name, folder = join(target, 'states')) {
    mkdirSync(folder, { recursive: true });
    await eventually(`${this.name} stands still`, () => this.page.script(SETTLED));
    // The driver waits for the next picture that the page draws, and a page that stands still draws none.
    await this.page.script(STIR);
    writeFileSync(join(folder, `${name}.png`), await this.page.screenshot());
    await this.page.script(STILL);
  }

  /** Presses the close button of its frame. */
  close() {
    execFileSync(join(target, 'rig/close'), [`${this.pid}`], { env: { DISPLAY: this.screen.display }, stdio: 'inherit' });
  }

  /** Lets the process end by itself, as a signal of the system asks it to. */
  async terminate(signal = 'SIGTERM') {
    process.kill(this.pid, signal);
    await eventually(`${this.name} has ended`, () => !alive(this.pid), { within: 5000 });
  }

  async stop() {
    // A window that has ended by itself has no session left to end.
    if (this.pid && alive(this.pid)) await this.page?.stop().catch(() => {});
    await this.driver.stop();
    const log = join(this.folder, 'parlor.log');
    if (existsSync(log)) copyFileSync(log, join(target, `test/${this.name}-app.log`));
  }
}

/** The environment of an app: its own home, its own screen, 127.0.0.1 for everything, and no message bus. */
export function windowEnv({ screen, home, env }) {
  const { PATH, LANG, XAUTHORITY } = process.env;
  return {
    PATH, LANG: LANG ?? 'C.UTF-8', HOME: home, XDG_DATA_HOME: join(home, 'data'), XDG_RUNTIME_DIR: home,
    DISPLAY: screen.display, ...(XAUTHORITY && { XAUTHORITY }), GDK_BACKEND: 'x11', NO_AT_BRIDGE: '1', PARLOR_BIND: '127.0.0.1',
    DBUS_SESSION_BUS_ADDRESS: 'disabled:', ...env,
  };
}

/** Where the default profile of an app with this home keeps everything. */
export function profileFolder(home) {
  return join(home, 'data/parlor/profiles/default');
}

const VISIBLE = `
  const element = document.querySelector(arguments[0]);
  if (!element) return false;
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility === 'visible';
`;

const SETTLED = `
  const ends = (animation) => animation.effect.getComputedTiming().endTime !== Infinity;
  return !document.getAnimations().some((animation) => animation.playState === 'running' && ends(animation));
`;

const STIR = `
  const speck = document.createElement('i');
  speck.id = 'speck';
  Object.assign(speck.style, { position: 'fixed', inset: '0 auto auto 0', width: '1px', height: '1px', background: 'gray', pointerEvents: 'none' });
  document.body.append(speck);
  speck.animate([{ opacity: 0 }, { opacity: 0.05 }], { duration: 100, iterations: Infinity });
`;
const STILL = `document.getElementById('speck').remove()`;

const PIXELS = `
  const canvas = document.querySelector(arguments[0])?.querySelector('canvas');
  if (!canvas?.width) return null;
  const small = document.createElement('canvas');
  [small.width, small.height] = [32, 18];
  const context = small.getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0, 32, 18);
  const data = context.getImageData(0, 0, 32, 18).data;
  const light = data.some((value, at) => at % 4 < 3 && value > 16);
  return light ? Array.from(data).join() : null;
`;

const NOTE = `
  window.story = [];
  const text = (tile) => tile.innerText.replace(/\\s+/g, ' ').trim();
  const look = (tile) => ({ peer: tile.dataset.peer, state: tile.dataset.state, text: text(tile), attempt: Number(/(?:Attempt |Trying again \\()(\\d+)/.exec(text(tile))?.[1] ?? 0) });
  const note = (pressed) => {
    const tiles = [...document.querySelectorAll('[data-testid="tile"]')].map(look);
    const last = window.story.at(-1);
    if (pressed !== null || JSON.stringify(last?.tiles) !== JSON.stringify(tiles)) window.story.push({ at: performance.now(), pressed, tiles });
  };
  note(null);
  const changes = { childList: true, subtree: true, characterData: true, attributeFilter: ['data-state'] };
  new MutationObserver(() => note(null)).observe(document.body, changes);
  document.addEventListener('click', ({ target }) => note(target.closest('button')?.innerText.trim() ?? ''), true);
`;

const LINK = `
  const texts = [document.body.innerText, ...[...document.querySelectorAll('input')].map((input) => input.value)];
  return texts.find((text) => text.includes('parlor://')) ?? null;
`;

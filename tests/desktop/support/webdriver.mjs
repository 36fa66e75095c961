// The part of WebDriver (https://www.w3.org/TR/webdriver2/) that the tests need, over fetch.

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

export class WebDriver {
  #base;

  constructor(base) {
    this.#base = base;
  }

  /** Starts a program under a driver that listens at `address`. */
  static async start(address, application, args) {
    const capabilities = { alwaysMatch: { 'tauri:options': { application, args } } };
    const { sessionId } = await request('POST', `${address}/session`, { capabilities });
    return new WebDriver(`${address}/session/${sessionId}`);
  }

  /** Runs the body of a function in the page and gives what it returns. */
  script(body, ...args) {
    return this.#request('POST', '/execute/sync', { script: body, args });
  }

  async click(selector) {
    await this.#request('POST', `/element/${await this.#find(selector)}/click`, {});
  }

  async type(selector, text) {
    await this.#request('POST', `/element/${await this.#find(selector)}/value`, { text });
  }

  async clear(selector) {
    await this.#request('POST', `/element/${await this.#find(selector)}/clear`, {});
  }

  /** Presses keys together and lets them go, wherever the focus is. */
  async chord(...keys) {
    const down = keys.map((value) => ({ type: 'keyDown', value }));
    const up = keys.toReversed().map((value) => ({ type: 'keyUp', value }));
    await this.#request('POST', '/actions', { actions: [{ type: 'key', id: 'keyboard', actions: [...down, ...up] }] });
  }

  /** A PNG of what the page shows. */
  async screenshot() {
    return Buffer.from(await this.#request('GET', '/screenshot'), 'base64');
  }

  /** Moves the window and gives it a size, in pixels of the screen. */
  async place(x, y, width, height) {
    await this.#request('POST', '/window/rect', { x, y, width, height });
  }

  async stop() {
    await this.#request('DELETE', '');
  }

  async #find(selector) {
    const found = await this.#request('POST', '/element', { using: 'css selector', value: selector });
    return found[ELEMENT];
  }

  #request(method, path, body) {
    return request(method, `${this.#base}${path}`, body);
  }
}

/** Longer than any command takes on a busy machine. */
const PATIENCE = 60_000;

async function request(method, url, body) {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  }).catch((error) => {
    throw new Error(`${method} ${new URL(url).pathname}: ${error.message}`, { cause: error });
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

// A browser and a headless peer in one call.

import { Headless, profileId, temporaryHome } from './binaries.mjs';

/** What both send where a test says nothing else. */
export const SENT = { camera: 200, microphone: 660 };

/**
 * @param browserFirst  the browser is the first to arrive
 * @param browserOffers  the browser has the lesser id, and so makes the first offer
 * @param send, lines, secret  of the browser
 * @param devices  of the headless peer
 * @param prepare  runs in the page before the browser joins
 */
export async function meet(t, { server, chromium, browserFirst = false, browserOffers = true, send = SENT, lines, secret, devices, relay, prepare }) {
  const link = server.room();
  const browser = await chromium.tab({ relay });
  t.after(() => browser.close());
  if (prepare) await browser.evaluate(prepare);
  const join = (other) => browser.join(link, { send, lines, secret, id: browserOffers ? { lesserThan: other } : { greaterThan: other } });

  let headless;
  let headlessId;
  const start = (who) => {
    headless = new Headless(link, { ...devices, ...who });
    t.after(() => headless.kill());
  };
  if (browserFirst) {
    const home = temporaryHome(t);
    headlessId = await profileId(link, 'interop', home);
    await join(headlessId);
    start({ profile: 'interop', home });
  } else {
    start({});
    headlessId = await headless.id();
    await join(headlessId);
  }
  await Promise.all([browser.log.wait('peer-connect'), headless.log.wait('peer-connect')]);
  return { link, browser, headless, headlessId };
}

// One run of one fault.

import { World } from '../../tests/rig/net/world.mjs';
import { eventually, ofRig, sleep } from './call.mjs';
import { Services } from './services.mjs';

/** A pause as long as this, or longer, is one that a person sees. Pictures come every 67 ms. */
const STILL_MS = 500;
/** How long a call runs before the fault, so that rates and buffers have settled. */
const SETTLE_MS = 3000;
/** For so many readings, a second apart, everything has to move before a call counts as well. */
const WELL = 2;
/** After the fault and its end, recovery is waited for as long as this. */
const LIMIT_MS = 60_000;
/** Whatever has not healed by then is no matter of milliseconds. */
const EXACT_MS = 15_000;
/** Whoever is not told of a loss by then is left alone with it. */
const NOTICE_LIMIT_MS = 30_000;
/** How long before a fault the server goes, and how long a call is watched after it is back. */
const BEFORE_MS = 1000;
const AFTER_MS = 5000;

/**
 * Makes a call, brings the fault about and gives what was measured, in ms; `Infinity` where it never came.
 * @param turn  this run's place among others
 * @returns {Promise<{ms: number, pair?: string, frozen?: number, troubled?: number, freezes?: number, sound?: number, after?: number}>}
 */
export async function run(scenario, kind, turn, { film, scratch, story }) {
  const world = await ofRig('the network', () => World.start({ natA: scenario.natA, natB: scenario.natB }));
  let call;
  let watch;
  try {
    const services = new Services(world, scratch);
    await ofRig('the TURN server', () => services.startTurn());
    if (scenario.udpBlocked) await world.link('wlan0@a', { udp: 0 });
    call = await kind.start({ world, film, scratch, iceServers: services.iceServers(scenario.turn) });
    watch = new Watch(call);
    const joining = scenario.joining && ofRig('the fault', () => scenario.joining({ world, sleep }));
    const [joined] = await Promise.all([firstPictures(call), joining]);
    turn.begun();
    if (scenario.measure === 'join') return { ms: joined, pair: await call.sides[1].pair() };
    if (!Number.isFinite(joined + (await watch.well(LIMIT_MS)))) throw new Error('both sides never saw and heard');
    await sleep(SETTLE_MS);
    await turn.ready();
    await watch.read();
    const [a, b] = call.sides;
    const context = { world, services, a, b, sleep };
    const pair = await b.pair();
    if (scenario.measure === 'gap') return { ...(await gap(scenario, call, watch, turn, { ...context, stays: kind.product === 'Parlor' })), pair };
    const start = Date.now();
    await ofRig('the fault', () => scenario.fault(context));
    const at = await eventually('the other side notices', () => call.noticed(b, scenario.measure), { within: NOTICE_LIMIT_MS, every: 20 }).catch(() => Infinity);
    return { ms: at - start, pair };
  } finally {
    if (story) await tell(call, watch, story).catch((error) => story(`no story: ${error.message}\n`));
    await call?.stop();
    await world.stop();
  }
}

/** Everything that the sides told but figures, in order. */
async function tell(call, watch, say) {
  const told = await Promise.all((call?.sides ?? []).map(async (side, n) => (await side.events()).map((event) => ({ side: 'ab'[n], ...event }))));
  const lines = [...told.flat(), ...(watch?.readings ?? [])].filter(({ event }) => event !== 'stats').sort((one, other) => one.at - other.at);
  say(`\n${lines.map(({ at, ...line }) => `${at - call.began} ${JSON.stringify(line)}`).join('\n')}\n`);
}

/**
 * `after` is the longest pause once both saw and heard again, while the server was still away and when it came back. Only the
 * gap before is compared, so that whoever does not have to stay leaves then.
 */
async function gap(scenario, call, watch, turn, context) {
  const freezes = () => Promise.all(call.sides.map((side) => side.freezes()));
  const before = await freezes();
  const saidBefore = await said(call);
  watch.sound = 0;
  if (scenario.serverGone) {
    await call.killServer();
    await sleep(BEFORE_MS);
  }
  const start = Date.now();
  // The fault may last; what it does is watched all the while.
  const fault = ofRig('the fault', () => scenario.fault(context));
  const seconds = setTimeout(() => scenario.whole || turn.over(), EXACT_MS);
  const { heals = 0, serverGone = 0 } = scenario;
  let left = false;
  const back = serverGone > 0 ? sleep(serverGone - BEFORE_MS).then(() => left || call.startServer()) : undefined;
  back?.catch(() => {}); // Told when it is waited for.
  const [longest] = await Promise.all([watch.well(LIMIT_MS + Math.max(heals, serverGone), heals), fault]);
  clearTimeout(seconds);
  if (!scenario.whole) turn.over();
  const { sound } = watch;
  left = scenario.withServer !== undefined && !context.stays;
  // Nothing is left to watch where it took them even longer to see and hear again.
  const rest = serverGone > 0 && !left ? start + serverGone - BEFORE_MS + AFTER_MS - Date.now() : 0;
  const [after] = await Promise.all([rest > 0 ? watch.during(rest) : undefined, left || back]);
  // Where nothing else happens, all of it is the time without the server.
  const ms = scenario.withServer === undefined ? Math.max(longest, after ?? 0) : longest;
  const count = (await freezes()).reduce((sum, now, side) => sum + Math.max(0, now - before[side]), 0);
  return { ms, after, freezes: count, sound, ...difference(await said(call), saidBefore) };
}

/** How often a tile was said to be frozen, and a session to be anything but connected; a page says no such thing. */
async function said(call) {
  const events = await Promise.all(call.sides.map((side) => side.events()));
  const states = events.flat().filter(({ event }) => event === 'session-state');
  return { frozen: states.filter(({ frozen }) => frozen).length, troubled: states.filter(({ state }) => state !== 'connected').length };
}

function difference(now, before) {
  return Object.fromEntries(Object.keys(now).map((key) => [key, now[key] - before[key]]));
}

/** From joining to the first picture, the worse of both sides. */
async function firstPictures(call) {
  const first = async (side) => (await side.events()).find(({ event }) => event === 'first-frame')?.at;
  const times = call.sides.map((side) => eventually('a first picture comes', () => first(side), { within: LIMIT_MS }));
  const ms = await Promise.all(times).catch(() => [Infinity]);
  return Math.max(...ms) - call.began;
}

/** Reads both sides' pauses once a second. */
class Watch {
  readings = [];
  /** The longest pause of sound since this was last set to none. */
  sound = 0;
  #call;
  #row = 0;

  constructor(call) {
    this.#call = call;
  }

  /** The longest pause on either side since the last reading. */
  async read() {
    const sides = await Promise.all(this.#call.sides.map((side) => side.pauses()));
    const tracks = sides.flatMap(({ video, audio }) => [video, audio]);
    const longest = Math.max(...tracks.map((ms) => ms ?? 0));
    this.sound = Math.max(this.sound, ...sides.map(({ audio }) => audio ?? 0));
    this.readings.push({ event: 'pauses', at: Date.now(), sides });
    this.#row = tracks.every((ms) => ms !== null && ms < STILL_MS) ? this.#row + 1 : 0;
    return longest;
  }

  /** Reads until both sides see and hear, not before a moment; gives the longest pause, `Infinity` when they never do. */
  async well(limit, notBefore = 0) {
    const start = Date.now();
    let longest = 0;
    this.#row = 0;
    for (;;) {
      await sleep(1000);
      longest = Math.max(longest, await this.read());
      const elapsed = Date.now() - start;
      // One second more: what began right before the end is told in the reading after it.
      if (this.#row >= WELL && elapsed > notBefore + (WELL + 1) * 1000) return longest;
      if (elapsed > limit) return Infinity;
    }
  }

  /** Reads for a while; gives the longest pause. */
  async during(ms) {
    const end = Date.now() + ms;
    let longest = 0;
    while (Date.now() < end) {
      await sleep(Math.min(1000, end - Date.now()));
      longest = Math.max(longest, await this.read());
    }
    return longest;
  }
}

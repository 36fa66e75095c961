// The faults, each as a person meets it: what is there before, what happens, how long it lasts, what is measured.
//
// `measure` is one of
//   gap     the longest time between two new pictures, or two packets of sound, from the fault until both sides see and hear
//           again: the worst of both directions
//   lost    from the fault until the other side is told that this one is lost
//   left    from the goodbye until the other side knows of it
//   join    from joining to the first picture, the worse of both sides
// `exact` ones are measured to the millisecond: few others run beside them, and nobody begins a call meanwhile.
// `whole`: so is all the time without a server, not the time until both see and hear again.
// `joining` is done beside the beginning of a call, counted from there.
// `heals` is when the network, or whoever was stopped, is well again, in ms after the fault. Only a goes through faults.

const MINUTE_MS = 60_000;
/** A session that was silent for longer is made anew, for which signaling is needed: 3 s and 12 s (docs/protocol.md §12). */
const GIVEN_UP_MS = 15_000;

const moved = {
  measure: 'gap',
  exact: true,
  bars: { p95: 1000, ratio: 0.5 },
};

/** Loses everything on its way from and to a, the server's words included. */
const hole = (seconds, directions) => ({
  name: `hole-${seconds}-${directions.length === 2 ? 'both' : 'one'}`,
  title: `black hole of ${seconds} s, ${directions.length === 2 ? 'both directions' : 'from a only'}`,
  measure: 'gap',
  heals: seconds * 1000,
  fault: async ({ world, sleep }) => {
    await world.link('wlan0@a', Object.fromEntries(directions.map((direction) => [direction, 0])));
    await sleep(seconds * 1000);
    await world.link('wlan0@a', { in: 1, out: 1 });
  },
});

const networks = [
  {
    ...moved,
    name: 'change',
    title: 'network change, old path gone',
    fault: async ({ world }) => {
      world.up('eth0@a');
      world.down('wlan0@a');
    },
  },
  {
    ...moved,
    name: 'change-both-up',
    title: 'network change, both up for 5 s',
    heals: 5000,
    fault: async ({ world, sleep }) => {
      world.up('eth0@a');
      await sleep(5000);
      world.down('wlan0@a');
    },
  },
  {
    name: 'rebinding',
    title: 'NAT rebinding',
    measure: 'gap',
    exact: true,
    bars: { p95: 300 },
    fault: ({ world }) => world.rebind('wlan0@a'),
  },
  {
    name: 'restart',
    title: 'ICE restarted on a path that works',
    measure: 'gap',
    exact: true,
    // Of sound, 20 ms of which are the time between two packets: pictures come every 67 ms, whatever happens.
    bars: { sound: 120 },
    fault: ({ a }) => a.restart(),
  },
  ...[3, 8, 14, 30].flatMap((seconds) => [hole(seconds, ['in', 'out']), hole(seconds, ['out'])]),
];

/** The same, while the server is not there for a minute: no longer than with it, where nobody needs one. */
const withoutServer = (scenario) => ({
  ...scenario,
  bars: { ...(scenario.exact ? { unfrozen: true } : {}), ...((scenario.heals ?? 0) < GIVEN_UP_MS ? { like: 1.25, more: 100 } : {}) },
  withServer: scenario.name,
  name: `${scenario.name}-no-server`,
  title: `${scenario.title}; server killed for 60 s`,
  serverGone: MINUTE_MS,
});

const symmetric = { natA: 'symmetric', natB: 'symmetric', turn: 'udp' };

export const scenarios = [
  ...networks,
  { name: 'server', title: 'server killed for 60 s', measure: 'gap', exact: true, whole: true, serverGone: MINUTE_MS, fault: () => {}, bars: { worst: 500, frozen: 0, calm: true } },
  ...networks.map(withoutServer),
  { name: 'killed', title: 'peer killed, server says so', measure: 'lost', bars: { worst: 10_000 }, fault: ({ a }) => a.kill() },
  {
    name: 'killed-unseen',
    title: 'peer and its network gone',
    measure: 'lost',
    bars: { worst: 16_000 },
    fault: async ({ world, a }) => {
      await world.link('wlan0@a', { in: 0, out: 0 });
      a.kill();
    },
  },
  {
    name: 'stopped',
    title: 'peer stopped for 10 s',
    measure: 'gap',
    heals: 10_000,
    fault: async ({ a, sleep }) => {
      a.pause();
      await sleep(10_000);
      a.resume();
    },
  },
  { name: 'leave', title: 'clean leave', measure: 'left', exact: true, bars: { p95: 300 }, fault: ({ a }) => a.leave() },
  {
    name: 'turn',
    title: 'TURN server restarted',
    measure: 'gap',
    exact: true,
    ...symmetric,
    fault: async ({ services }) => {
      await services.stopTurn();
      await services.startTurn();
    },
  },
  {
    name: 'change-relayed',
    title: 'network change, the path is a relay',
    measure: 'gap',
    exact: true,
    ...symmetric,
    fault: async ({ world }) => {
      world.up('eth0@a');
      world.down('wlan0@a');
    },
  },
  { name: 'cone', title: 'cone NAT on both sides', measure: 'join', exact: true, natA: 'cone', natB: 'cone' },
  {
    name: 'change-joining',
    title: 'network change while joining',
    measure: 'join',
    joining: async ({ world, sleep }) => {
      await sleep(250);
      world.up('eth0@a');
      world.down('wlan0@a');
    },
  },
  { name: 'symmetric', title: 'symmetric NAT on both sides', measure: 'join', exact: true, ...symmetric },
  { name: 'udp-blocked', title: 'UDP blocked on one side', measure: 'join', exact: true, turn: 'tcp', udpBlocked: true },
];

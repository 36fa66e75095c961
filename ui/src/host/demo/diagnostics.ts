// A report as the backend would write it.

import type { Diagnostics, Fact, PeerDiagnostics, Snapshot, Tile } from '../../generated/protocol';

const facts = (rows: Record<string, string>): Fact[] => Object.entries(rows).map(([name, value]) => ({ name, value }));

function person(tile: Tile, addresses: boolean): PeerDiagnostics {
  const { peer, tile: number, state, since, cause, attempt, frozen } = tile;
  const up = state === 'connected';
  const ends = addresses ? ['192.168.178.23:50123', '203.0.113.9:40000'] : ['192.168.x.x', 'public IPv4'];
  return {
    peer,
    tile: number,
    state,
    since,
    cause,
    attempt,
    frozen,
    history: { since, sessions: 1, restarts: 1, gaps: 1, longest_gap_ms: 1400, gap_ms: 1400 },
    transport: null,
    facts: facts({
      Connection: up ? 'Connected directly, over Wi-Fi (UDP)' : 'Connecting',
      For: '2 min 3 s',
      'Round trip': '24 ms',
      'Lost on the way to them': '0.4 %',
      Sent: '1.2 Mbit/s, of 2.5 Mbit/s that fit; pictures of 1280×720 at 30 a second',
      Received: '940 kbit/s; pictures of 1280×720 at 30 a second',
      'Freezes of their picture': 'none',
      'Their sound': '0.1 % made up, waits 60 ms',
      Gaps: '1, of 1.4 s',
      Restarts: '1',
      'Connections made': '1',
    }),
    technical: facts({
      Peer: peer,
      State: state,
      ICE: up ? 'connected' : 'checking',
      Gathering: 'complete',
      Signaling: 'stable',
      DTLS: up ? 'connected' : 'new',
      SCTP: up ? 'connected' : 'not known',
      Pair: 'host/srflx',
      'Our candidate': `host udp ${ends[0]} wifi`,
      'Their candidate': `srflx udp ${ends[1]}`,
      'Our candidates': '2 host, 1 srflx',
      'Their candidates': '1 srflx',
      'Sent in all': '18.2 MB in 21044 packets',
      'Received in all': '14.9 MB in 17920 packets',
    }),
  };
}

/** A report on what is shown. */
export function diagnostics({ room, now }: Snapshot, addresses: boolean): Diagnostics {
  return {
    version: '0.1.0',
    system: 'linux x86_64',
    now,
    log: '~/.local/share/parlor/profiles/default/parlor.log',
    addresses,
    room: room && {
      since: room.since,
      signaling: { up: true, ups: 1, downs: 0, reason: null },
      dropped: { flood: 0, forged: 0, malformed: 0, oversized: 0, stale: 3, unknown: 0 },
      peers: room.tiles.map((tile) => person(tile, addresses)),
    },
    facts: facts({
      Parlor: '0.1.0, linux x86_64',
      'Room server': 'connected, reached 1 time',
      'Messages thrown away': '3 late',
      Log: '~/.local/share/parlor/profiles/default/parlor.log',
    }),
  };
}

// How long things wait before they are shown, and how long they stay: nothing flickers, nothing is missed. All in milliseconds.

import type { Timing } from './grace';

/** Most waits end sooner than a person notices; a spinner that was seen must not flash. */
export const SPINNER: Timing = { delay: 300, min: 500 };
/** Short losses heal by themselves; a reconnecting tile must stay long enough to be read. */
export const RECONNECTING: Timing = { delay: 800, min: 1000 };
/** Media do not need the room server, and the first attempts to come back are quick: only a loss that outlives them is worth a banner. */
export const SIGNALING: Timing = { delay: 3000, min: 1000 };
/** The green badge has been read by then. */
export const CONNECTED_HOLD = 2500;
/** As long as "Back online" needs to be read. */
export const BACK_ONLINE_HOLD = 2800;
/** A notice is one short sentence. */
export const NOTICE_HOLD = 3000;
/** What does not work takes longer to take in. */
export const TROUBLE_NOTICE_HOLD = 6000;
/** A wait this long deserves a reason. */
export const CONNECTING_HINT_AFTER = 5000;
/** A wait this long deserves details. */
export const CONNECTING_DETAILS_AFTER = 10_000;
/** Seconds are shown once the wait is long enough to count. */
export const SECONDS_AFTER = 5000;
/** People who join together are announced together. */
export const ANNOUNCE_TOGETHER = 600;
/** Speech while muted, not a cough: heard this long before the tip. */
export const MUTED_SPEECH: Timing = { delay: 600, min: 3000 };
/** "Copied" has been read by then. */
export const COPIED_HOLD = 2000;
/** Typing in a field is over. */
export const TYPING_PAUSE = 600;

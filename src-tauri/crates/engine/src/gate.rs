//! Lets whole pictures in while the pacer keeps up, and else refuses them until the next key frame.

use std::time::Duration;

use parlor_protocol::media::RtpPayload;

/// Pictures are refused while those before them need longer than this: late pictures are worse than fewer.
const LIMIT: Duration = Duration::from_millis(100);
/// Those that nothing refers to are left out sooner: that costs no key frame, and often makes room enough.
const UPPER: Duration = Duration::from_millis(50);
/// While a key frame leaves, what refers to it may wait so long: refused, it would cost another one.
const BEHIND_KEY: Duration = Duration::from_millis(250);
/// Pictures that may be behind one: a quarter of a second's.
const FEW: u8 = 8;
/// After a refusal, pictures are let in again below this, so that the key frame does not meet a queue as long as before.
const REOPEN: Duration = Duration::from_millis(50);

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send it.
    Pass,
    /// Throw it away.
    Drop,
    /// Throw it away, and ask the encoder for a key frame.
    Ask,
}

/// The gate of one local video track. It decides at each picture's first packet and keeps to it, so that no half pictures
/// are sent. A picture in the lowest temporal layer that is refused takes everything up to the next key frame with it; one
/// that nothing refers to is only left out.
#[derive(Debug)]
pub(crate) struct Gate {
    picture: Option<u32>,
    admit: bool,
    /// Pictures refer to one that was not sent.
    broken: bool,
    asked: bool,
    /// Pictures that were let in since a key frame, up to [`FEW`].
    since_key: u8,
}

impl Gate {
    /// Starts broken: a session that begins while an encoder runs needs a key frame first.
    pub(crate) fn new() -> Self {
        Self { picture: None, admit: false, broken: true, asked: false, since_key: FEW }
    }

    /// Judges the next packet; `queue` is what waits before it, `room` whether there is place for a picture.
    pub(crate) fn judge(&mut self, packet: &RtpPayload, queue: Duration, room: bool) -> Verdict {
        if self.picture == Some(packet.timestamp) {
            return if self.admit { Verdict::Pass } else { Verdict::Drop };
        }
        self.picture = Some(packet.timestamp);
        let head = Head::read(&packet.payload);
        let limit = match head.layer {
            _ if self.broken => REOPEN,
            0 if self.since_key < FEW => BEHIND_KEY,
            0 => LIMIT,
            _ => UPPER,
        };
        if !room || queue > limit {
            self.admit = false;
            self.broken |= head.layer == 0;
            self.asked = false;
            return Verdict::Drop;
        }
        self.admit = !self.broken || head.key;
        if self.admit {
            self.broken = false;
            self.since_key = if head.key { 0 } else { self.since_key.saturating_add(1).min(FEW) };
            return Verdict::Pass;
        }
        if self.asked {
            return Verdict::Drop;
        }
        self.asked = true;
        Verdict::Ask
    }

    /// A packet was lost on this side: what follows cannot be decoded without a key frame.
    pub(crate) fn lost(&mut self) {
        self.admit = false;
        self.broken = true;
        self.asked = false;
    }
}

/// What a picture's first packet says (RFC 7741 §4.2, §4.3).
struct Head {
    key: bool,
    layer: u8,
}

impl Head {
    /// A payload that cannot be read counts as an ordinary picture.
    fn read(payload: &[u8]) -> Self {
        Self::parse(payload).unwrap_or(Self { key: false, layer: 0 })
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1;
        let mut layer = 0;
        if first & 0x80 != 0 {
            let extension = *payload.get(at)?;
            at += 1;
            if extension & 0x80 != 0 {
                at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
            }
            if extension & 0x40 != 0 {
                at += 1;
            }
            if extension & 0x30 != 0 {
                layer = payload.get(at)? >> 6;
                at += 1;
            }
        }
        let starts = first & 0x10 != 0 && first & 0x07 == 0;
        let key = starts && payload.get(at)? & 0x01 == 0;
        Some(Self { key, layer })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const CALM: Duration = Duration::ZERO;
    const CROWDED: Duration = Duration::from_millis(300);

    fn packet(timestamp: u32, key: bool, layer: u8) -> RtpPayload {
        let descriptor = [0x90, 0xa0, 0x80, 0x01, layer << 6, u8::from(!key)];
        RtpPayload { timestamp, marker: false, payload: Bytes::copy_from_slice(&descriptor) }
    }

    fn open() -> Gate {
        let mut gate = Gate::new();
        assert_eq!(gate.judge(&packet(0, true, 0), CALM, true), Verdict::Pass);
        gate
    }

    #[test]
    fn a_new_gate_asks_once_for_a_key_frame() {
        let mut gate = Gate::new();
        assert_eq!(gate.judge(&packet(1, false, 0), CALM, true), Verdict::Ask);
        assert_eq!(gate.judge(&packet(2, false, 0), CALM, true), Verdict::Drop);
        assert_eq!(gate.judge(&packet(3, true, 0), CALM, true), Verdict::Pass);
        assert_eq!(gate.judge(&packet(4, false, 0), CALM, true), Verdict::Pass);
    }

    #[test]
    fn a_picture_that_began_is_sent_whole() {
        let mut gate = open();
        assert_eq!(gate.judge(&packet(1, false, 0), CALM, true), Verdict::Pass);
        assert_eq!(gate.judge(&packet(1, false, 0), CROWDED, true), Verdict::Pass);
        assert_eq!(gate.judge(&packet(2, false, 0), CROWDED, true), Verdict::Drop);
    }

    #[test]
    fn a_key_frame_is_asked_for_once_the_queue_has_emptied() {
        let mut gate = open();
        assert_eq!(gate.judge(&packet(1, false, 0), CROWDED, true), Verdict::Drop);
        assert_eq!(gate.judge(&packet(2, false, 0), Duration::from_millis(150), true), Verdict::Drop);
        assert_eq!(gate.judge(&packet(3, false, 0), CALM, true), Verdict::Ask);
        assert_eq!(gate.judge(&packet(4, true, 0), CALM, true), Verdict::Pass);
    }

    #[test]
    fn a_picture_that_nothing_refers_to_needs_no_key_frame() {
        let mut gate = open();
        assert_eq!(gate.judge(&packet(1, false, 1), CROWDED, true), Verdict::Drop);
        assert_eq!(gate.judge(&packet(2, false, 0), CALM, true), Verdict::Pass);
    }

    #[test]
    fn what_refers_to_a_key_frame_may_wait_for_it_to_leave() {
        let (mut gate, leaving) = (open(), Duration::from_millis(200));
        for n in 1..=u32::from(FEW) {
            assert_eq!(gate.judge(&packet(n, false, 0), leaving, true), Verdict::Pass, "{n}");
        }
        assert_eq!(gate.judge(&packet(100, false, 0), leaving, true), Verdict::Drop);
    }

    #[test]
    fn what_nothing_refers_to_is_left_out_first() {
        let (mut gate, busy) = (open(), Duration::from_millis(70));
        (1..20).for_each(|n| assert_eq!(gate.judge(&packet(n, false, 0), CALM, true), Verdict::Pass));
        assert_eq!(gate.judge(&packet(20, false, 1), busy, true), Verdict::Drop);
        assert_eq!(gate.judge(&packet(21, false, 0), busy, true), Verdict::Pass);
    }

    #[test]
    fn without_room_nothing_begins() {
        let mut gate = open();
        assert_eq!(gate.judge(&packet(1, true, 0), CALM, false), Verdict::Drop);
    }

    #[test]
    fn payloads_of_any_kind_are_judged() {
        for payload in [&[][..], &[0x80], &[0x90, 0xff], &[0x90, 0x80, 0x80], &[0x10]] {
            let mut gate = Gate::new();
            let packet = RtpPayload { timestamp: 1, marker: true, payload: Bytes::copy_from_slice(payload) };
            assert_eq!(gate.judge(&packet, CALM, true), Verdict::Ask);
        }
    }
}

//! RTP payloads to VP8 frames, in order, as far as they can be decoded (RFC 7741). No clock, no threads.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use parlor_protocol::media::RtpReceived;

use super::{
    descriptor::{Descriptor, PictureId},
    frame_header,
};

/// When to go on without frames that nothing needs, at the earliest: a packet that was only overtaken has come by then.
const SKIP_AFTER: Duration = Duration::from_millis(50);
/// The same at the latest, and what it takes longer than the round trip until what was lost has come once more.
const SKIP_BY: Duration = Duration::from_millis(100);
const REPAIR: Duration = Duration::from_millis(20);
/// When to ask for a key frame at the earliest: by then a retransmission has come on any path that is good for a talk.
const ASK_AFTER: Duration = Duration::from_millis(180);
/// The same at the latest: nobody waits longer for a picture that may still come whole.
const ASK_BY: Duration = Duration::from_secs(1);
/// What three rounds of asking for lost packets take beside three round trips.
const ASKING: Duration = Duration::from_millis(60);
/// When to ask again: a sender makes no more than two forced key frames a second.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// The most packets that wait: some two seconds of a good picture. Beyond, the oldest go, and with them what refers to them.
const MOST_PACKETS: usize = 1024;
/// The most bytes that wait.
const MOST_BYTES: usize = 4 << 20;
/// A sequence number this far from the newest begins another stream, if a second packet agrees (RFC 3550 appendix A.1).
const MOST_JUMP: i64 = 3000;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// A frame that can be decoded after those before it.
    Frame(AssembledFrame),
    /// Nothing will come before a key frame does, or a retransmission that is late. Said again every 500 ms.
    KeyFrameNeeded,
}

/// A whole VP8 frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssembledFrame {
    /// The frame (RFC 6386).
    pub data: Bytes,
    /// It can be decoded without any before it.
    pub key: bool,
    /// Media clock, 90 kHz.
    pub timestamp: u32,
    /// Width and height; of key frames alone.
    pub size: Option<(u32, u32)>,
    /// How much earlier it could have come out if nothing had been lost.
    pub waited: Duration,
}

/// Puts one track's packets together again.
#[derive(Debug, Default)]
pub struct Assembler {
    packets: BTreeMap<u64, Packet>,
    bytes: usize,
    /// The newest packet's number: its sequence number without the wraparound.
    newest: Option<u64>,
    /// The first packet that was neither handed out nor given up; unknown before the first key frame.
    next: Option<u64>,
    /// The last frame that was handed out; none when only a key frame can follow.
    last: Option<Last>,
    /// Since when frames wait behind a gap, or for a key frame.
    waiting: Option<Instant>,
    asked: Option<Instant>,
    deadline: Option<Instant>,
    /// A packet far from all others: the first of another stream, or a forgery.
    stray: Option<RtpReceived>,
    /// To the sender and back; zero while it is not known.
    rtt: Duration,
    /// How much later than they could frames are shown.
    delay: Duration,
}

#[derive(Debug)]
struct Packet {
    /// When it came, where none of a higher number had come before: that is then no repair.
    came: Option<Instant>,
    timestamp: u32,
    marker: bool,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Padding,
    Readable(Descriptor, Bytes),
    Unreadable,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    picture: Option<PictureId>,
    base: Option<u8>,
    /// No frame above the base layer was missed since the last one that refers to the base layer alone.
    whole: bool,
}

/// What begins at some packet.
enum Scan {
    /// A whole frame, up to, not including, packet `end`.
    Frame { end: u64, descriptor: Descriptor, key: bool },
    /// Nothing, or a frame that lacks packets.
    Open,
    /// Nothing that anybody misses.
    Padding,
    /// What will never make a frame. `upper`: nothing in the base layer can miss it.
    Waste { end: u64, upper: bool },
}

impl Assembler {
    /// Waits for a key frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long it takes to the sender and back: so long lost packets may take to come once more, before a key frame is asked for.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// How much later than they could frames are shown: so long those may wait as well that nothing needs.
    pub fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// Takes a packet. One that is too old or known already is dropped.
    pub fn push(&mut self, packet: RtpReceived, now: Instant) {
        let Some(number) = self.number(packet.sequence) else { return self.astray(packet, now) };
        self.stray = None;
        self.insert(number, packet, now);
    }

    /// The next frame or wish, if there is one. To be called until there is none: after each packet, and at
    /// [`Self::poll_timeout`].
    pub fn poll(&mut self, now: Instant) -> Option<Assembled> {
        self.deadline = None;
        loop {
            match self.next.map_or(Scan::Open, |next| self.scan(next)) {
                Scan::Frame { end, descriptor, key } => {
                    let follows = self.follows(&descriptor, key, false);
                    match self.take(end, now).filter(|_| follows) {
                        Some(frame) => {
                            self.note(&descriptor, key);
                            return Some(Assembled::Frame(frame));
                        }
                        None => self.miss(is_upper(&descriptor)),
                    }
                }
                Scan::Padding => self.drop_before(self.next.unwrap_or_default() + 1),
                Scan::Waste { end, upper } => {
                    self.drop_before(end);
                    self.miss(upper);
                }
                Scan::Open if self.jump(now) => {}
                Scan::Open => return self.ask(now),
            }
        }
    }

    /// When to poll again though no packet comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The packet's number on a scale without wraparound. `None` for one that belongs to no part of the stream near its newest.
    fn number(&self, sequence: u16) -> Option<u64> {
        // Far from zero, so that what came before the first packet has a number too.
        let Some(newest) = self.newest else { return Some(1 << 32 | u64::from(sequence)) };
        let step = i64::from(sequence.wrapping_sub(newest as u16) as i16);
        (step.abs() <= MOST_JUMP).then(|| newest.wrapping_add_signed(step))
    }

    fn insert(&mut self, number: u64, packet: RtpReceived, now: Instant) {
        if self.next.is_some_and(|next| number < next) || self.packets.contains_key(&number) {
            return;
        }
        let came = self.newest.is_none_or(|newest| newest < number).then_some(now);
        self.newest = self.newest.max(Some(number));
        let packet = Packet { came, ..Packet::from(packet) };
        self.bytes += packet.bytes();
        self.packets.insert(number, packet);
        while self.packets.len() > MOST_PACKETS || self.bytes > MOST_BYTES {
            let Some(first) = self.packets.keys().next() else { break };
            self.drop_before(first + 1);
            self.last = None;
        }
    }

    /// One packet from far away may be a forgery or very late; two in a row are another stream.
    fn astray(&mut self, packet: RtpReceived, now: Instant) {
        match self.stray.take() {
            Some(first) if first.sequence.wrapping_add(1) == packet.sequence => {
                let (asked, waiting, rtt, delay) = (self.asked, self.waiting, self.rtt, self.delay);
                *self = Self { asked, waiting, rtt, delay, ..Self::new() };
                self.insert(1 << 32 | u64::from(first.sequence), first, now);
                if let Some(number) = self.number(packet.sequence) {
                    self.insert(number, packet, now);
                }
            }
            _ => self.stray = Some(packet),
        }
    }

    fn scan(&self, start: u64) -> Scan {
        let mut frame: Option<(u32, Descriptor, bool)> = None;
        for (expected, (number, packet)) in (start..).zip(self.packets.range(start..)) {
            if *number != expected {
                return Scan::Open;
            }
            let (descriptor, data) = match (&packet.part, &frame) {
                (Part::Readable(descriptor, data), _) => (descriptor, data),
                (Part::Padding, None) => return Scan::Padding,
                (Part::Padding, Some(_)) => continue,
                (Part::Unreadable, _) => return Scan::Waste { end: number + 1, upper: false },
            };
            match frame {
                None if !descriptor.starts => return Scan::Waste { end: number + 1, upper: is_upper(descriptor) },
                None => {
                    let key = frame_header::is_key(data) == Some(true);
                    frame = Some((packet.timestamp, *descriptor, key));
                }
                Some((timestamp, first, key)) if timestamp != packet.timestamp => {
                    // A sender that sets no marker: the next frame ends this one.
                    return match descriptor.starts {
                        true => Scan::Frame { end: *number, descriptor: first, key },
                        false => Scan::Waste { end: *number, upper: is_upper(&first) },
                    };
                }
                Some((_, first, _)) if descriptor.starts => {
                    return Scan::Waste { end: *number, upper: is_upper(&first) };
                }
                Some(_) => {}
            }
            if let (true, Some((_, descriptor, key))) = (packet.marker, frame) {
                return Scan::Frame { end: number + 1, descriptor, key };
            }
        }
        Scan::Open
    }

    /// Whether all that the frame refers to was handed out. `gap`: packets are missing before it.
    fn follows(&self, frame: &Descriptor, key: bool, gap: bool) -> bool {
        let Some(last) = self.last.filter(|_| !key) else { return key };
        let next = match (frame.picture, last.picture) {
            (Some(picture), Some(last)) => picture.follows(last),
            // Without numbers an unbroken sequence is all there is to go by.
            (None, None) => !gap,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let (Some(layer), Some(base), Some(last_base)) = (frame.layer, frame.base, last.base) else { return next };
        match (layer.number, layer.sync) {
            (0, _) => next || base == last_base.wrapping_add(1),
            (_, true) => base == last_base,
            (_, false) => next && last.whole,
        }
    }

    /// Goes on behind a gap where that does no harm. Whether it did.
    fn jump(&mut self, now: Instant) -> bool {
        let hole = self.next.unwrap_or_default();
        let Some((start, Scan::Frame { descriptor, key, .. })) = self.usable(hole) else { return false };
        let since = *self.waiting.get_or_insert(now);
        // A stream begins with its key frame; frames in sequence have lost nothing but padding between them.
        let harmless = match (self.last, descriptor.picture) {
            (None, _) => key,
            // Nothing that is shown after it refers to what is left out, and it was likely asked for.
            (Some(_), _) if key => true,
            (Some(last), Some(picture)) => last.picture.is_some_and(|last| picture.follows(last)),
            (Some(_), None) => false,
        };
        let skip = since + (self.rtt + REPAIR).clamp(SKIP_AFTER, SKIP_BY).max(self.delay);
        if !harmless && now < skip {
            self.wake(skip);
            return false;
        }
        self.drop_before(start);
        if !harmless && let Some(last) = &mut self.last {
            last.whole = false;
        }
        true
    }

    /// The first whole frame behind the gap whose references are all there.
    fn usable(&self, hole: u64) -> Option<(u64, Scan)> {
        self.packets
            .range(hole..)
            .filter(|(_, packet)| packet.starts())
            .map(|(number, _)| (*number, self.scan(*number)))
            .find(|(_, scan)| match scan {
                Scan::Frame { descriptor, key, .. } => self.follows(descriptor, *key, true),
                Scan::Open | Scan::Padding | Scan::Waste { .. } => false,
            })
    }

    /// Asks for a key frame when it is time, and otherwise sees to it that it will be.
    fn ask(&mut self, now: Instant) -> Option<Assembled> {
        let behind = self.packets.range(self.next.unwrap_or_default() + 1..).next().is_some();
        if !behind && (self.last.is_some() || self.newest.is_none()) {
            self.waiting = None;
            return None;
        }
        let since = *self.waiting.get_or_insert(now);
        let patience = match self.last {
            None if !self.packets.values().any(Packet::starts_key) => SKIP_AFTER,
            // What comes while frames are held is in time.
            _ => (self.rtt * 3 + ASKING).clamp(ASK_AFTER, ASK_BY) + self.delay,
        };
        let at = self.asked.map_or(since + patience, |asked| (asked + ASK_EVERY).max(since + patience));
        if now < at {
            self.wake(at);
            return None;
        }
        self.asked = Some(now);
        self.wake(now + ASK_EVERY);
        Some(Assembled::KeyFrameNeeded)
    }

    fn wake(&mut self, at: Instant) {
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
    }

    /// Takes the frame at the head out. `None` where it makes no sense.
    fn take(&mut self, end: u64, now: Instant) -> Option<AssembledFrame> {
        let start = self.next?;
        let timestamp = self.packets.get(&start)?.timestamp;
        // Where all of it was lost, what came next tells when it would have been there.
        let of_itself = self.packets.range(start..end).filter_map(|(_, packet)| packet.came).max();
        let due = of_itself.or_else(|| self.packets.range(end..).find_map(|(_, packet)| packet.came));
        let waited = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        let mut parts = self.packets.range(start..end).filter_map(|(_, packet)| match &packet.part {
            Part::Readable(_, data) => Some(data.clone()),
            Part::Padding | Part::Unreadable => None,
        });
        let mut data = parts.next()?;
        let rest: Vec<_> = parts.collect();
        if !rest.is_empty() {
            let mut whole = BytesMut::from(&data[..]);
            rest.iter().for_each(|part| whole.extend_from_slice(part));
            data = whole.freeze();
        }
        self.drop_before(end);
        let key = frame_header::is_key(&data)?;
        let size = frame_header::key_size(&data);
        (!key || size.is_some()).then_some(AssembledFrame { data, key, timestamp, size, waited })
    }

    fn note(&mut self, frame: &Descriptor, key: bool) {
        let sync = frame.layer.is_some_and(|layer| layer.number > 0 && layer.sync);
        let whole = key || sync || self.last.is_some_and(|last| last.whole);
        self.last = Some(Last { picture: frame.picture, base: frame.base, whole });
        self.waiting = None;
        if key {
            self.asked = None;
        }
    }

    /// A frame was lost. Without those above the base layer it goes on, at fewer frames a second.
    fn miss(&mut self, upper: bool) {
        match &mut self.last {
            Some(last) if upper => last.whole = false,
            last => *last = None,
        }
    }

    fn drop_before(&mut self, end: u64) {
        let kept = self.packets.split_off(&end);
        let dropped = std::mem::replace(&mut self.packets, kept);
        self.bytes -= dropped.values().map(Packet::bytes).sum::<usize>();
        self.next = self.next.max(Some(end));
    }
}

impl From<RtpReceived> for Packet {
    fn from(packet: RtpReceived) -> Self {
        let part = match Descriptor::parse(&packet.payload) {
            _ if packet.payload.is_empty() => Part::Padding,
            Some((descriptor, length)) => Part::Readable(descriptor, packet.payload.slice(length..)),
            None => Part::Unreadable,
        };
        Self { came: None, timestamp: packet.timestamp, marker: packet.marker, part }
    }
}

impl Packet {
    fn bytes(&self) -> usize {
        match &self.part {
            Part::Readable(_, data) => data.len(),
            Part::Padding | Part::Unreadable => 0,
        }
    }

    fn starts(&self) -> bool {
        match &self.part {
            Part::Readable(descriptor, _) => descriptor.starts,
            Part::Padding | Part::Unreadable => false,
        }
    }

    fn starts_key(&self) -> bool {
        match &self.part {
            Part::Readable(descriptor, data) => descriptor.starts && frame_header::is_key(data) == Some(true),
            Part::Padding | Part::Unreadable => false,
        }
    }
}

/// Whether the base layer goes on without the frame.
fn is_upper(frame: &Descriptor) -> bool {
    frame.base.is_some() && frame.layer.is_some_and(|layer| layer.number > 0)
}

#[cfg(test)]
mod tests;

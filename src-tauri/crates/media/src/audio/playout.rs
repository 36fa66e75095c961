//! One peer's playout: packets in, 10 ms frames out. Time is an argument.
//!
//! Owns the order of packets, the delay, decoding, and what is played where nothing came: first the redundancy of the next
//! packet (RFC 6716 §2.1.7), then the decoder's concealment for 100 ms, then silence until sound is there again. A jump of the
//! timestamp without one of the sequence number is a sender that paused, and no loss.

use std::time::{Duration, Instant};

use opus::Channels;
use parlor_protocol::media::RtpReceived;

use super::{
    FRAME, FRAME_TIME, Frame, RATE, SILENCE_DBFS,
    delay::Delay,
    level::SILENCE,
    packets::{Packet, Packets, Pushed, repeats_the_one_before},
    stretch::{self, Tape},
    time,
};

/// How long the decoder makes sound up; the second half of it fades.
const CONCEAL: usize = 4_800;
/// The same while the sender saves packets in silence (DTX): the decoder then makes comfort noise.
const CONCEAL_QUIET: usize = 96_000;
/// The shortest frame that Opus knows, 2.5 ms: everything it decodes is a multiple.
const GRAIN: i64 = 120;
/// The longest packet, 120 ms.
const LONGEST: usize = 5_760;
/// Sound after silence fades in over 5 ms: a wave that begins in its middle clicks.
const FADE_IN: usize = 240;
/// How much of a measured delay enters the smoothed one: about 12 packets' memory.
const SMOOTH: f32 = 0.08;
/// Too much delay, in ms over the target: cut, at first where nobody speaks, then faster and less choosy the more it is.
const HIGH_IN_PAUSES: f32 = 5.0;
const HIGH: f32 = 20.0;
const HIGHER: f32 = 60.0;
const HIGHEST: f32 = 120.0;
/// Too little delay, in ms below the target: stretch.
const LOW: f32 = 10.0;
/// One after the other only after so many frames, two seconds: a target that goes to and fro is not followed. Delay that is by
/// [`HIGH`] too much, or hardly there, does not wait.
const TURN: u32 = 200;
/// No sound is so much like itself: only pauses are left.
const IN_PAUSES: f32 = 2.0;
/// How much of the loss one packet is: about 5 s are remembered.
const LOSS_MEMORY: f32 = 0.004;
/// From this loss on, one in 200, sound waits for the packet after the one whose turn it is: its redundancy may be needed.
const LOSSY: f32 = 0.005;
/// An outage is no loss that redundancy could make good: so many packets of it count.
const MOST_MISSING: u64 = 5;
/// After silence, older packets are skipped if their delay is so much over the target: a call is live.
const SKIP: Duration = Duration::from_millis(60);

/// How one peer's sound arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioStats {
    /// Root mean square of the last second in dBFS; a full-scale sine is −3.
    pub level_dbfs: f32,
    /// The part of what was played that was made up because nothing came in time, since the beginning; 0 to 1.
    pub concealed_ratio: f32,
    /// How long sound waits in the buffer now, in milliseconds.
    pub buffer_ms: f32,
    /// Packets that came.
    pub received: u64,
    /// Packets that were not there when it was their turn.
    pub lost: u64,
    /// Lost packets whose sound was restored from the next packet (in-band FEC).
    pub recovered: u64,
    /// Packets that came after their turn, or were skipped to catch up.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that are no Opus.
    pub malformed: u64,
    /// Samples taken out to play sooner (W3C webrtc-stats `removedSamplesForAcceleration`).
    pub removed: u64,
    /// Samples put in to play later (W3C webrtc-stats `insertedSamplesForDeceleration`).
    pub inserted: u64,
}

impl Default for AudioStats {
    fn default() -> Self {
        Self {
            level_dbfs: SILENCE_DBFS,
            concealed_ratio: 0.0,
            buffer_ms: 0.0,
            received: 0,
            lost: 0,
            recovered: 0,
            late: 0,
            duplicates: 0,
            malformed: 0,
            removed: 0,
            inserted: 0,
        }
    }
}

/// One peer's jitter buffer and decoder.
pub struct Playout {
    packets: Packets,
    delay: Delay,
    decoder: opus::Decoder,
    tape: Tape,
    state: State,
    /// Timestamp of the next sample to decode.
    next: i64,
    /// Samples made up since `next` was last moved: they are played time, but not sent time.
    stalled: i64,
    /// Samples made up in a row.
    made_up: usize,
    /// Made up, and not known yet whether for a loss or for a sender's pause.
    unjudged: u64,
    /// The last packet was the sender's way of saying that it is silent (DTX).
    quiet: bool,
    fade_in: bool,
    /// Delay over the fastest packet's way, smoothed, in ms.
    measured: f32,
    /// The share of packets that are lost, smoothed.
    loss: f32,
    /// Frames until the delay may be corrected again.
    rest: u32,
    /// Frames until it may be made longer after it was made shorter, and the other way round, if neither is urgent.
    shortened: u32,
    lengthened: u32,
    pulled: Option<Instant>,
    decoded: u64,
    concealed: u64,
    stats: AudioStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is played; packets gather until they have waited long enough.
    Idle,
    Playing,
}

impl Playout {
    /// A playout that waits for its first packet.
    ///
    /// # Errors
    /// The decoder cannot be made.
    pub fn new() -> Result<Self, opus::Error> {
        Ok(Self {
            packets: Packets::default(),
            delay: Delay::new(),
            // One channel: the decoder itself makes one of a browser's two.
            decoder: opus::Decoder::new(RATE, Channels::Mono)?,
            tape: Tape::default(),
            state: State::Idle,
            next: 0,
            stalled: 0,
            made_up: 0,
            unjudged: 0,
            quiet: false,
            fade_in: true,
            measured: 0.0,
            loss: 0.0,
            rest: 0,
            shortened: 0,
            lengthened: 0,
            pulled: None,
            decoded: 0,
            concealed: 0,
            stats: AudioStats::default(),
        })
    }

    /// A packet came.
    pub fn push(&mut self, packet: RtpReceived, arrived: Instant) {
        let padding = packet.payload.is_empty();
        match self.packets.push(packet) {
            Pushed::Duplicate => self.stats.duplicates += 1,
            Pushed::Late { timestamp } => {
                self.stats.late += 1;
                if !padding {
                    // Had it been waited for, it would not be lost.
                    self.delay.arrived(timestamp, arrived);
                }
            }
            Pushed::Malformed | Pushed::Strange => self.stats.malformed += 1,
            Pushed::Restarted { timestamp } => {
                self.delay.restart();
                self.state = State::Idle;
                self.unjudged = 0;
                self.next = timestamp;
                self.received(timestamp, arrived, padding);
            }
            Pushed::Stored { timestamp } => self.received(timestamp, arrived, padding),
        }
    }

    /// Writes the next 10 ms. To be called at the pace of the speaker.
    pub fn pull(&mut self, frame: &mut Frame, now: Instant) {
        self.pulled = Some(now);
        while self.tape.ahead() < FRAME {
            self.advance(now);
        }
        self.correct();
        self.tape.play(frame);
    }

    /// How it goes. The level is not measured here and stays at silence.
    pub fn stats(&self) -> AudioStats {
        let played = (self.decoded + self.concealed).max(1);
        AudioStats {
            concealed_ratio: self.concealed as f32 / played as f32,
            buffer_ms: if self.state == State::Playing { self.measured.max(0.0) } else { 0.0 },
            ..self.stats
        }
    }

    fn received(&mut self, timestamp: i64, arrived: Instant, padding: bool) {
        self.stats.received += 1;
        if padding {
            return;
        }
        let late = self.delay.arrived(timestamp, arrived);
        self.loss -= self.loss * LOSS_MEMORY;
        self.delay.protect(self.loss > LOSSY);
        // Further ahead is no delay: the sender paused, or makes fun of us.
        if self.state == State::Playing && self.stalled == 0 && (0..i64::from(RATE)).contains(&(timestamp - self.next))
        {
            let since = self.pulled.map_or(Duration::ZERO, |pulled| arrived.saturating_duration_since(pulled));
            let wait = ms(time((timestamp - self.next) as usize + self.tape.ahead())) - ms(since.min(FRAME_TIME));
            self.measured += (wait + ms(late) - self.measured) * SMOOTH;
        }
    }

    /// Puts at least one sample on the tape.
    fn advance(&mut self, now: Instant) {
        if self.state == State::Idle && !self.start(now) {
            return self.tape.append(&SILENCE);
        }
        let Some(first) = self.packets.first() else { return self.conceal(FRAME) };
        let (duration, repeats) = (first.duration, repeats_the_one_before(&first.payload));
        let gap = first.timestamp - self.next;
        let left = gap - self.stalled;
        let missing = self.packets.missing();
        if left <= 0 {
            self.judge(missing, gap);
            self.decode();
        } else if missing > 0 && repeats && self.stalled % GRAIN == 0 && (duration..duration + GRAIN).contains(&left) {
            self.judge(missing, gap);
            self.restore(left);
        } else {
            self.conceal(FRAME.min(left as usize));
        }
    }

    /// Whether the first packet has waited long enough; then it is the next to play.
    fn start(&mut self, now: Instant) -> bool {
        let target = self.delay.target();
        loop {
            let Some(first) = self.packets.first() else { return false };
            let (timestamp, waited) = (first.timestamp, self.delay.waited(first.timestamp, now));
            if waited < target {
                return false;
            }
            if waited > target + SKIP && self.packets.len() > 1 {
                self.packets.take();
                self.stats.late += 1;
                continue;
            }
            let missing = self.packets.missing();
            self.judge(missing, timestamp - self.next);
            self.next = timestamp;
            self.measured = ms(waited);
            self.state = State::Playing;
            self.fade_in = true;
            return true;
        }
    }

    /// Says what the samples made up so far were for, now that it is known what came after them.
    fn judge(&mut self, missing: u64, gap: i64) {
        self.stats.lost += missing;
        self.loss += missing.min(MOST_MISSING) as f32 * LOSS_MEMORY;
        self.packets.give_up();
        if missing > 0 || gap <= 0 {
            self.concealed += self.unjudged;
        }
        if missing == 0 && gap <= 0 {
            // The packet was late, not lost: all after it are played so much later.
            self.measured += ms(time(self.stalled.max(0) as usize));
        }
        self.unjudged = 0;
        self.stalled = 0;
        self.made_up = 0;
    }

    fn decode(&mut self) {
        let Some(Packet { timestamp, duration, payload, .. }) = self.packets.take() else { return };
        let mut pcm = [0.0; LONGEST];
        let samples = match self.decoder.decode_float(&payload, &mut pcm, false) {
            Ok(samples) => samples,
            Err(error) => {
                tracing::trace!(%error, "an Opus packet cannot be decoded");
                self.stats.malformed += 1;
                return self.conceal(duration as usize);
            }
        };
        self.next = timestamp + samples as i64;
        self.quiet = payload.len() <= 2;
        self.decoded += samples as u64;
        if std::mem::take(&mut self.fade_in) {
            for (n, sample) in pcm[..samples.min(FADE_IN)].iter_mut().enumerate() {
                *sample *= n as f32 / FADE_IN as f32;
            }
        }
        self.tape.append(&pcm[..samples]);
    }

    /// Decodes what the first packet repeats of the one before it, which is lost.
    fn restore(&mut self, samples: i64) {
        let mut pcm = [0.0; LONGEST];
        let part = &mut pcm[..(samples as usize).min(LONGEST)];
        let restored = match self.packets.first() {
            Some(first) => self.decoder.decode_float(&first.payload, part, true),
            None => return,
        };
        match restored {
            Ok(samples) => {
                self.stats.recovered += 1;
                self.decoded += samples as u64;
                self.next += self.packets.first().map_or(0, |first| first.timestamp - self.next);
                self.tape.append(&pcm[..samples]);
            }
            Err(_) => self.conceal(samples as usize),
        }
    }

    /// Makes sound up, softer and softer, and in the end falls silent.
    fn conceal(&mut self, samples: usize) {
        let limit = if self.quiet { CONCEAL_QUIET } else { CONCEAL };
        if self.made_up >= limit {
            self.state = State::Idle;
            return self.tape.append(&SILENCE);
        }
        let mut pcm = [0.0; LONGEST];
        let samples = samples.min(LONGEST).next_multiple_of(GRAIN as usize);
        if self.decoder.decode_float(&[], &mut pcm[..samples], false).is_err() {
            pcm = [0.0; LONGEST];
        }
        for (n, sample) in pcm[..samples].iter_mut().enumerate() {
            let left = limit.saturating_sub(self.made_up + n) as f32;
            *sample *= (left / (limit / 2) as f32).min(1.0);
        }
        self.made_up += samples;
        self.stalled += samples as i64;
        self.unjudged += samples as u64;
        self.tape.append(&pcm[..samples]);
    }

    /// Brings the delay nearer to its target, a pitch period at a time. It differs after the network stalled, because the target
    /// moved, and because no two clocks run alike.
    fn correct(&mut self) {
        for wait in [&mut self.rest, &mut self.shortened, &mut self.lengthened] {
            *wait = wait.saturating_sub(1);
        }
        if self.state == State::Idle || self.stalled > 0 || self.rest > 0 {
            return;
        }
        let over = self.measured - ms(self.delay.target());
        if over > HIGH || over > HIGH_IN_PAUSES && self.lengthened == 0 {
            self.decode_ahead();
            let likeness = if over > HIGHEST {
                -1.0
            } else if over > HIGHER {
                0.6
            } else if over > HIGH {
                0.9
            } else {
                IN_PAUSES
            };
            if let Some(samples) = self.tape.shorten(likeness) {
                self.measured -= ms(time(samples));
                self.stats.removed += samples as u64;
                self.rest = if over > HIGHER { 3 } else { 20 };
                self.shortened = TURN;
            }
        } else if over < -LOW && (self.shortened == 0 || self.measured < LOW) {
            let likeness = if self.measured < LOW { 0.6 } else { 0.9 };
            if let Some(samples) = self.tape.lengthen(likeness) {
                self.measured += ms(time(samples));
                self.stats.inserted += samples as u64;
                self.rest = 10;
                self.lengthened = TURN;
            }
        }
    }

    /// Decodes as far ahead as a cut must see, if the packets are there.
    fn decode_ahead(&mut self) {
        while self.tape.ahead() < stretch::AHEAD {
            let next = self.next;
            if self.packets.missing() > 0 || self.packets.first().is_none_or(|first| first.timestamp != next) {
                return;
            }
            self.decode();
        }
    }
}

fn ms(time: Duration) -> f32 {
    time.as_secs_f32() * 1_000.0
}

#[cfg(test)]
mod tests;

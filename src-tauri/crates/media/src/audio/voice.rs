//! What becomes of a captured frame: level, mute, packet. No clock and no device.

use std::time::{Duration, Instant};

use super::{
    AudioPacket, FRAME, FRAME_TIME, Frame, RATE,
    encoder::{Encoder, FIRST_LOSS, PACKET},
    level::{Meter, SILENCE},
};

/// Silent packets after a mute. They teach the listeners' concealment silence: without them it would stretch the last syllable.
const TAIL: u32 = 2;
/// No frame for so long: the device was away, and the clock must be told.
const GAP: Duration = Duration::from_millis(100);

/// How much of a higher, a lower loss enters the expected one with each frame.
const LOSS_RISES: f32 = 0.01;
const LOSS_FALLS: f32 = 0.000_5;

/// Turns captured frames into packets on one continuous clock.
pub(crate) struct Voice {
    encoder: Encoder,
    meter: Meter,
    /// The loss to expect, in percent.
    loss: f32,
    /// When the next frame's first sample is captured.
    clock: u32,
    last: Option<Instant>,
    sending: Sending,
    /// Since the last packet with a voice in it some were not sent.
    paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// Nothing is sent; the next packet begins a spurt.
    Quiet,
    Talking,
    /// Muted, with so many packets still to send: the one in which the voice fades, and the tail.
    Ending(u32),
}

impl Voice {
    pub(crate) fn new(clock: u32) -> Result<Self, opus::Error> {
        let (encoder, meter) = (Encoder::new()?, Meter::new());
        Ok(Self {
            encoder,
            meter,
            loss: f32::from(FIRST_LOSS),
            clock,
            last: None,
            sending: Sending::Quiet,
            paused: false,
        })
    }

    /// So much loss is reported now. What is expected rises with it in a second and falls in half a minute: losses come in
    /// spells, and each report is of a few packets.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        let reported = f32::from(percent);
        self.loss += (reported - self.loss) * if reported > self.loss { LOSS_RISES } else { LOSS_FALLS };
        self.encoder.expect_loss(self.loss.round() as u8);
    }

    pub(crate) fn set_dtx(&mut self, on: bool) {
        self.encoder.set_dtx(on);
    }

    pub(crate) fn loudness(&self) -> f32 {
        self.meter.loudness()
    }

    pub(crate) fn dbfs(&self) -> f32 {
        self.meter.dbfs()
    }

    /// No frame came for 20 ms. Some devices give theirs in larger pieces; after a while the level falls.
    pub(crate) fn idle(&mut self, now: Instant) -> Option<AudioPacket> {
        if self.last.is_none_or(|last| now.saturating_duration_since(last) > GAP) {
            self.meter.push(&SILENCE);
        }
        None
    }

    /// A frame was captured, `lost` samples after the one before.
    pub(crate) fn push(&mut self, frame: &Frame, lost: usize, muted: bool, now: Instant) -> Option<AudioPacket> {
        self.keep_time(lost, now);
        self.meter.push(frame);
        let mut frame = *frame;
        match (self.sending, muted) {
            (Sending::Quiet, true) => {
                if self.encoder.is_halfway() {
                    self.encoder.reset();
                }
                self.clock = self.clock.wrapping_add(FRAME as u32);
                return None;
            }
            (Sending::Quiet, false) if self.encoder.is_halfway() => {}
            (Sending::Quiet, false) => fade(&mut frame, 0.0, 1.0),
            (Sending::Talking, false) => {}
            (Sending::Talking, true) => {
                fade(&mut frame, 1.0, 0.0);
                self.sending = Sending::Ending(TAIL + 1);
            }
            (Sending::Ending(_), true) => frame = SILENCE,
            (Sending::Ending(_), false) => {
                fade(&mut frame, 0.0, 1.0);
                self.sending = Sending::Talking;
            }
        }
        self.encode(&frame)
    }

    fn encode(&mut self, frame: &Frame) -> Option<AudioPacket> {
        let begins = self.sending == Sending::Quiet;
        let payload = self.encoder.push(frame);
        self.clock = self.clock.wrapping_add(FRAME as u32);
        let (payload, silent) = (payload?, self.encoder.is_silent());
        self.sending = match self.sending {
            Sending::Quiet | Sending::Talking => Sending::Talking,
            Sending::Ending(left) if left > 1 => Sending::Ending(left - 1),
            Sending::Ending(_) => {
                self.encoder.reset();
                Sending::Quiet
            }
        };
        if payload.is_empty() {
            self.paused = true;
            return None;
        }
        // Comfort noise is sent within a pause and ends none.
        let goes_on = self.paused && !silent;
        self.paused &= silent;
        let timestamp = self.clock.wrapping_sub(PACKET as u32);
        Some(AudioPacket { timestamp, payload, marker: begins || goes_on, level: self.meter.loudness() })
    }

    /// The clock counts samples while they come, and real time while they do not.
    fn keep_time(&mut self, lost: usize, now: Instant) {
        let away = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        let skipped = if away > GAP {
            ((away - FRAME_TIME).as_nanos() * u128::from(RATE) / 1_000_000_000) as u32
        } else {
            lost as u32
        };
        if skipped > 0 {
            self.encoder.reset();
            self.sending = Sending::Quiet;
            self.clock = self.clock.wrapping_add(skipped);
        }
    }
}

/// Without it a cut in the middle of a wave clicks.
fn fade(frame: &mut Frame, from: f32, to: f32) {
    for (n, sample) in frame.iter_mut().enumerate() {
        *sample *= from + (to - from) * n as f32 / FRAME as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::tests::voice;

    const LOUD: Frame = [0.1; FRAME];

    struct Bench {
        voice: Voice,
        now: Instant,
        packets: Vec<AudioPacket>,
    }

    impl Bench {
        fn new(clock: u32) -> Self {
            Self { voice: Voice::new(clock).unwrap(), now: Instant::now(), packets: Vec::new() }
        }

        fn run(&mut self, frames: usize, muted: bool) -> Vec<AudioPacket> {
            for _ in 0..frames {
                self.now += FRAME_TIME;
                self.packets.extend(self.voice.push(&LOUD, 0, muted, self.now));
            }
            std::mem::take(&mut self.packets)
        }

        /// So many frames of a voice from its given frame on, or of silence.
        fn say(&mut self, from: usize, frames: usize, loud: bool) -> Vec<AudioPacket> {
            let mut packets = Vec::new();
            for n in from..from + frames {
                self.now += FRAME_TIME;
                let frame = if loud { voice(n * FRAME) } else { SILENCE };
                packets.extend(self.voice.push(&frame, 0, false, self.now));
            }
            packets
        }
    }

    #[test]
    fn with_dtx_silence_is_hardly_sent_and_speech_after_it_is_marked() {
        let mut bench = Bench::new(0);
        bench.voice.set_dtx(true);
        assert_eq!(bench.say(0, 100, true).len(), 50);
        let silence = bench.say(100, 400, false);
        assert!((5..=45).contains(&silence.len()), "{} packets", silence.len());
        let speech = bench.say(500, 100, true);
        assert!(speech.len() >= 48, "{} packets", speech.len());
        assert_eq!(speech.iter().filter(|packet| packet.marker).count(), 1, "the first one alone is marked");
        assert!(speech[0].marker);
        assert_eq!(speech.last().unwrap().timestamp, 598 * FRAME as u32);
    }

    #[test]
    fn with_dtx_comfort_noise_is_not_marked_and_speech_right_after_it_is() {
        // Comfort noise comes every 21 packets: in one of these speech follows it at once.
        for pause in (100..144).step_by(2) {
            let mut bench = Bench::new(0);
            bench.voice.set_dtx(true);
            bench.say(0, 60, true);
            let silence = bench.say(60, pause, false);
            assert!(silence.iter().all(|packet| !packet.marker), "after {pause} frames comfort noise is marked");
            let speech = bench.say(500, 20, true);
            let marks: Vec<_> = speech.iter().map(|packet| packet.marker).collect();
            assert!(marks[0] && !marks[1..].contains(&true), "after {pause} frames: {marks:?}");
        }
    }

    #[test]
    fn the_expected_loss_rises_soon_and_falls_late() {
        let mut voice = Voice::new(0).unwrap();
        let mut report = |percent, frames| {
            (0..frames).for_each(|_| voice.expect_loss(percent));
            voice.loss
        };
        assert!(report(30, 200) > 25.0);
        assert!(report(0, 500) > 20.0, "one good report is no good path");
        assert!(report(0, 12_000) < 0.5);
        assert!(report(20, 20) < 5.0, "nor is one bad one a bad path");
    }

    #[test]
    fn every_20_ms_there_is_a_packet_and_only_the_first_is_marked() {
        let packets = Bench::new(1_000).run(10, false);
        let seen: Vec<_> = packets.iter().map(|packet| (packet.timestamp, packet.marker)).collect();
        assert_eq!(seen, [(1_000, true), (1_960, false), (2_920, false), (3_880, false), (4_840, false)]);
    }

    #[test]
    fn the_clock_wraps() {
        let packets = Bench::new(u32::MAX - 959).run(6, false);
        let seen: Vec<_> = packets.iter().map(|packet| packet.timestamp).collect();
        assert_eq!(seen, [u32::MAX - 959, 0, 960]);
    }

    #[test]
    fn mute_ends_with_silence_and_then_sends_nothing() {
        let mut bench = Bench::new(0);
        bench.run(10, false);
        let tail = bench.run(100, true);
        assert!((2..=4).contains(&tail.len()), "{} packets", tail.len());
        let mut decoder = opus::Decoder::new(RATE, opus::Channels::Mono).unwrap();
        let mut pcm = [0.0; PACKET];
        for packet in &tail {
            decoder.decode_float(&packet.payload, &mut pcm, false).unwrap();
        }
        assert!(pcm[FRAME..].iter().all(|sample| sample.abs() < 0.01));
        assert!(bench.run(100, true).is_empty());
    }

    #[test]
    fn the_level_lives_through_mute() {
        let mut bench = Bench::new(0);
        bench.run(50, true);
        assert!(bench.voice.loudness() > 0.6);
    }

    #[test]
    fn the_clock_runs_on_through_mute() {
        let mut bench = Bench::new(0);
        bench.run(10, false);
        bench.run(101, true);
        let packets = bench.run(4, false);
        assert!(packets[0].marker);
        assert!(!packets[1].marker);
        assert_eq!(packets[0].timestamp, 111 * FRAME as u32);
    }

    #[test]
    fn unmuting_during_the_tail_goes_on_without_a_mark() {
        let mut bench = Bench::new(0);
        bench.run(10, false);
        bench.run(2, true);
        let packets = bench.run(4, false);
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 0);
        assert_eq!(packets[0].timestamp, 12 * FRAME as u32);
    }

    #[test]
    fn the_clock_runs_on_while_the_device_is_away() {
        let mut bench = Bench::new(0);
        bench.run(11, false);
        bench.now += Duration::from_secs(2);
        let packets = bench.run(2, false);
        assert!(packets[0].marker);
        assert_eq!(packets[0].timestamp, 11 * FRAME as u32 + 2 * RATE);
    }

    #[test]
    fn lost_samples_are_skipped_on_the_clock() {
        let mut bench = Bench::new(0);
        bench.run(2, false);
        bench.now += FRAME_TIME;
        assert_eq!(bench.voice.push(&LOUD, 480, false, bench.now), None);
        assert_eq!(bench.run(1, false)[0].timestamp, 1_440);
    }
}

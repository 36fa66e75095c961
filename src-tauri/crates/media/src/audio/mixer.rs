//! Mixing: all peers into one frame that never clips.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Instant,
};

use parlor_protocol::media::RtpReceived;
use tokio::sync::watch;

use super::{
    AudioStats, FRAME, Frame,
    level::{Meter, SILENCE},
    playout::Playout,
};

/// Frames between two shows of the levels: 50 ms, as often as a meter is drawn.
const SHOW_LEVELS: u64 = 5;
/// Frames between two shows of the statistics: 100 ms.
const SHOW_STATS: u64 = 10;

/// One peer's place at the mixing desk.
pub(crate) struct Strip {
    id: u64,
    packets: mpsc::Receiver<(RtpReceived, Instant)>,
    playout: Option<Playout>,
    meter: Meter,
    stats: watch::Sender<AudioStats>,
    loudness: Arc<AtomicU32>,
    volume: Arc<AtomicU32>,
    gain: f32,
}

impl Strip {
    pub(crate) fn new(
        id: u64,
        packets: mpsc::Receiver<(RtpReceived, Instant)>,
        stats: watch::Sender<AudioStats>,
        loudness: Arc<AtomicU32>,
        volume: Arc<AtomicU32>,
    ) -> Self {
        let playout = match Playout::new() {
            Ok(playout) => Some(playout),
            Err(error) => {
                tracing::error!(id, %error, "no decoder for this peer's sound");
                None
            }
        };
        Self { id, packets, playout, meter: Meter::new(), stats, loudness, volume, gain: 1.0 }
    }

    /// Writes the next 10 ms; false once its handle was dropped.
    fn pull(&mut self, frame: &mut Frame, now: Instant) -> bool {
        let open = loop {
            match (self.packets.try_recv(), &mut self.playout) {
                (Ok((packet, arrived)), Some(playout)) => playout.push(packet, arrived),
                (Ok(_), None) => {}
                (Err(mpsc::TryRecvError::Empty), _) => break true,
                (Err(mpsc::TryRecvError::Disconnected), _) => break false,
            }
        };
        match &mut self.playout {
            Some(playout) => playout.pull(frame, now),
            None => *frame = SILENCE,
        }
        self.meter.push(frame);
        self.loudness.store(self.meter.loudness().to_bits(), Ordering::Relaxed);
        open
    }

    /// Adds its frame to the mix; a change of the volume is spread over the frame.
    fn add_to(&mut self, mix: &mut Frame, frame: &Frame) {
        let volume = f32::from_bits(self.volume.load(Ordering::Relaxed));
        let step = (volume - self.gain) / FRAME as f32;
        for (n, (sum, sample)) in mix.iter_mut().zip(frame).enumerate() {
            *sum += sample * (self.gain + step * n as f32);
        }
        self.gain = volume;
    }

    fn show(&self) {
        if let Some(playout) = &self.playout {
            self.stats.send_replace(AudioStats { level_dbfs: self.meter.dbfs(), ..playout.stats() });
        }
    }
}

/// The mixing desk.
pub(crate) struct Mixer {
    strips: Vec<Strip>,
    limiter: Limiter,
    levels: watch::Sender<Vec<(u64, f32)>>,
    frames: u64,
}

impl Mixer {
    pub(crate) fn new(levels: watch::Sender<Vec<(u64, f32)>>) -> Self {
        Self { strips: Vec::new(), limiter: Limiter::new(), levels, frames: 0 }
    }

    pub(crate) fn add(&mut self, strip: Strip) {
        self.strips.push(strip);
    }

    /// Mixes the next 10 ms. Peers whose handle was dropped are gone with it.
    pub(crate) fn mix(&mut self, mix: &mut Frame, now: Instant) {
        *mix = SILENCE;
        let mut frame = SILENCE;
        self.strips.retain_mut(|strip| {
            let open = strip.pull(&mut frame, now);
            strip.add_to(mix, &frame);
            open
        });
        self.limiter.limit(mix);
        self.frames += 1;
        if self.frames.is_multiple_of(SHOW_STATS) {
            self.strips.iter().for_each(Strip::show);
        }
        if self.frames.is_multiple_of(SHOW_LEVELS) {
            let levels = self.strips.iter().map(|strip| (strip.id, strip.meter.loudness())).collect();
            self.levels.send_replace(levels);
        }
    }
}

/// Keeps a mix below full scale: turns it down within a frame, up again over half a second, and rounds off what is left over.
pub(crate) struct Limiter {
    gain: f32,
}

/// −0.5 dBFS: what the limiter aims at.
const CEILING: f32 = 0.944;
/// Frames in which the gain comes back half the way: 200 ms, slow enough not to pump.
const RETURN: f32 = 0.034;

impl Limiter {
    pub(crate) fn new() -> Self {
        Self { gain: 1.0 }
    }

    pub(crate) fn limit(&mut self, frame: &mut Frame) {
        let peak = frame.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let wanted = if peak > CEILING { CEILING / peak } else { 1.0 };
        let target = if wanted < self.gain { wanted } else { self.gain + (wanted - self.gain) * RETURN };
        if target > 0.9999 && self.gain > 0.9999 {
            self.gain = 1.0;
            return;
        }
        // Down within 2 ms, up over the whole frame.
        let ramp = if target < self.gain { FRAME / 5 } else { FRAME };
        let step = (target - self.gain) / ramp as f32;
        for (n, sample) in frame.iter_mut().enumerate() {
            *sample = soft(*sample * (self.gain + step * n.min(ramp) as f32));
        }
        self.gain = target;
    }
}

/// Straight up to the ceiling, then bent so that full scale is never passed.
fn soft(sample: f32) -> f32 {
    let over = sample.abs() - CEILING;
    if over <= 0.0 {
        return sample;
    }
    let room = 1.0 - CEILING;
    (CEILING + room * (over / (over + room))).copysign(sample)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{RATE, encoder::Encoder, measure};

    /// A mixer with so many peers, the n-th sending a tone of 300 + 100 n Hz.
    struct Desk {
        mixer: Mixer,
        levels: watch::Receiver<Vec<(u64, f32)>>,
        peers: Vec<Peer>,
        now: Instant,
        frames: usize,
    }

    struct Peer {
        hz: f32,
        amplitude: f32,
        encoder: Encoder,
        sequence: u16,
        packets: mpsc::SyncSender<(RtpReceived, Instant)>,
        volume: Arc<AtomicU32>,
        loudness: Arc<AtomicU32>,
        stats: watch::Receiver<AudioStats>,
    }

    impl Desk {
        fn new(peers: u64, amplitude: f32) -> Self {
            let (shown, levels) = watch::channel(Vec::new());
            let mut desk = Self { mixer: Mixer::new(shown), levels, peers: Vec::new(), now: Instant::now(), frames: 0 };
            for id in 0..peers {
                let (packets, queue) = mpsc::sync_channel(64);
                let (shown, stats) = watch::channel(AudioStats::default());
                let volume = Arc::new(AtomicU32::new(1f32.to_bits()));
                let loudness = Arc::new(AtomicU32::new(0));
                desk.mixer.add(Strip::new(id, queue, shown, loudness.clone(), volume.clone()));
                desk.peers.push(Peer {
                    hz: 300.0 + 100.0 * id as f32,
                    amplitude,
                    encoder: Encoder::new().unwrap(),
                    sequence: 0,
                    packets,
                    volume,
                    loudness,
                    stats,
                });
            }
            desk
        }

        fn run(&mut self, frames: usize) -> Vec<f32> {
            let mut heard = Vec::new();
            for _ in 0..frames {
                for peer in &mut self.peers {
                    peer.speak(self.frames * FRAME, self.now);
                }
                let mut frame = SILENCE;
                self.mixer.mix(&mut frame, self.now);
                heard.extend(frame);
                self.now += Duration::from_millis(10);
                self.frames += 1;
            }
            heard
        }
    }

    impl Peer {
        fn speak(&mut self, start: usize, now: Instant) {
            let frame = std::array::from_fn(|n| {
                self.amplitude
                    * (std::f64::consts::TAU * f64::from(self.hz) * (start + n) as f64 / 48_000.0).sin() as f32
            });
            if let Some(payload) = self.encoder.push(&frame) {
                let timestamp = u32::from(self.sequence) * 960;
                self.packets
                    .send((RtpReceived { sequence: self.sequence, timestamp, marker: false, payload }, now))
                    .unwrap();
                self.sequence += 1;
            }
        }
    }

    /// How loud one frequency is, in dBFS of a sine's root mean square.
    fn loudness_of(hz: f64, samples: &[f32]) -> f32 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let angle = std::f64::consts::TAU * hz * n as f64 / f64::from(RATE);
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        let amplitude = 2.0 * (re * re + im * im).sqrt() / samples.len() as f64;
        (20.0 * (amplitude / 2f64.sqrt()).log10()) as f32
    }

    #[test]
    fn eight_peers_are_all_heard() {
        let mut desk = Desk::new(8, 0.1);
        let heard = desk.run(300);
        let second = &heard[2 * RATE as usize..];
        for peer in &desk.peers {
            let level = loudness_of(f64::from(peer.hz), second);
            assert!((level + 23.0).abs() < 2.0, "{} Hz at {level} dBFS", peer.hz);
        }
    }

    #[test]
    fn eight_loud_peers_do_not_clip() {
        let heard = Desk::new(8, 0.8).run(200);
        let peak = heard.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak <= 1.0 && peak > 0.8, "a peak of {peak}");
        assert!(measure::level_dbfs(&heard[RATE as usize..]) > -15.0);
    }

    #[test]
    fn one_voice_passes_the_limiter_untouched() {
        let mut frame: Frame = std::array::from_fn(|n| 0.9 * (n as f32 / 20.0).sin());
        let before = frame;
        Limiter::new().limit(&mut frame);
        assert_eq!(frame, before);
    }

    #[test]
    fn the_limiter_lets_go_again() {
        let mut limiter = Limiter::new();
        limiter.limit(&mut [4.0; FRAME]);
        for _ in 0..200 {
            limiter.limit(&mut [0.1; FRAME]);
        }
        let mut frame = [0.1; FRAME];
        limiter.limit(&mut frame);
        assert!((frame[FRAME - 1] - 0.1).abs() < 0.001, "{}", frame[FRAME - 1]);
    }

    #[test]
    fn volumes_are_each_peer_s_own() {
        let mut desk = Desk::new(2, 0.2);
        desk.peers[0].volume.store(0f32.to_bits(), Ordering::Relaxed);
        let heard = desk.run(300);
        let second = &heard[2 * RATE as usize..];
        assert!(loudness_of(300.0, second) < -60.0);
        assert!((loudness_of(400.0, second) + 17.0).abs() < 2.0);
        // The meter shows what the peer says, whether it is heard or not.
        assert!(f32::from_bits(desk.peers[0].loudness.load(Ordering::Relaxed)) > 0.5);
    }

    #[test]
    fn a_dropped_peer_is_gone() {
        let mut desk = Desk::new(3, 0.1);
        desk.run(50);
        assert_eq!(desk.levels.borrow().len(), 3);
        desk.peers.remove(1);
        desk.run(10);
        let ids: Vec<_> = desk.levels.borrow().iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [0, 2]);
    }

    #[test]
    fn statistics_are_shown() {
        let mut desk = Desk::new(1, 0.25);
        desk.run(250);
        let stats = *desk.peers[0].stats.borrow();
        assert!((stats.level_dbfs + 15.05).abs() < 1.0, "{stats:?}");
        assert!(stats.received > 100 && stats.buffer_ms > 10.0, "{stats:?}");
    }
}

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

//! The speaker: every peer's sound mixed and played, on a thread of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as std_mpsc,
    },
    thread,
    time::Instant,
};

use parlor_protocol::{device::SpeakerSpec, media::RtpReceived};
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    AudioEvent, AudioStats, Frame,
    event::Reporter,
    level::SILENCE,
    microphone::no_thread,
    mixer::{Mixer, Strip},
    playback::{self, Sink},
};

/// Packets between a peer's handle and the mixer: 5 s of them. The mixer empties it every 10 ms; when it is full, packets are
/// dropped as the network would have.
const PACKETS: usize = 256;
/// Changes (a peer more, another device) that wait for the mixer. When it is full, who asks waits up to 10 ms.
const CHANGES: usize = 64;
/// Frames kept for a slow subscriber of the reference: 320 ms. Who is slower loses the oldest ones and is told so (`Lagged`).
const REFERENCES: usize = 32;

/// 10 ms exactly as the room hears them: what an echo canceller must subtract from the microphone.
#[derive(Debug, Clone)]
pub struct Reference {
    /// After mixing and limiting.
    pub frame: Frame,
    /// When the first sample leaves the speaker, as well as the device knows.
    pub heard_at: Instant,
}

/// An open speaker. Dropping it closes the device, or finishes the file.
#[derive(Debug)]
pub struct Speaker {
    changes: std_mpsc::SyncSender<Change>,
    levels: watch::Receiver<Vec<(u64, f32)>>,
    reference: broadcast::Sender<Arc<Reference>>,
}

enum Change {
    Peer(Strip),
    Switch(SpeakerSpec),
}

impl Speaker {
    /// Opens a speaker. It never fails: trouble is reported in `events`, a real device is tried until it runs, and all the
    /// while sound is mixed at its own pace, so that statistics and levels live.
    ///
    /// While `events` is full only the newest event is kept.
    pub fn open(spec: &SpeakerSpec, events: mpsc::Sender<AudioEvent>) -> Self {
        let (changes, requests) = std_mpsc::sync_channel(CHANGES);
        let (shown, levels) = watch::channel(Vec::new());
        let (reference, _) = broadcast::channel(REFERENCES);
        let worker = Worker { requests, reference: reference.clone(), events: events.clone(), mixer: Mixer::new(shown) };
        let spec = spec.clone();
        let spawned = thread::Builder::new().name("speaker".into()).spawn(move || worker.run(&spec));
        if let Err(error) = spawned {
            Reporter::new(events).report(no_thread(&error).into());
        }
        Self { changes, levels, reference }
    }

    /// A place in the mix for one track of one peer, until the handle is dropped. The id is the caller's and only
    /// names the track in [`levels`](Self::levels).
    pub fn peer(&self, id: u64) -> PeerAudio {
        let (packets, queue) = std_mpsc::sync_channel(PACKETS);
        let (shown, stats) = watch::channel(AudioStats::default());
        let loudness = Arc::new(AtomicU32::new(0f32.to_bits()));
        let volume = Arc::new(AtomicU32::new(1f32.to_bits()));
        let strip = Strip::new(id, queue, shown, loudness.clone(), volume.clone());
        if self.changes.send(Change::Peer(strip)).is_err() {
            tracing::warn!(id, "the speaker's thread is gone: this peer will not be heard");
        }
        PeerAudio { id, packets, stats, loudness, volume }
    }

    /// Changes to another device. The peers stay and nothing of theirs is lost.
    pub fn switch(&self, spec: &SpeakerSpec) -> bool {
        self.changes.send(Change::Switch(spec.clone())).is_ok()
    }

    /// How loud everybody is, as [`PeerAudio::level`], renewed every 50 ms. Can be waited on.
    pub fn levels(&self) -> watch::Receiver<Vec<(u64, f32)>> {
        self.levels.clone()
    }

    /// Every frame that is played from now on, for an echo canceller.
    pub fn reference(&self) -> broadcast::Receiver<Arc<Reference>> {
        self.reference.subscribe()
    }
}

/// One peer's track in the mix. Dropping it takes it out.
#[derive(Debug)]
pub struct PeerAudio {
    id: u64,
    packets: std_mpsc::SyncSender<(RtpReceived, Instant)>,
    stats: watch::Receiver<AudioStats>,
    loudness: Arc<AtomicU32>,
    volume: Arc<AtomicU32>,
}

impl PeerAudio {
    /// The id that it was made with.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A packet came. Never waits; false where the mixer is so far behind that it was dropped.
    pub fn push(&self, packet: RtpReceived, arrived: Instant) -> bool {
        self.packets.try_send((packet, arrived)).is_ok()
    }

    /// How it goes, renewed every 100 ms.
    pub fn stats(&self) -> AudioStats {
        *self.stats.borrow()
    }

    /// How loud it is: smoothed, 0 for silence to 1 for full scale, in even steps for the ear; before the volume.
    pub fn level(&self) -> f32 {
        f32::from_bits(self.loudness.load(Ordering::Relaxed))
    }

    /// How loud to play it: 0 for not at all, 1 as it came, 4 at most. What is not a number changes nothing.
    pub fn set_volume(&self, volume: f32) {
        if !volume.is_nan() {
            self.volume.store(volume.clamp(0.0, 4.0).to_bits(), Ordering::Relaxed);
        }
    }
}

struct Worker {
    requests: std_mpsc::Receiver<Change>,
    reference: broadcast::Sender<Arc<Reference>>,
    events: mpsc::Sender<AudioEvent>,
    mixer: Mixer,
}

impl Worker {
    fn run(mut self, spec: &SpeakerSpec) {
        let mut sink = playback::sink(spec, &self.events);
        let mut frame = SILENCE;
        loop {
            if !self.changes(&mut sink) {
                return;
            }
            for _ in 0..sink.wait() {
                let now = Instant::now();
                self.mixer.mix(&mut frame, now);
                let delay = sink.play(&frame);
                if self.reference.receiver_count() > 0 {
                    // The last receiver may have gone in between: nobody misses the frame.
                    let _ = self.reference.send(Arc::new(Reference { frame, heard_at: now + delay }));
                }
            }
        }
    }

    /// Does what was asked for; false once nobody can ask any more.
    fn changes(&mut self, sink: &mut Box<dyn Sink>) -> bool {
        loop {
            match self.requests.try_recv() {
                Ok(Change::Peer(strip)) => self.mixer.add(strip),
                Ok(Change::Switch(spec)) => *sink = playback::sink(&spec, &self.events),
                Err(std_mpsc::TryRecvError::Empty) => return true,
                Err(std_mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }
}

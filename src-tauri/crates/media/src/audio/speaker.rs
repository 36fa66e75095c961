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
use tokio::sync::{mpsc, watch};

use super::{
    AudioEvent, AudioStats, Frame,
    event::Reporter,
    level::SILENCE,
    microphone::no_thread,
    mixer::{Mixer, Strip},
    playback::{self, Sink},
    processing::{self, Played, Reference},
};

/// Packets between a peer's handle and the mixer: 5 s of them. The mixer empties it every 10 ms; when it is full, packets are
/// dropped as the network would have.
const PACKETS: usize = 256;
/// Changes (a peer more, another device) that wait for the mixer. When it is full, who asks waits up to 10 ms.
const CHANGES: usize = 64;

/// An open speaker. Dropping it closes the device, or finishes the file: it waits for the last frame, up to 20 ms.
#[derive(Debug)]
pub struct Speaker {
    /// Taken on drop: its end is what the worker waits for.
    changes: Option<std_mpsc::SyncSender<Change>>,
    worker: Option<thread::JoinHandle<()>>,
    levels: watch::Receiver<Vec<(u64, f32)>>,
}

enum Change {
    Peer(Box<Strip>),
    Reference(Played),
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
        let worker = Worker { requests, reference: None, events: events.clone(), mixer: Mixer::new(shown) };
        let spec = spec.clone();
        let spawned = thread::Builder::new().name("speaker".into()).spawn(move || worker.run(&spec));
        let worker = spawned.inspect_err(|error| Reporter::new(events).report(no_thread(error).into())).ok();
        Self { changes: Some(changes), worker, levels }
    }

    /// A place in the mix for one track of one peer, until the handle is dropped. The id is the caller's and only
    /// names the track in [`levels`](Self::levels).
    pub fn peer(&self, id: u64) -> PeerAudio {
        let (packets, queue) = std_mpsc::sync_channel(PACKETS);
        let (shown, stats) = watch::channel(AudioStats::default());
        let loudness = Arc::new(AtomicU32::new(0f32.to_bits()));
        let volume = Arc::new(AtomicU32::new(1f32.to_bits()));
        let strip = Strip::new(id, queue, shown, loudness.clone(), volume.clone());
        if !self.change(Change::Peer(Box::new(strip))) {
            tracing::warn!(id, "the speaker's thread is gone: this peer will not be heard");
        }
        PeerAudio { id, packets, stats, loudness, volume }
    }

    /// Changes to another device. The peers stay and nothing of theirs is lost. False where the speaker's thread is gone.
    pub fn switch(&self, spec: &SpeakerSpec) -> bool {
        self.change(Change::Switch(spec.clone()))
    }

    /// How loud everybody is, as [`PeerAudio::level`], renewed every 50 ms. Can be waited on.
    pub fn levels(&self) -> watch::Receiver<Vec<(u64, f32)>> {
        self.levels.clone()
    }

    /// What the room hears from now on, exactly as it goes to the device, for the canceller of one microphone: it is silence
    /// while there is no device, and another one takes its place. `None` where it cannot be had.
    pub fn reference(&self) -> Option<Reference> {
        match processing::reference() {
            Ok((played, reference)) => self.change(Change::Reference(played)).then_some(reference),
            Err(error) => {
                tracing::error!(error, "echoes will not be cancelled");
                None
            }
        }
    }

    fn change(&self, change: Change) -> bool {
        self.changes.as_ref().is_some_and(|changes| changes.send(change).is_ok())
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::error!("the speaker's thread panicked");
        }
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
    reference: Option<Played>,
    events: mpsc::Sender<AudioEvent>,
    mixer: Mixer,
}

impl Worker {
    fn run(mut self, spec: &SpeakerSpec) {
        let mut sink = playback::sink(spec, &self.events);
        let mut frame = SILENCE;
        while self.turn(&mut sink, &mut frame) {}
    }

    /// What was asked for, and what the sink wants; false once nobody can ask any more.
    fn turn(&mut self, sink: &mut Box<dyn Sink>, frame: &mut Frame) -> bool {
        if !self.changes(sink) {
            return false;
        }
        for _ in 0..sink.wait() {
            let now = Instant::now();
            self.mixer.mix(frame, now);
            if sink.play(frame)
                && let Some(reference) = &mut self.reference
            {
                reference.push(frame, now);
            }
        }
        true
    }

    /// Does what was asked for; false once nobody can ask any more.
    fn changes(&mut self, sink: &mut Box<dyn Sink>) -> bool {
        loop {
            match self.requests.try_recv() {
                Ok(Change::Peer(strip)) => self.mixer.add(*strip),
                Ok(Change::Reference(played)) => self.reference = Some(played),
                Ok(Change::Switch(spec)) => *sink = playback::sink(&spec, &self.events),
                Err(std_mpsc::TryRecvError::Empty) => return true,
                Err(std_mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::audio::{FRAME, Microphone, RATE, measure};

    fn open(spec: &str) -> (Speaker, mpsc::Receiver<AudioEvent>) {
        let (events, inbox) = mpsc::channel(8);
        (Speaker::open(&spec.parse().unwrap(), events), inbox)
    }

    /// Lets a peer say a 440 Hz tone for so many packets of 20 ms.
    async fn say(peer: &PeerAudio, packets: u16) {
        let (events, _inbox) = mpsc::channel(8);
        let microphone = Microphone::open(&"tone:440".parse().unwrap(), events);
        let mut tone = microphone.subscribe();
        for sequence in 0..packets {
            let packet = timeout(Duration::from_secs(5), tone.recv()).await.unwrap().unwrap();
            let payload = packet.payload.clone();
            peer.push(
                RtpReceived { sequence, timestamp: packet.timestamp, marker: packet.marker, payload },
                Instant::now(),
            );
        }
    }

    #[tokio::test]
    async fn a_file_holds_what_was_played() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heard.wav");
        let (speaker, mut inbox) = open(&format!("file:{}", path.display()));
        assert!(matches!(inbox.recv().await, Some(AudioEvent::Started { .. })));
        let peer = speaker.peer(1);
        say(&peer, 150).await;
        drop((peer, speaker));
        let (samples, rate) = measure::wav(&path).unwrap();
        let tone = measure::tone(&samples[samples.len() / 2..samples.len() - RATE as usize / 5], rate).unwrap();
        assert!((tone.hz - 440.0).abs() < 2.0 && (tone.dbfs + 15.0).abs() < 3.0, "{tone:?}");
    }

    #[tokio::test]
    async fn a_file_is_whole_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heard.wav");
        let (speaker, _inbox) = open(&format!("file:{}", path.display()));
        let peer = speaker.peer(1);
        say(&peer, 80).await;
        let (samples, _) = measure::wav(&path).unwrap();
        assert!(samples.len() >= RATE as usize, "{} samples", samples.len());
        drop(speaker);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_trouble() {
        let (_speaker, mut inbox) = open("file:/nowhere/at/all.wav");
        let event = timeout(Duration::from_secs(5), inbox.recv()).await.unwrap();
        assert!(matches!(event, Some(AudioEvent::Trouble { .. })), "{event:?}");
    }

    #[tokio::test]
    async fn without_a_speaker_levels_and_statistics_live() {
        let (speaker, _inbox) = open("none");
        let peer = speaker.peer(7);
        say(&peer, 60).await;
        assert!(peer.level() > 0.5, "{}", peer.level());
        assert!(peer.stats().received > 40, "{:?}", peer.stats());
        assert_eq!(speaker.levels().borrow()[0].0, 7);
    }

    /// A device that takes what it is given, and keeps it.
    struct Room {
        heard: std_mpsc::Sender<Frame>,
        frames: usize,
    }

    impl Sink for Room {
        fn wait(&mut self) -> usize {
            self.frames += 1;
            1
        }

        fn play(&mut self, frame: &Frame) -> bool {
            // Every third one finds no room.
            !self.frames.is_multiple_of(3) && self.heard.send(*frame).is_ok()
        }
    }

    #[test]
    fn the_reference_is_what_the_device_took_after_volume_and_limiter() {
        let (changes, requests) = std_mpsc::sync_channel(CHANGES);
        let (played, mut reference) = processing::reference().unwrap();
        let (shown, _levels) = watch::channel(Vec::new());
        let (events, _inbox) = mpsc::channel(8);
        let (heard, room) = std_mpsc::channel();
        let mut worker = Worker { requests, reference: Some(played), events, mixer: Mixer::new(shown) };
        let (packets, queue) = std_mpsc::sync_channel(PACKETS);
        let (shown, _stats) = watch::channel(AudioStats::default());
        // Four times as loud as it came: the limiter has to work.
        let volume = Arc::new(AtomicU32::new(4f32.to_bits()));
        let strip = Strip::new(1, queue, shown, Arc::new(AtomicU32::new(0)), volume);
        changes.send(Change::Peer(Box::new(strip))).unwrap();
        let mut encoder = crate::audio::encoder::Encoder::new().unwrap();
        let mut sink: Box<dyn Sink> = Box::new(Room { heard, frames: 0 });
        let mut cancelled = Vec::new();
        for n in 0..200 {
            let tone = std::array::from_fn(|k| 0.4 * ((n * FRAME + k) as f32 / 20.0).sin());
            if let Some(payload) = encoder.push(&tone) {
                let packet =
                    RtpReceived { sequence: n as u16 / 2, timestamp: n as u32 / 2 * 960, marker: false, payload };
                packets.send((packet, Instant::now())).unwrap();
            }
            assert!(worker.turn(&mut sink, &mut SILENCE.clone()));
            cancelled.extend(reference.take());
        }
        let played: Vec<f32> = room.try_iter().flatten().collect();
        assert!(measure::level_dbfs(&played) > -10.0, "{}", measure::level_dbfs(&played));
        assert_eq!(cancelled, played);
    }

    #[tokio::test]
    async fn without_a_speaker_the_reference_is_silence() {
        let (speaker, _inbox) = open("none");
        let mut reference = speaker.reference().unwrap();
        let peer = speaker.peer(1);
        say(&peer, 60).await;
        assert!(peer.level() > 0.5);
        assert_eq!(reference.take(), []);
    }

    #[tokio::test]
    async fn peers_survive_a_change_of_speaker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heard.wav");
        let (speaker, mut inbox) = open("none");
        let peer = speaker.peer(1);
        assert!(speaker.switch(&SpeakerSpec::File(path.display().to_string())));
        assert!(matches!(inbox.recv().await, Some(AudioEvent::Started { .. })));
        say(&peer, 60).await;
        drop(speaker);
        let (samples, _) = measure::wav(&path).unwrap();
        assert!(measure::level_dbfs(&samples[samples.len() / 2..]) > -20.0);
    }
}

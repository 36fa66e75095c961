//! From one session to the eyes and ears: pictures to the window or a decoder, sound to the speaker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc as blocking,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_engine::Media;
use parlor_media::{
    audio::{PeerAudio, Speaker},
    video::{Assembled, Assembler, Vp8Decoder},
};
use parlor_protocol::{
    frame::{FrameCodec, FrameHeader},
    headless::{AudioInStats, VideoInStats},
    media::{RtpReceived, TrackRole},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time,
};

use crate::{
    Decode, FrameSink,
    stats::{MediaTime, Pauses, Pictures},
};

/// RTP packets that may wait for a session's receiver; the engine drops what does not fit, which is then loss.
pub(crate) const PACKETS: usize = 1024;
/// Frames that may wait for the decoder. More means that it cannot keep up: it goes on at the next key frame.
const DECODE_AHEAD: usize = 8;
/// How often is looked whether tracks are stalled (`media_stall` of the timings decides what that means).
const FLOW_TICK: Duration = Duration::from_millis(250);
/// How long a decoder that lost its thread waits for the key frame it asked for: a request or a picture may be lost.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// The tracks that are looked at.
const WATCHED: [TrackRole; 2] = [TrackRole::Microphone, TrackRole::Camera];

/// Where pictures for the window go; empty until a window is attached.
pub(crate) type Sink = Arc<RwLock<Option<Arc<dyn FrameSink>>>>;

/// What a receiver tells the owner task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Note {
    /// The first sound was put into the jitter buffer.
    FirstAudio,
    /// The first picture of the session can be shown.
    FirstFrame { role: TrackRole, width: u32, height: u32 },
    /// Nothing came of a track for a while, or something comes again.
    Flow { role: TrackRole, stalled: bool },
    /// The picture cannot go on without a key frame.
    KeyFrameNeeded,
    /// A picture can be shown after the track was turned on.
    Picture { role: TrackRole },
}

/// How a session's receiver is made.
pub(crate) struct Receiving {
    pub(crate) id: u64,
    pub(crate) tile: u32,
    pub(crate) decode: watch::Receiver<Decode>,
    pub(crate) stall: Duration,
    pub(crate) sink: Sink,
    pub(crate) speaker: watch::Receiver<Option<Arc<Speaker>>>,
    pub(crate) notes: mpsc::Sender<(u64, Note)>,
    pub(crate) pauses: Arc<Pauses>,
}

/// Figures that are read from outside while the receiver runs.
#[derive(Default)]
pub(crate) struct Shared {
    pictures: Mutex<Pictures>,
    audio: Mutex<Option<Arc<PeerAudio>>>,
    /// A picture was shown.
    seen: AtomicBool,
    /// The next picture is to be told of.
    awaited: AtomicBool,
    /// When tracks were turned on.
    began: Mutex<BTreeMap<TrackRole, Instant>>,
    pauses: Arc<Pauses>,
}

impl Shared {
    pub(crate) fn video(&self, now: Instant) -> VideoInStats {
        let gap_ms = self.pauses.read(TrackRole::Camera, now);
        VideoInStats { gap_ms, ..lock(&self.pictures).read(now) }
    }

    pub(crate) fn audio(&self, now: Instant) -> AudioInStats {
        let gap_ms = self.pauses.read(TrackRole::Microphone, now);
        let audio = lock(&self.audio).clone();
        let figures = audio.map_or_else(AudioInStats::default, |audio| {
            let stats = audio.stats();
            AudioInStats {
                level_dbfs: stats.level_dbfs.into(),
                concealed_ratio: stats.concealed_ratio.into(),
                buffer_ms: stats.buffer_ms.into(),
                lost: stats.lost,
                gap_ms: 0,
            }
        });
        AudioInStats { gap_ms, ..figures }
    }

    /// Loudness, 0 to 1.
    pub(crate) fn level(&self) -> f32 {
        lock(&self.audio).as_ref().map_or(0.0, |audio| audio.level())
    }

    /// A track was turned off: the pause to come is neither a freeze nor a gap.
    pub(crate) fn pause(&self, role: TrackRole) {
        self.pauses.off(role);
        if role == TrackRole::Camera {
            lock(&self.pictures).pause();
        }
    }

    /// A track was turned on: it has time to begin, and a camera's first picture is to be told of.
    pub(crate) fn begin(&self, role: TrackRole, now: Instant) {
        lock(&self.began).insert(role, now);
        if role == TrackRole::Camera {
            self.awaited.store(true, Ordering::Relaxed);
        }
    }

    fn began(&self, role: TrackRole) -> Option<Instant> {
        lock(&self.began).get(&role).copied()
    }

    /// Counts a picture, and tells of it where somebody waits for one.
    fn shown(&self, id: u64, (width, height): (u32, u32), notes: &mpsc::Sender<(u64, Note)>) {
        let (role, now) = (TrackRole::Camera, Instant::now());
        lock(&self.pictures).shown(width, height, now);
        self.pauses.came(role, now);
        let first = !self.seen.swap(true, Ordering::Relaxed);
        let note = match (first, self.awaited.swap(false, Ordering::Relaxed)) {
            (true, _) => Note::FirstFrame { role, width, height },
            (false, true) => Note::Picture { role },
            (false, false) => return,
        };
        if notes.try_send((id, note)).is_err() {
            // The next picture tells of it.
            self.seen.store(!first, Ordering::Relaxed);
            self.awaited.store(true, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing is left half-done under these locks, so a panic elsewhere does not spoil what they hold.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a receiver; it ends with the media queue of its session.
pub(crate) fn spawn(setup: Receiving, media: mpsc::Receiver<Media>) -> (JoinHandle<()>, Arc<Shared>) {
    let shared = Arc::new(Shared { pauses: Arc::clone(&setup.pauses), ..Shared::default() });
    let receiver = Receiver {
        screen: Screen::new(&setup, &shared),
        assembler: Assembler::new(),
        ears: None,
        heard: false,
        flows: WATCHED.map(|role| Flow { role, last: None, stalled: false }),
        shared: Arc::clone(&shared),
        setup,
    };
    (tokio::spawn(receiver.run(media)), shared)
}

struct Receiver {
    setup: Receiving,
    shared: Arc<Shared>,
    assembler: Assembler,
    screen: Screen,
    ears: Option<Arc<PeerAudio>>,
    heard: bool,
    flows: [Flow; WATCHED.len()],
}

/// Whether anything comes of a track that has begun: one that never gave anything is not there, rather than stalled.
struct Flow {
    role: TrackRole,
    last: Option<Instant>,
    stalled: bool,
}

impl Receiver {
    async fn run(mut self, mut media: mpsc::Receiver<Media>) {
        let mut tick = time::interval(FLOW_TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        self.listen();
        loop {
            let wake = self.assembler.poll_timeout();
            tokio::select! {
                packet = media.recv() => match packet {
                    Some((_, role, packet, at)) => self.packet(role, packet, at),
                    None => return,
                },
                () = sleep_until(wake) => {}
                _ = tick.tick() => self.flow(Instant::now()),
                changed = self.setup.speaker.changed() => match changed {
                    Ok(()) => self.listen(),
                    Err(_) => return,
                },
                changed = self.setup.decode.changed() => match changed {
                    Ok(()) => self.look(),
                    Err(_) => return,
                },
            }
            self.pictures(Instant::now());
        }
    }

    /// Takes a place at the speaker, which may be another one than before.
    fn listen(&mut self) {
        let speaker = self.setup.speaker.borrow_and_update().clone();
        self.ears = speaker.map(|speaker| Arc::new(speaker.peer(self.setup.id)));
        lock(&self.shared.audio).clone_from(&self.ears);
    }

    /// Pictures are decoded elsewhere from now on, where only a key frame can begin.
    fn look(&mut self) {
        self.screen = Screen::new(&self.setup, &self.shared);
        self.note(Note::KeyFrameNeeded);
    }

    fn packet(&mut self, role: TrackRole, packet: RtpReceived, at: Instant) {
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.role == role) {
            flow.last = Some(at);
        }
        match role {
            TrackRole::Camera => self.assembler.push(packet, at),
            TrackRole::Microphone => {
                self.setup.pauses.came(role, at);
                if let Some(ears) = &self.ears {
                    ears.push(packet, at);
                }
                if !self.heard {
                    self.heard = true;
                    self.note(Note::FirstAudio);
                }
            }
            // Nobody shares a screen yet: these lines are negotiated and silent.
            TrackRole::Screen | TrackRole::ScreenAudio => {}
        }
    }

    fn pictures(&mut self, now: Instant) {
        while let Some(assembled) = self.assembler.poll(now) {
            match assembled {
                Assembled::Frame(frame) => {
                    if !self.screen.show(frame.data, frame.key, frame.timestamp, frame.size) {
                        self.note(Note::KeyFrameNeeded);
                    }
                }
                Assembled::KeyFrameNeeded => self.note(Note::KeyFrameNeeded),
            }
        }
    }

    fn flow(&mut self, now: Instant) {
        for flow in &mut self.flows {
            let began = self.shared.began(flow.role);
            let last = flow.last.filter(|last| began.is_none_or(|began| began <= *last));
            let stalled = last.is_some_and(|last| now.saturating_duration_since(last) >= self.setup.stall);
            let note = (self.setup.id, Note::Flow { role: flow.role, stalled });
            // One that finds no room is told at the next look.
            if stalled != flow.stalled && self.setup.notes.try_send(note).is_ok() {
                flow.stalled = stalled;
            }
        }
    }

    fn note(&self, note: Note) {
        if self.setup.notes.try_send((self.setup.id, note)).is_err() {
            tracing::warn!(?note, "a note on media was dropped");
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Where whole frames go: to the window as they are, or through a decoder on a thread of its own.
struct Screen {
    tile: u32,
    id: u64,
    way: Way,
    time: MediaTime,
    size: Option<(u32, u32)>,
    /// The decoder lost its thread: only a key frame helps, which was asked for last then.
    skipping: Option<Instant>,
    shared: Arc<Shared>,
    notes: mpsc::Sender<(u64, Note)>,
}

enum Way {
    Decoder(blocking::SyncSender<Frame>),
    Nowhere,
    Window(Sink),
}

struct Frame {
    data: Bytes,
    time_us: u64,
}

impl Screen {
    fn new(setup: &Receiving, shared: &Arc<Shared>) -> Self {
        let way = match *setup.decode.borrow() {
            Decode::All => Way::Decoder(decoder(setup, Arc::clone(shared))),
            Decode::None => Way::Nowhere,
            Decode::Window => Way::Window(Arc::clone(&setup.sink)),
        };
        Self {
            tile: setup.tile,
            id: setup.id,
            way,
            time: MediaTime::default(),
            size: None,
            skipping: None,
            shared: Arc::clone(shared),
            notes: setup.notes.clone(),
        }
    }

    /// Whether it was taken; where not, a key frame is needed to go on.
    fn show(&mut self, data: Bytes, key: bool, timestamp: u32, size: Option<(u32, u32)>) -> bool {
        let time_us = self.time.micros(timestamp);
        self.size = size.or(self.size);
        let Some((width, height)) = self.size else { return true };
        match &self.way {
            Way::Decoder(decoder) => {
                let now = Instant::now();
                self.skipping = self.skipping.filter(|_| !key);
                if let Some(asked) = self.skipping {
                    let again = now.saturating_duration_since(asked) >= ASK_AGAIN;
                    self.skipping = Some(if again { now } else { asked });
                    return !again;
                }
                let taken = decoder.try_send(Frame { data, time_us }).is_ok();
                self.skipping = (!taken).then_some(now);
                taken
            }
            Way::Nowhere => true,
            Way::Window(sink) => {
                let header = header(FrameCodec::Vp8, key, self.tile, (width, height), time_us);
                let sink = sink.read().unwrap_or_else(PoisonError::into_inner);
                // Without a window nobody is behind.
                let taken = sink.as_ref().is_none_or(|sink| sink.frame(header, &data));
                self.shared.shown(self.id, (width, height), &self.notes);
                taken
            }
        }
    }
}

fn header(codec: FrameCodec, key: bool, tile: u32, (width, height): (u32, u32), time_us: u64) -> FrameHeader {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    FrameHeader { codec, key, mirror: false, tile, width: side(width), height: side(height), time_us }
}

/// Decodes on a thread of its own until its queue is dropped.
fn decoder(setup: &Receiving, shared: Arc<Shared>) -> blocking::SyncSender<Frame> {
    let (sender, frames) = blocking::sync_channel::<Frame>(DECODE_AHEAD);
    let (id, tile) = (setup.id, setup.tile);
    let (sink, notes) = (Arc::clone(&setup.sink), setup.notes.clone());
    let thread = move || {
        let mut decoder = match Vp8Decoder::new() {
            Ok(decoder) => decoder,
            Err(error) => {
                tracing::error!(%error, "no decoder: this peer's picture stays dark");
                return;
            }
        };
        for frame in frames {
            match decoder.decode(&frame.data) {
                Ok(Some(picture)) => {
                    let size = (picture.width, picture.height);
                    shared.shown(id, size, &notes);
                    if let Some(sink) = sink.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
                        // A raw picture that is lost spoils none after it.
                        let _taken =
                            sink.frame(header(FrameCodec::I420, true, tile, size, frame.time_us), &picture.data);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "a frame could not be decoded");
                    let _full = notes.try_send((id, Note::KeyFrameNeeded));
                }
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name(format!("decode-{tile}")).spawn(thread) {
        tracing::error!(%error, "no thread to decode on");
    }
    sender
}

//! From one session to the eyes and ears: pictures to the window or a decoder, sound to the speaker.

mod screen;
mod shared;

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use parlor_engine::Media;
use parlor_media::{
    audio::{PeerAudio, Speaker},
    video::{Assembled, Assembler, Playout},
};
use parlor_protocol::media::{RtpReceived, TrackRole};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time,
};

use self::screen::Screen;
use crate::{Decode, FrameSink, stats::Pauses};

pub(crate) use self::shared::Shared;

/// RTP packets that may wait for a session's receiver; the engine drops what does not fit, which is then loss.
pub(crate) const PACKETS: usize = 1024;
/// How often is looked whether tracks are stalled (`media_stall` of the timings decides what that means).
const FLOW_TICK: Duration = Duration::from_millis(250);
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

/// Starts a receiver; it ends with the media queue of its session.
pub(crate) fn spawn(setup: Receiving, media: mpsc::Receiver<Media>) -> (JoinHandle<()>, Arc<Shared>) {
    let shared = Arc::new(Shared::new(Arc::clone(&setup.pauses)));
    let receiver = Receiver {
        screen: Screen::new(&setup, &shared),
        assembler: Assembler::new(),
        playout: Playout::new(),
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
    playout: Playout,
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
            let wake = self.assembler.poll_timeout().into_iter().chain(self.playout.poll_timeout()).min();
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
        self.shared.listen(self.ears.as_ref());
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
        self.assembler.set_rtt(self.shared.rtt());
        self.assembler.set_delay(self.playout.delay());
        while let Some(assembled) = self.assembler.poll(now) {
            match assembled {
                Assembled::Frame(frame) => self.playout.push(frame, now),
                Assembled::KeyFrameNeeded => self.note(Note::KeyFrameNeeded),
            }
        }
        while let Some(frame) = self.playout.poll(now) {
            if !self.screen.show(frame.data, frame.key, frame.timestamp, frame.size) {
                self.note(Note::KeyFrameNeeded);
            }
        }
    }

    fn flow(&mut self, now: Instant) {
        for flow in &mut self.flows {
            let stalled = self.shared.is_stalled(flow.role, flow.last, self.setup.stall, now);
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

//! Where whole frames go: to the window, or through a decoder.

use std::{
    sync::{Arc, PoisonError, mpsc as blocking},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_media::video::Vp8Decoder;
use parlor_protocol::frame::{FrameCodec, FrameHeader};
use tokio::sync::mpsc;

use super::{Note, Receiving, Shared, Sink};
use crate::{Decode, stats::MediaTime};

/// Frames that may wait for the decoder. More means that it cannot keep up: it goes on at the next key frame.
const DECODE_AHEAD: usize = 8;
/// How long a decoder that lost its thread waits for the key frame it asked for: a request or a picture may be lost.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Where whole frames go: to the window as they are, or through a decoder on a thread of its own.
pub(super) struct Screen {
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
    pub(super) fn new(setup: &Receiving, shared: &Arc<Shared>) -> Self {
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
    pub(super) fn show(&mut self, data: Bytes, key: bool, timestamp: u32, size: Option<(u32, u32)>) -> bool {
        let time_us = self.time.micros(timestamp);
        self.size = size.or(self.size);
        let Some((width, height)) = self.size else { return true };
        self.shared.came();
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

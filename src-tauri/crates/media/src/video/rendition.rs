//! One encoding of a source, made once and sent to many.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parlor_protocol::device::VideoFormat;
use tokio::{
    runtime,
    sync::{Notify, broadcast, watch},
    time,
};

use super::{EncodedFrame, Error, Picture, Vp8Encoder, fit, scale};

/// Frames that may wait for a slow subscriber: about a second. One that falls further behind loses the oldest and is told so.
const FRAMES: usize = 32;
/// The least time between two forced key frames: people who join together share one.
const KEY_EVERY: Duration = Duration::from_millis(500);
/// How long a wanted key frame waits for a new picture before it is made of the last one.
const KEY_PATIENCE: Duration = Duration::from_millis(150);
/// Bits for a pixel, in thousandths, below which half the size looks better than the whole: 550 kbit/s at 1280x720 and 30 a second.
const LEAST_DETAIL: u64 = 20;
/// The same in a picture that was halved: it must be well worth the key frame.
const MORE_DETAIL: u64 = 26;
/// How often a picture is halved at most.
const MOST_HALVINGS: u32 = 2;
/// Over which time figures are taken.
const WINDOW: Duration = Duration::from_secs(1);

/// What an encoder did within the last second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RenditionStats {
    /// Frames a second; 0 while nobody subscribes.
    pub fps: f64,
    /// Pixels across; 0 before the first frame.
    pub width: u32,
    /// Pixels down; 0 before the first frame.
    pub height: u32,
    /// Mean time to encode a frame.
    pub encode_ms: f64,
    /// Bits a second that came out.
    pub bitrate: u64,
}

/// An encoder on a thread of its own. It works only while somebody subscribes, and stops when this is dropped.
#[derive(Debug)]
pub struct Rendition {
    frames: broadcast::Sender<Arc<EncodedFrame>>,
    wishes: Arc<Wishes>,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Debug)]
struct Wishes {
    bitrate: AtomicU32,
    key: AtomicBool,
    stopped: AtomicBool,
    /// A key frame is wanted, or the end.
    news: Notify,
}

impl Rendition {
    /// Encodes what appears in the slot, scaled down to fit `format` and no faster than it says. `bitrate` in bits a second; where
    /// it is too low for the size, the sides are halved, and halved again.
    pub fn spawn(slot: watch::Receiver<Option<Arc<Picture>>>, format: VideoFormat, bitrate: u32) -> Self {
        let frames = broadcast::Sender::new(FRAMES);
        let wishes = Arc::new(Wishes {
            bitrate: AtomicU32::new(bitrate),
            key: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
            news: Notify::new(),
        });
        let ledger = Arc::default();
        let worker = Worker {
            frames: frames.clone(),
            wishes: Arc::clone(&wishes),
            ledger: Arc::clone(&ledger),
            format,
            pace: Pace::new(format.fps),
            encoder: None,
            halvings: 0,
            last_key: None,
        };
        if let Err(error) = thread::Builder::new().name("rendition".to_owned()).spawn(move || worker.run(slot)) {
            tracing::error!(%error, "no thread to encode on: nobody will see this picture");
        }
        Self { frames, wishes, ledger }
    }

    /// The frames from now on. A key frame is asked for, so that one can begin.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<EncodedFrame>> {
        let frames = self.frames.subscribe();
        self.request_key();
        frames
    }

    /// Asks for a key frame: at once, or 500 ms after the one before.
    pub fn request_key(&self) {
        self.wishes.key.store(true, Ordering::Release);
        self.wishes.news.notify_one();
    }

    /// Changes the bitrate, in bits a second, from the next frame on.
    pub fn set_bitrate(&self, bitrate: u32) {
        self.wishes.bitrate.store(bitrate, Ordering::Relaxed);
    }

    /// What was done within the last second.
    pub fn stats(&self) -> RenditionStats {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).read(Instant::now())
    }
}

impl Drop for Rendition {
    fn drop(&mut self) {
        self.wishes.stopped.store(true, Ordering::Release);
        self.wishes.news.notify_one();
    }
}

struct Worker {
    frames: broadcast::Sender<Arc<EncodedFrame>>,
    wishes: Arc<Wishes>,
    ledger: Arc<Mutex<Ledger>>,
    format: VideoFormat,
    pace: Pace,
    encoder: Option<Vp8Encoder>,
    halvings: u32,
    last_key: Option<Instant>,
}

impl Worker {
    fn run(mut self, slot: watch::Receiver<Option<Arc<Picture>>>) {
        match runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime.block_on(self.work(slot)),
            Err(error) => tracing::error!(%error, "no clock to encode by: nobody will see this picture"),
        }
    }

    async fn work(&mut self, mut slot: watch::Receiver<Option<Arc<Picture>>>) {
        slot.mark_changed();
        let wishes = Arc::clone(&self.wishes);
        loop {
            let repeat = self.repeat_at(&slot);
            let fresh = tokio::select! {
                changed = slot.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
                () = wishes.news.notified() => false,
                () = sleep_until(repeat) => false,
            };
            if wishes.stopped.load(Ordering::Acquire) {
                return;
            }
            let picture = slot.borrow_and_update().clone();
            let Some(picture) = picture else { continue };
            if self.frames.receiver_count() == 0 {
                // Whoever comes next needs a key frame; until then there is no encoder to keep warm.
                wishes.key.store(true, Ordering::Release);
                self.encoder = None;
            } else if fresh || repeat.is_some_and(|at| at <= Instant::now()) {
                self.picture(&picture, fresh);
            }
        }
    }

    /// When the last picture must be sent again because a key frame is wanted and no new picture comes.
    fn repeat_at(&self, slot: &watch::Receiver<Option<Arc<Picture>>>) -> Option<Instant> {
        let wanted = self.wishes.key.load(Ordering::Acquire) && self.frames.receiver_count() > 0;
        let due = self.last_key.map_or_else(Instant::now, |last| last + KEY_EVERY);
        let shown = slot.borrow().as_ref().map(|picture| picture.captured)?;
        wanted.then(|| due.max(shown + KEY_PATIENCE))
    }

    fn picture(&mut self, picture: &Picture, fresh: bool) {
        let now = Instant::now();
        let key = self.wishes.key.load(Ordering::Acquire) && self.last_key.is_none_or(|last| now >= last + KEY_EVERY);
        if !self.pace.take(if fresh { picture.captured } else { now }, key) {
            return;
        }
        let (width, height) = self.size(picture);
        let scaled = ((width, height) != (picture.width, picture.height)).then(|| scale(picture, width, height));
        let repeated = (!fresh).then(|| Picture { captured: now, ..scaled.as_ref().unwrap_or(picture).clone() });
        match self.encode(repeated.as_ref().or(scaled.as_ref()).unwrap_or(picture), key) {
            Ok(Some(frame)) => {
                if frame.key {
                    self.wishes.key.store(false, Ordering::Release);
                    self.last_key = Some(now);
                }
                self.ledger.lock().unwrap_or_else(PoisonError::into_inner).note(&frame, Instant::now());
                // Nobody there any more is no error.
                let _gone = self.frames.send(Arc::new(frame));
            }
            Ok(None) => tracing::trace!("a frame was left out to keep the bitrate"),
            Err(error) => {
                tracing::warn!(%error, "a picture could not be encoded");
                self.encoder = None;
            }
        }
    }

    /// At which size the picture is worth its bits.
    fn size(&mut self, picture: &Picture) -> (u32, u32) {
        let full = fit((picture.width, picture.height), (self.format.width, self.format.height));
        let halved = |halvings: u32| fit(full, (full.0 >> halvings, full.1 >> halvings));
        let bitrate = u64::from(self.wishes.bitrate.load(Ordering::Relaxed));
        let detail = |(width, height): (u32, u32)| {
            bitrate * 1000 / (u64::from(width) * u64::from(height) * u64::from(self.format.fps.max(1)))
        };
        if detail(halved(self.halvings)) < LEAST_DETAIL && self.halvings < MOST_HALVINGS {
            self.halvings += 1;
        } else if self.halvings > 0 && detail(halved(self.halvings - 1)) >= MORE_DETAIL {
            self.halvings -= 1;
        }
        halved(self.halvings)
    }

    fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedFrame>, Error> {
        let bitrate = self.wishes.bitrate.load(Ordering::Relaxed);
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Vp8Encoder::new(picture.width, picture.height, self.format.fps, bitrate)?),
        };
        encoder.set_bitrate(bitrate)?;
        encoder.encode(picture, key)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// Lets pictures through at no more than a rate, evenly: a source that jitters around the rate loses none.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    due: Option<Instant>,
}

impl Pace {
    fn new(fps: u32) -> Self {
        Self { interval: Duration::from_secs(1) / fps.max(1), due: None }
    }

    fn take(&mut self, captured: Instant, urgent: bool) -> bool {
        let due = self.due.unwrap_or(captured);
        // Half an interval early is nearer to this frame's time than to the next one's.
        if captured + self.interval / 2 < due && !urgent {
            return false;
        }
        // A source that paused must not be let through faster afterwards.
        let late = captured.saturating_duration_since(due) > self.interval;
        self.due = Some(if late || urgent { captured } else { due } + self.interval);
        true
    }
}

#[derive(Debug, Default)]
struct Ledger {
    frames: VecDeque<Entry>,
    size: (u32, u32),
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    encode_time: Duration,
    bytes: usize,
}

impl Ledger {
    fn note(&mut self, frame: &EncodedFrame, now: Instant) {
        self.size = (frame.width, frame.height);
        self.frames.push_back(Entry { at: now, encode_time: frame.encode_time, bytes: frame.data.len() });
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        while self.frames.front().is_some_and(|entry| now.saturating_duration_since(entry.at) > WINDOW) {
            self.frames.pop_front();
        }
    }

    fn read(&mut self, now: Instant) -> RenditionStats {
        self.forget(now);
        let (width, height) = self.size;
        let count = self.frames.len() as f64;
        let (Some(first), Some(last)) = (self.frames.front(), self.frames.back()) else {
            return RenditionStats { width, height, ..RenditionStats::default() };
        };
        let span = last.at.saturating_duration_since(first.at).as_secs_f64();
        // Intervals are counted, not frames: the window's edges cut at no particular place.
        let fps = if span > 0.0 { (count - 1.0) / span } else { count };
        let encode_time: Duration = self.frames.iter().map(|entry| entry.encode_time).sum();
        let bytes: usize = self.frames.iter().map(|entry| entry.bytes).sum();
        RenditionStats {
            fps,
            width,
            height,
            encode_ms: encode_time.as_secs_f64() * 1000.0 / count,
            bitrate: (bytes as f64 * 8.0 * fps / count) as u64,
        }
    }
}

#[cfg(test)]
mod tests;

//! One encoding of a source, made once and sent to many.
//!
//! Owns: encoder threads, when they work, what they cost. Refuses: who takes which encoding, and at which bitrate.

mod encoding;
mod ladder;
mod ledger;
mod load;

use std::{
    collections::BTreeMap,
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

use self::{
    encoding::{Encoding, Wish},
    ledger::Ledger,
};
use super::{EncodedFrame, Picture, Share};

pub use self::{ladder::Ladder, ledger::RenditionStats, load::Load};

/// Frames that may wait for a slow subscriber: about a second. One that falls further behind loses the oldest and is told so.
const FRAMES: usize = 32;
/// When to look again whether anybody has room for a key frame that is wanted.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Bits a second before anybody has said how many there are to be.
const FIRST_BITRATE: u32 = 300_000;

/// An encoder on a thread of its own. It works only while somebody subscribes: without, the thread sleeps and the encoder's
/// memory is free. It stops when this is dropped.
#[derive(Debug)]
pub struct Rendition {
    frames: broadcast::Sender<Arc<EncodedFrame>>,
    wishes: Arc<Wishes>,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Debug)]
struct Wishes {
    rooms: Rooms,
    format: Mutex<VideoFormat>,
    bitrate: AtomicU32,
    upper: AtomicBool,
    key: AtomicBool,
    stopped: AtomicBool,
    /// A key frame is wanted, somebody came or went, or the end.
    news: Notify,
}

impl Wishes {
    fn want_key(&self) {
        self.key.store(true, Ordering::Release);
        self.news.notify_one();
    }
}

/// What tells of each taker whether it has room for another frame.
#[derive(Default)]
struct Rooms(Mutex<BTreeMap<u64, Box<dyn Fn() -> bool + Send>>>);

impl Rooms {
    fn enter(&self, has_room: Box<dyn Fn() -> bool + Send>) -> u64 {
        let mut rooms = lock(&self.0);
        let id = rooms.last_key_value().map_or(0, |(last, _)| last + 1);
        rooms.insert(id, has_room);
        id
    }

    fn leave(&self, id: u64) {
        lock(&self.0).remove(&id);
    }

    fn any(&self) -> bool {
        lock(&self.0).values().any(|has_room| has_room())
    }
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rooms").field(&lock(&self.0).len()).finish()
    }
}

/// The frames of a rendition, for one taker. Dropping the last one stops the encoder.
#[derive(Debug)]
pub struct Subscription {
    frames: Option<broadcast::Receiver<Arc<EncodedFrame>>>,
    wishes: Arc<Wishes>,
    id: u64,
}

impl Subscription {
    /// The next frame. Can be dropped while it waits.
    ///
    /// # Errors
    /// `Lagged`: some were missed. `Closed`: there will be no more.
    pub async fn next(&mut self) -> Result<Arc<EncodedFrame>, broadcast::error::RecvError> {
        match &mut self.frames {
            Some(frames) => frames.recv().await,
            None => Err(broadcast::error::RecvError::Closed),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.frames = None;
        self.wishes.rooms.leave(self.id);
        self.wishes.news.notify_one();
    }
}

impl Rendition {
    /// Encodes what appears in the slot, scaled down to fit `format` and no faster than it says.
    pub fn spawn(slot: watch::Receiver<Option<Arc<Picture>>>, format: VideoFormat) -> Self {
        let frames = broadcast::Sender::new(FRAMES);
        let wishes = Arc::new(Wishes {
            format: Mutex::new(format),
            rooms: Rooms::default(),
            bitrate: AtomicU32::new(FIRST_BITRATE),
            upper: AtomicBool::new(true),
            key: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
            news: Notify::new(),
        });
        let ledger = Arc::default();
        let worker = Worker {
            frames: frames.clone(),
            wishes: Arc::clone(&wishes),
            ledger: Arc::clone(&ledger),
            encoding: Encoding::new(format),
        };
        if let Err(error) = thread::Builder::new().name("rendition".to_owned()).spawn(move || worker.run(slot)) {
            tracing::error!(%error, "no thread to encode on: nobody will see this picture");
        }
        Self { frames, wishes, ledger }
    }

    /// The frames from now on. A key frame is asked for, so that one can begin. `has_room` is asked before each picture, on the
    /// encoder's thread: where no taker has room, there is no frame, which is better than one that is thrown away.
    pub fn subscribe(&self, has_room: impl Fn() -> bool + Send + 'static) -> Subscription {
        let id = self.wishes.rooms.enter(Box::new(has_room));
        let frames = Some(self.frames.subscribe());
        self.request_key();
        Subscription { frames, wishes: Arc::clone(&self.wishes), id }
    }

    /// Asks for a key frame: at once, or 500 ms after the one before.
    pub fn request_key(&self) {
        self.wishes.want_key();
    }

    /// Changes what is made, from the next frame on. Pictures of an upper temporal layer that nobody takes are not encoded; when
    /// somebody does again, no key frame is needed.
    pub fn set_share(&self, share: Share) {
        self.wishes.bitrate.store(share.bitrate, Ordering::Relaxed);
        self.wishes.upper.store(share.upper, Ordering::Relaxed);
    }

    /// Changes size and rate from the next picture on. Another size begins with a key frame.
    pub fn set_format(&self, format: VideoFormat) {
        *lock(&self.wishes.format) = format;
    }

    /// What was done within the last second.
    pub fn stats(&self) -> RenditionStats {
        let stats = lock(&self.ledger).read(Instant::now());
        let times = if self.wishes.upper.load(Ordering::Relaxed) { 1.0 } else { 2.0 };
        RenditionStats { whole: stats.busy * times, ..stats }
    }
}

impl Drop for Rendition {
    fn drop(&mut self) {
        self.wishes.stopped.store(true, Ordering::Release);
        self.wishes.news.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing is left half-done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    frames: broadcast::Sender<Arc<EncodedFrame>>,
    wishes: Arc<Wishes>,
    ledger: Arc<Mutex<Ledger>>,
    encoding: Encoding,
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
            let taken = self.frames.receiver_count() > 0;
            if !taken {
                self.encoding.rest();
                lock(&self.ledger).rest();
                // Whoever comes next needs one.
                wishes.key.store(true, Ordering::Release);
            }
            let repeat = if taken { self.repeat_at(&slot) } else { None };
            let fresh = tokio::select! {
                changed = slot.changed(), if taken => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
                () = wishes.news.notified() => false,
                () = sleep_until(repeat) => false,
            };
            if wishes.stopped.load(Ordering::Acquire) {
                return;
            }
            if fresh || repeat.is_some_and(|at| at <= Instant::now()) {
                let picture = slot.borrow_and_update().clone();
                picture.into_iter().for_each(|picture| self.picture(&picture, fresh));
            }
        }
    }

    /// When the last picture must be sent again because a key frame is wanted and no new picture comes.
    fn repeat_at(&self, slot: &watch::Receiver<Option<Arc<Picture>>>) -> Option<Instant> {
        let wanted = self.wishes.key.load(Ordering::Acquire);
        let shown = slot.borrow().as_ref().map(|picture| picture.captured)?;
        let (now, has_room) = (Instant::now(), self.wishes.rooms.any());
        let at = self.encoding.repeat_at(shown, now);
        wanted.then(|| if has_room { at } else { at.max(now + LOOK_AGAIN) })
    }

    fn picture(&mut self, picture: &Picture, fresh: bool) {
        let started = Instant::now();
        if !self.wishes.rooms.any() {
            lock(&self.ledger).worked(picture.number, Duration::ZERO, started);
            return;
        }
        self.encoding.set_format(*lock(&self.wishes.format));
        let wish = Wish {
            bitrate: self.wishes.bitrate.load(Ordering::Relaxed),
            upper: self.wishes.upper.load(Ordering::Relaxed),
            key: self.wishes.key.load(Ordering::Acquire),
        };
        let encoded = self.encoding.picture(picture, fresh, wish, started);
        let now = Instant::now();
        lock(&self.ledger).worked(picture.number, now.saturating_duration_since(started), now);
        match encoded {
            Ok(Some(frame)) => {
                if frame.key {
                    // Whoever asked while it was made gets it too.
                    self.wishes.key.store(false, Ordering::Release);
                }
                lock(&self.ledger).note(&frame, now);
                // Nobody there any more is no error.
                let _gone = self.frames.send(Arc::new(frame));
            }
            Ok(None) => tracing::trace!("a picture was left out"),
            Err(error) => tracing::warn!(%error, "a picture could not be encoded"),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;

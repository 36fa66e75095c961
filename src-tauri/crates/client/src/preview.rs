//! One's own picture on its way to the window: raw, small, and only while it can be seen.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use parlor_media::video::{Camera, Picture, scale};
use parlor_protocol::frame::{FrameCodec, FrameHeader};
use tokio::{sync::watch, task::JoinHandle};

use crate::receive::Sink;

/// Widths that the picture is sent in: the least that fills the tile is taken.
const WIDTHS: [u32; 4] = [240, 320, 480, 640];
/// Up to this width the picture is a thumbnail in a corner, whose pictures come half as often: each costs the window as much
/// on its way as one of somebody else's.
const THUMBNAIL: u32 = 320;
/// The least time between two pictures of a thumbnail: between one and two of 30 a second, less than one of 20.
const THUMBNAIL_EVERY: Duration = Duration::from_millis(45);
/// Number of one's own tile.
const TILE: u32 = 0;

/// Feeds one's own tile until it is dropped.
pub(crate) struct Preview {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    width: AtomicU32,
    hidden: AtomicBool,
}

impl Preview {
    pub(crate) fn spawn(sink: Sink, camera: watch::Receiver<Option<Arc<Camera>>>) -> Self {
        let shared = Arc::new(Shared { width: AtomicU32::new(WIDTHS[3]), hidden: AtomicBool::new(false) });
        let task = tokio::spawn(run(sink, camera, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// How wide the tile is on the screen, in device pixels, and whether it can be seen at all.
    pub(crate) fn size(&self, tile: u32, hidden: bool) {
        let width = WIDTHS.into_iter().find(|width| *width >= tile).unwrap_or(WIDTHS[3]);
        self.shared.width.store(width, Ordering::Relaxed);
        self.shared.hidden.store(hidden, Ordering::Relaxed);
    }

    /// A window was attached, which has reported nothing yet.
    pub(crate) fn restart(&self) {
        self.size(WIDTHS[3], false);
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(sink: Sink, mut cameras: watch::Receiver<Option<Arc<Camera>>>, shared: Arc<Shared>) {
    let start = Instant::now();
    loop {
        let camera = cameras.borrow_and_update().clone();
        let Some(camera) = camera else {
            if cameras.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut slot = camera.latest();
        // The slot alone is kept: a camera that is turned off must go at once.
        drop(camera);
        let mut shown: Option<Instant> = None;
        loop {
            tokio::select! {
                changed = cameras.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                changed = slot.changed() => if changed.is_err() {
                    if cameras.changed().await.is_err() {
                        return;
                    }
                    break;
                },
            }
            let picture = slot.borrow_and_update().clone();
            let attached = sink.read().unwrap_or_else(PoisonError::into_inner).is_some();
            let width = shared.width.load(Ordering::Relaxed);
            if let Some(picture) = picture
                && attached
                && !shared.hidden.load(Ordering::Relaxed)
                && is_due(shown, picture.captured, width)
            {
                shown = Some(picture.captured);
                let sink = Arc::clone(&sink);
                // About a millisecond of work: too long for a thread that carries packets.
                let _shown = tokio::task::spawn_blocking(move || show(&sink, &picture, width, start)).await;
            }
        }
    }
}

/// Whether a picture is to be shown, after the one that was last.
fn is_due(shown: Option<Instant>, captured: Instant, width: u32) -> bool {
    width > THUMBNAIL || shown.is_none_or(|shown| captured.saturating_duration_since(shown) >= THUMBNAIL_EVERY)
}

fn show(sink: &Sink, picture: &Picture, width: u32, start: Instant) {
    let width = width.min(picture.width) & !1;
    let height = (picture.height * width / picture.width.max(1)) & !1;
    let small = scale(picture, width, height);
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let time = picture.captured.saturating_duration_since(start).as_micros();
    let header = FrameHeader {
        codec: FrameCodec::I420,
        key: true,
        mirror: true,
        tile: TILE,
        width: side(small.width),
        height: side(small.height),
        time_us: u64::try_from(time).unwrap_or(u64::MAX),
    };
    if let Some(sink) = sink.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
        // A raw picture that is lost spoils none after it.
        let _taken = sink.frame(header, &small.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of three seconds of a camera's pictures are shown.
    fn shown(width: u32, fps: u32) -> usize {
        let (start, mut last) = (Instant::now(), None);
        let jitter = |at: u32| Duration::from_millis([0, 9, 2, 6][at as usize % 4]);
        let pictures = (0..3 * fps).map(|at| start + Duration::from_secs(1) * at / fps + jitter(at));
        pictures.filter(|at| is_due(last, *at, width) && last.replace(*at) != Some(*at)).count()
    }

    #[test]
    fn a_thumbnail_has_half_of_the_pictures_and_a_large_one_all() {
        assert_eq!((shown(640, 30), shown(480, 30)), (90, 90));
        assert_eq!((shown(240, 30), shown(320, 30)), (45, 45));
    }

    #[test]
    fn a_slow_camera_is_shown_whole() {
        assert_eq!((shown(240, 15), shown(240, 10)), (45, 30));
    }
}

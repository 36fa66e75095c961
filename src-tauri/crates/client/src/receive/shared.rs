//! What is read and told from outside while a receiver runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parlor_media::audio::PeerAudio;
use parlor_protocol::{
    headless::{AudioInStats, VideoInStats},
    media::TrackRole,
};
use tokio::sync::mpsc;

use super::Note;
use crate::stats::{Pauses, Pictures};

/// Figures that are read from outside while the receiver runs.
#[derive(Default)]
pub(crate) struct Shared {
    pictures: Mutex<Pictures>,
    audio: Mutex<Option<Arc<PeerAudio>>>,
    /// How loud it is played: 1 as it came.
    volume: Mutex<Option<f32>>,
    /// Pictures that came whole since somebody asked.
    came: AtomicU64,
    /// A picture was shown.
    seen: AtomicBool,
    /// The next picture is to be told of.
    awaited: AtomicBool,
    /// When tracks were turned on.
    began: Mutex<BTreeMap<TrackRole, Instant>>,
    /// The camera's picture is not shown, so that nothing of it need come.
    hidden: AtomicBool,
    /// When it was last shown again.
    shown_at: Mutex<Option<Instant>>,
    /// The round trip, in microseconds; 0 while it is not known.
    rtt_us: AtomicU64,
    pauses: Arc<Pauses>,
}

impl Shared {
    pub(super) fn new(pauses: Arc<Pauses>) -> Self {
        Self { pauses, ..Self::default() }
    }

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

    /// A track is shown from now on, or is not: then its sender sends nothing, and that is neither a freeze nor a gap.
    pub(crate) fn show(&self, role: TrackRole, shown: bool, now: Instant) {
        if role != TrackRole::Camera || self.hidden.swap(!shown, Ordering::Relaxed) != shown {
            return;
        }
        self.pause(role);
        if shown {
            *lock(&self.shown_at) = Some(now);
        }
    }

    /// The round trip to the sender.
    pub(crate) fn set_rtt(&self, rtt: Duration) {
        self.rtt_us.store(u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The round trip to the sender; zero while it is not known.
    pub(super) fn rtt(&self) -> Duration {
        Duration::from_micros(self.rtt_us.load(Ordering::Relaxed))
    }

    /// The device's place for this peer's sound.
    pub(super) fn listen(&self, ears: Option<&Arc<PeerAudio>>) {
        let mut audio = lock(&self.audio);
        *audio = ears.cloned();
        if let (Some(audio), Some(volume)) = (&*audio, *lock(&self.volume)) {
            audio.set_volume(volume);
        }
    }

    /// How loud it is played, in percent, at this device and at others.
    pub(crate) fn set_volume(&self, percent: u16) {
        let volume = f32::from(percent) / 100.0;
        let audio = lock(&self.audio);
        *lock(&self.volume) = Some(volume);
        if let Some(audio) = &*audio {
            audio.set_volume(volume);
        }
    }

    /// Whether a track is stalled of which something came last at `last`: it is on, it is shown, and it had its time.
    pub(super) fn is_stalled(&self, role: TrackRole, last: Option<Instant>, stall: Duration, now: Instant) -> bool {
        let began = lock(&self.began).get(&role).copied();
        let Some(last) = last.filter(|last| began.is_none_or(|began| began <= *last)) else { return false };
        if role != TrackRole::Camera {
            return now.saturating_duration_since(last) >= stall;
        }
        let last = lock(&self.shown_at).map_or(last, |shown| shown.max(last));
        !self.hidden.load(Ordering::Relaxed) && now.saturating_duration_since(last) >= stall
    }

    /// A picture came whole, whatever becomes of it.
    pub(super) fn came(&self) {
        self.came.fetch_add(1, Ordering::Relaxed);
    }

    /// How many did since this was asked last.
    pub(crate) fn take_came(&self) -> u64 {
        self.came.swap(0, Ordering::Relaxed)
    }

    /// Counts a picture, and tells of it where somebody waits for one.
    pub(super) fn shown(&self, id: u64, (width, height): (u32, u32), notes: &mpsc::Sender<(u64, Note)>) {
        let (role, now) = (TrackRole::Camera, Instant::now());
        lock(&self.pictures).shown(width, height, now);
        // What was on its way when the tile went is no beginning of a pause.
        if !self.hidden.load(Ordering::Relaxed) {
            self.pauses.came(role, now);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(2);

    #[test]
    fn what_is_not_shown_is_not_stalled_and_has_its_time_when_it_is_shown_again() {
        let (shared, start) = (Shared::new(Arc::default()), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let camera = |seconds| shared.is_stalled(TrackRole::Camera, Some(start), STALL, at(seconds));
        assert!(!camera(1) && camera(2));
        shared.show(TrackRole::Camera, false, at(3));
        assert!(!camera(60));
        assert!(shared.is_stalled(TrackRole::Microphone, Some(start), STALL, at(60)));
        shared.show(TrackRole::Camera, true, at(60));
        assert!(!camera(61) && camera(62));
    }

    #[test]
    fn a_hidden_picture_neither_freezes_nor_pauses() {
        let (shared, notes) = (Shared::new(Arc::default()), mpsc::channel(64).0);
        (0..9).for_each(|_| shared.shown(1, (64, 36), &notes));
        let now = Instant::now();
        shared.show(TrackRole::Camera, false, now);
        // On its way when the tile went.
        shared.shown(1, (64, 36), &notes);
        assert_eq!(shared.video(now + Duration::from_secs(60)).gap_ms, 0);
        shared.show(TrackRole::Camera, true, now);
        shared.shown(1, (64, 36), &notes);
        assert_eq!((shared.video(now).freezes, shared.video(now).frames), (0, 11));
    }
}

//! The camera's renditions: which there are, what they may cost, what they do.

use std::{sync::Arc, time::Instant};

use parlor_media::video::{Camera, Choice, Ladder, Load, Share};
use parlor_protocol::{device::VideoFormat, headless::VideoOutStats};
use tokio::sync::watch;

/// The renditions of the camera in use, and how much of them this machine can do.
pub(crate) struct Renditions {
    ladder: watch::Sender<Option<Arc<Ladder>>>,
    /// Those of the camera in use, the smallest first.
    formats: Vec<VideoFormat>,
    load: Load,
    /// Pictures that were missed until the last look.
    missed: u64,
}

/// What a look at the machine's load gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strain {
    /// Nothing new.
    Same,
    /// There is less to encode, for the first time or again.
    Less {
        /// Until now nothing was reduced.
        first: bool,
    },
    /// There is more to encode.
    More,
}

impl Renditions {
    pub(crate) fn new() -> Self {
        Self { ladder: watch::Sender::new(None), formats: Vec::new(), load: Load::default(), missed: 0 }
    }

    /// Those of the camera in use, whichever it is at the moment.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<Ladder>>> {
        self.ladder.subscribe()
    }

    /// A camera gives pictures of this format.
    pub(crate) fn start(&mut self, camera: &Camera, format: VideoFormat) {
        let ladder = Ladder::spawn(&camera.latest(), format);
        self.formats = ladder.reduce(self.load.steps());
        self.missed = 0;
        self.ladder.send_replace(Some(Arc::new(ladder)));
    }

    /// There is no camera.
    pub(crate) fn stop(&mut self) {
        self.formats.clear();
        self.ladder.send_replace(None);
    }

    /// What can be chosen among, the smallest first.
    pub(crate) fn formats(&self) -> &[VideoFormat] {
        &self.formats
    }

    /// What is to be made of each rendition; none for those that nobody takes.
    pub(crate) fn set_shares(&self, shares: &[Option<Share>]) {
        let Some(ladder) = self.ladder.borrow().clone() else { return };
        for (rendition, share) in ladder.renditions().iter().zip(shares) {
            share.iter().for_each(|share| rendition.set_share(*share));
        }
    }

    /// Looks at what the encoders did, and reduces what they do where that is too much for this machine, or goes back. To be
    /// called once a second.
    pub(crate) fn strain(&mut self, now: Instant) -> Strain {
        let ladder = self.ladder.borrow().clone();
        let (_, stats) = ladder.as_ref().map(|ladder| ladder.stats()).unwrap_or_default();
        let missed = stats.missed.saturating_sub(self.missed);
        self.missed = stats.missed;
        let before = self.load.steps();
        if !self.load.note(stats.busy, stats.whole, missed, now) {
            return Strain::Same;
        }
        let steps = self.load.steps();
        tracing::info!(steps, busy = stats.busy, missed, "another load");
        self.formats = ladder.map(|ladder| ladder.reduce(steps)).unwrap_or_default();
        if steps > before { Strain::Less { first: before == 0 } } else { Strain::More }
    }

    /// How many encoders work.
    pub(crate) fn encoders(&self) -> u32 {
        self.ladder.borrow().as_ref().map_or(0, |ladder| ladder.stats().0)
    }

    /// What is sent of a choice.
    pub(crate) fn stats(&self, choice: Option<Choice>) -> VideoOutStats {
        let ladder = self.ladder.borrow().clone();
        let Some((choice, ladder)) = choice.zip(ladder) else { return VideoOutStats::default() };
        let Some(rendition) = ladder.renditions().get(choice.rung) else { return VideoOutStats::default() };
        let stats = rendition.stats();
        let fps = if choice.upper { stats.fps } else { stats.base_fps };
        let (width, height, encode_ms) = (stats.width, stats.height, stats.encode_ms);
        VideoOutStats { fps, encoded_fps: stats.fps, width, height, encode_ms }
    }
}

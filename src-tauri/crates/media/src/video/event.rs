//! What a camera tells of itself.

use parlor_protocol::{device::VideoFormat, ui::DeviceTrouble};
use tokio::sync::mpsc;

/// A change of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraEvent {
    /// Pictures come from a source that was not in use before.
    Started {
        /// Its name, for people.
        name: String,
        /// What it gives.
        format: VideoFormat,
    },
    /// No pictures come, or no longer. A device is tried again until it is back.
    Trouble {
        /// What kind of trouble.
        trouble: DeviceTrouble,
        /// What happened, in words.
        detail: String,
    },
    /// Pictures come again after trouble, from the same source in the same format.
    Recovered,
}

/// Why a camera cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Fault {
    pub(super) trouble: DeviceTrouble,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(trouble: DeviceTrouble, detail: impl Into<String>) -> Self {
        Self { trouble, detail: detail.into() }
    }
}

/// Hands events over without ever waiting. While the receiver's queue is full only the newest event is kept: it
/// describes the camera as it is.
#[derive(Debug)]
pub(super) struct Reporter {
    events: mpsc::Sender<CameraEvent>,
    kept: Option<CameraEvent>,
}

impl Reporter {
    pub(super) fn new(events: mpsc::Sender<CameraEvent>) -> Self {
        Self { events, kept: None }
    }

    pub(super) fn report(&mut self, event: CameraEvent) {
        tracing::debug!(?event, "camera");
        self.kept = Some(event);
        self.flush();
    }

    /// Tries again to hand over what did not fit. To be called now and then.
    pub(super) fn flush(&mut self) {
        let Some(event) = self.kept.take() else { return };
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.kept = Some(event);
        }
    }
}

//! What a microphone or a speaker tells of its device.

use parlor_protocol::ui::DeviceTrouble;
use tokio::sync::mpsc;

/// A change of a sound device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioEvent {
    /// The device runs.
    Started {
        /// Its name, for people.
        name: String,
    },
    /// It does not, or no longer. A real device is tried again until it is back.
    Trouble {
        /// What kind of trouble.
        trouble: DeviceTrouble,
        /// What happened, in words.
        detail: String,
    },
    /// It runs again after trouble.
    Recovered {
        /// Its name, for people.
        name: String,
    },
    /// The system's default device became another one, and was followed.
    Moved {
        /// Its name, for people.
        name: String,
    },
    /// It ran dry again and again. It is opened again, and holds more from now on, for as long as the program runs.
    RanDry {
        /// The length of its callbacks from now on, in milliseconds.
        callback_ms: u32,
    },
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Fault {
    pub(crate) trouble: DeviceTrouble,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(trouble: DeviceTrouble, detail: impl Into<String>) -> Self {
        Self { trouble, detail: detail.into() }
    }
}

impl From<Fault> for AudioEvent {
    fn from(fault: Fault) -> Self {
        Self::Trouble { trouble: fault.trouble, detail: fault.detail }
    }
}

/// Hands events over without ever waiting. While the receiver's queue is full only the newest event is kept: it
/// describes the device as it is.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    events: mpsc::Sender<AudioEvent>,
    kept: Option<AudioEvent>,
}

impl Reporter {
    pub(crate) fn new(events: mpsc::Sender<AudioEvent>) -> Self {
        Self { events, kept: None }
    }

    pub(crate) fn report(&mut self, event: AudioEvent) {
        tracing::debug!(?event, "sound device");
        self.kept = Some(event);
        self.flush();
    }

    /// Tries again to hand over what did not fit. To be called now and then.
    pub(crate) fn flush(&mut self) {
        let Some(event) = self.kept.take() else { return };
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.kept = Some(event);
        }
    }
}

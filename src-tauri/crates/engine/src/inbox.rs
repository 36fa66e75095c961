//! The way from the connection's callbacks into the session's own task.
//!
//! Callbacks run inside the connection's task and must not wait: what finds no room there ends the session, because a
//! session that missed a change of state is worth nothing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use parlor_protocol::media::TrackRole;
use tokio::sync::{Notify, mpsc};
use webrtc::{
    data_channel::DataChannel,
    media_stream::track_remote::TrackRemote,
    peer_connection::RTCPeerConnectionState,
};

/// What the session's task has not handled yet. A burst of candidates and channel messages fits; more is an overload.
const CAPACITY: usize = 512;

/// Something that the session's task has to deal with.
pub(crate) enum Notice {
    /// A local candidate, in its text form.
    Candidate(String),
    /// Gathering is complete.
    Gathered,
    /// The connection changed its state.
    State(RTCPeerConnectionState),
    /// The other side opened a channel.
    Channel(Arc<dyn DataChannel>),
    /// A channel can be used.
    ChannelOpen(String),
    /// A message came.
    ChannelMessage(String, Bytes),
    /// A channel ended.
    ChannelClosed(String),
    /// A remote track's first packet came.
    Track(Arc<dyn TrackRemote>),
    /// A local track needs a key frame.
    KeyFrame(TrackRole),
}

/// The sending half; cheap to clone.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: mpsc::Sender<Notice>,
    overflow: Arc<Overflow>,
}

/// Raised once, when something that may not be lost found no room.
#[derive(Default)]
pub(crate) struct Overflow {
    raised: AtomicBool,
    notify: Notify,
}

impl Overflow {
    /// Completes once the inbox has run over.
    pub(crate) async fn raised(&self) {
        while !self.raised.load(Ordering::Acquire) {
            self.notify.notified().await;
        }
    }
}

impl Inbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>, Arc<Overflow>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let overflow = Arc::new(Overflow::default());
        (Self { sender, overflow: Arc::clone(&overflow) }, receiver, overflow)
    }

    /// Passes on what may not be lost, without waiting.
    pub(crate) fn post(&self, notice: Notice) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(notice) {
            self.overflow.raised.store(true, Ordering::Release);
            self.overflow.notify.notify_one();
        }
    }

    /// Passes on a wish for a key frame; one that finds no room is repeated by whoever needs it.
    pub(crate) fn key_frame(&self, role: TrackRole) {
        self.sender.try_send(Notice::KeyFrame(role)).ok();
    }

    /// Passes on what may wait for room, from a task of its own. False once the session is over.
    pub(crate) async fn send(&self, notice: Notice) -> bool {
        self.sender.send(notice).await.is_ok()
    }
}

//! The way from the connection's callbacks into the session's own task.
//!
//! Callbacks run inside the connection's task and must not wait: what finds no room there ends the session, because a
//! session that missed a change of state is worth nothing. What data channels bring has a queue of its own, whose senders
//! wait, so that a flood of messages slows its sender down and cannot crowd the callbacks out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use parlor_protocol::{media::TrackRole, negotiation::Candidate};
use tokio::sync::{Notify, mpsc};
use webrtc::{
    data_channel::DataChannel, media_stream::track_remote::TrackRemote, peer_connection::RTCPeerConnectionState,
};

/// What the session's task has not handled yet. A burst of candidates and channel messages fits; more is an overload.
const CAPACITY: usize = 512;
/// What data channels brought and the session's task has not handled yet.
const CHANNEL_CAPACITY: usize = 64;

/// Something that the session's task has to deal with.
pub(crate) enum Notice {
    /// A local candidate, in its text form.
    Candidate(String),
    /// A remote candidate, whose name has been found the address of.
    Named(Candidate),
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
    /// Whether the other side is reached as the network is, which the session was told of under this number.
    Roamed(u64, bool),
}

/// The sending half; cheap to clone.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: mpsc::Sender<Notice>,
    channels: mpsc::Sender<Notice>,
    overflow: Arc<Overflow>,
    /// By role: a wish for a key frame is on its way already.
    key_frames: Arc<[AtomicBool; 4]>,
}

/// The receiving half.
pub(crate) struct Notices {
    posted: mpsc::Receiver<Notice>,
    channels: mpsc::Receiver<Notice>,
    key_frames: Arc<[AtomicBool; 4]>,
}

impl Notices {
    /// The next one, callbacks first. Can be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Notice> {
        let notice = tokio::select! {
            biased;
            Some(notice) = self.posted.recv() => Some(notice),
            Some(notice) = self.channels.recv() => Some(notice),
            else => None,
        };
        self.handled(notice)
    }

    /// What a callback left, if it is there already.
    pub(crate) fn try_next(&mut self) -> Option<Notice> {
        let notice = self.posted.try_recv().ok();
        self.handled(notice)
    }

    fn handled(&self, notice: Option<Notice>) -> Option<Notice> {
        if let Some(Notice::KeyFrame(role)) = &notice {
            self.key_frames[*role as usize].store(false, Ordering::Release);
        }
        notice
    }
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
    pub(crate) fn new() -> (Self, Notices, Arc<Overflow>) {
        let (sender, posted) = mpsc::channel(CAPACITY);
        let (channel_sender, channels) = mpsc::channel(CHANNEL_CAPACITY);
        let overflow = Arc::new(Overflow::default());
        let key_frames: Arc<[AtomicBool; 4]> = Arc::default();
        let notices = Notices { posted, channels, key_frames: Arc::clone(&key_frames) };
        (Self { sender, channels: channel_sender, overflow: Arc::clone(&overflow), key_frames }, notices, overflow)
    }

    /// Passes on what may not be lost, without waiting.
    pub(crate) fn post(&self, notice: Notice) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(notice) {
            self.overflow.raised.store(true, Ordering::Release);
            self.overflow.notify.notify_one();
        }
    }

    /// Passes on a wish for a key frame, once until it is handled; one that finds no room is repeated by whoever needs it.
    pub(crate) fn key_frame(&self, role: TrackRole) {
        let pending = &self.key_frames[role as usize];
        if !pending.swap(true, Ordering::AcqRel) && self.sender.try_send(Notice::KeyFrame(role)).is_err() {
            pending.store(false, Ordering::Release);
        }
    }

    /// Passes on what a data channel brought; waits for room. False once the session is over.
    pub(crate) async fn send(&self, notice: Notice) -> bool {
        self.channels.send(notice).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_inbox_that_runs_over_says_so() {
        let (inbox, _notices, overflow) = Inbox::new();
        for _ in 0..CAPACITY {
            inbox.post(Notice::Gathered);
        }
        assert!(!overflow.raised.load(Ordering::Acquire));
        inbox.post(Notice::Gathered);
        overflow.raised().await;
    }

    #[tokio::test]
    async fn messages_cannot_crowd_callbacks_out() {
        let (inbox, mut notices, overflow) = Inbox::new();
        for _ in 0..CHANNEL_CAPACITY {
            inbox.send(Notice::ChannelMessage(String::new(), Bytes::new())).await;
        }
        inbox.post(Notice::Gathered);
        assert!(matches!(notices.next().await, Some(Notice::Gathered)));
        assert!(!overflow.raised.load(Ordering::Acquire));
    }

    #[tokio::test]
    async fn a_wish_for_a_key_frame_is_passed_on_once_until_it_is_handled() {
        let (inbox, mut notices, _overflow) = Inbox::new();
        for _ in 0..2 {
            inbox.key_frame(TrackRole::Camera);
            inbox.key_frame(TrackRole::Camera);
            assert!(matches!(notices.try_next(), Some(Notice::KeyFrame(TrackRole::Camera))));
            assert!(notices.try_next().is_none());
        }
    }
}

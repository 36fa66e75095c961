//! A session as its holder sees it.

use std::{sync::Arc, time::Duration};

use parlor_protocol::media::{RtpPayload, TrackRole};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    chain::Shared,
    error::EngineError,
    inbound::Media,
    inbox::Inbox,
    message::{SessionCommand, SessionEvent},
    options::SessionOptions,
    outbound::{self, Outbound},
    stats::EngineStats,
    task::Task,
};

/// Commands that wait: an offer, an answer and a burst of candidates fit several times.
const COMMANDS: usize = 256;
/// How long a session that is to end may take for what it was told before, its last messages included.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Our end of the connection to one remote peer: a handle on the task that owns the peer connection. Dropping it closes
/// the connection in the background; [`Session::close`] waits for that.
#[derive(Debug)]
pub struct Session {
    id: u64,
    commands: mpsc::Sender<SessionCommand>,
    stop: watch::Sender<bool>,
    stats: watch::Receiver<EngineStats>,
    outbound: Arc<Outbound>,
    task: JoinHandle<()>,
}

impl Session {
    /// Starts a session. Events and media carry `id`. An event that finds no room waits, and with it the session, which
    /// dies with [`parlor_protocol::Cause::Overloaded`] when too much piles up behind it; media that finds no room is
    /// thrown away. Must be called within a tokio runtime.
    pub fn spawn(
        id: u64,
        options: SessionOptions,
        events: mpsc::Sender<(u64, SessionEvent)>,
        media: mpsc::Sender<Media>,
    ) -> Self {
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (stop, stopped) = watch::channel(false);
        let (stats_sender, stats) = watch::channel(EngineStats::default());
        let (inbox, notices, overflow) = Inbox::new();
        let shared = Arc::new(Shared::new(outbound::streams(), options.rates.start, inbox.clone()));
        let outbound = Outbound::new(Arc::clone(&shared));
        let task = Task {
            id,
            options,
            events,
            media,
            commands: command_queue,
            stopped,
            stats: stats_sender,
            inbox,
            notices,
            overflow,
            shared,
            outbound: Arc::clone(&outbound),
        };
        let task = tokio::spawn(task.run());
        Self { id, commands, stop, stats, outbound, task }
    }

    /// The id that events and media carry.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Gives an instruction without waiting.
    ///
    /// # Errors
    ///
    /// [`EngineError::Full`] when too many wait, [`EngineError::Over`] when the session has ended.
    pub fn command(&self, command: SessionCommand) -> Result<(), EngineError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Full,
            mpsc::error::TrySendError::Closed(_) => EngineError::Over,
        })
    }

    /// Sends a packet of a local track without waiting; can be called from any thread. False when the packet was thrown
    /// away: not connected, the other side does not want the track, or the path is too slow for it. Pictures are thrown
    /// away whole, and [`SessionEvent::KeyFrameRequested`] follows as soon as there is room for a key frame again; a
    /// session's first picture must be one too.
    pub fn send_rtp(&self, role: TrackRole, packet: RtpPayload) -> bool {
        self.outbound.send(role, packet)
    }

    /// A sender for one thread to keep, so that it need not share the session.
    pub fn sender(&self) -> RtpSender {
        RtpSender(Arc::clone(&self.outbound))
    }

    /// The latest numbers.
    pub fn stats(&self) -> EngineStats {
        self.stats.borrow().clone()
    }

    /// Ends the session and waits until its sockets and tasks are gone. What it was told before, a goodbye above all, is
    /// still done, and its messages brought over if that is a matter of a moment.
    pub async fn close(mut self) {
        let asked = self.commands.try_send(SessionCommand::Close).is_ok();
        if asked && timeout(LAST_WORDS, &mut self.task).await.is_ok() {
            return;
        }
        self.stop.send_replace(true);
        self.task.await.ok();
    }
}

/// How pictures leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// What the path carries, all tracks together, in bits per second.
    pub estimate: u64,
    /// How long those wait that have not left yet. Pictures that nothing refers to are thrown away above 50 ms, all others above
    /// 100 ms.
    pub queue: Duration,
}

/// Sends packets of a session's local tracks, like [`Session::send_rtp`]. After the session it throws everything away.
#[derive(Debug, Clone)]
pub struct RtpSender(Arc<Outbound>);

impl RtpSender {
    /// See [`Session::send_rtp`].
    pub fn send_rtp(&self, role: TrackRole, packet: RtpPayload) -> bool {
        self.0.send(role, packet)
    }

    /// How pictures leave now. An encoder that looks at it before each picture makes none that is thrown away.
    pub fn pace(&self) -> Pace {
        self.0.pace()
    }
}

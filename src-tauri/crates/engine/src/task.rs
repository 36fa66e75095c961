//! The task that owns a session's peer connection.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use parlor_protocol::{Cause, SessionState, media::TrackRole};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::MissedTickBehavior,
};
use webrtc::{
    media_stream::track_remote::TrackRemote,
    peer_connection::{PeerConnection, RTCPeerConnectionState},
    runtime::TokioRuntime,
};

use crate::{
    chain::Shared,
    channels::Channels,
    connection,
    error::EngineError,
    handler::Handler,
    inbound::{self, Media},
    inbox::{Inbox, Notice, Notices, Overflow},
    message::{SessionCommand, SessionEvent},
    negotiate::Negotiation,
    options::SessionOptions,
    outbound::{Outbound, Pump},
    roam::{Network, Roam},
    stats::{EngineStats, Meter},
    supervise::{Gone, Supervised},
    tunnel::Tunnel,
};

/// How often the estimate is told, when it changed.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two readings of the numbers.
const TICKS_PER_READING: u32 = 4;
/// No operation of a connection that is well takes this long; one that does would hold up everything behind it.
const STUCK: Duration = Duration::from_secs(5);
/// How long the last messages may take to be acknowledged before a connection is closed: one round trip, on nearly all paths.
const FLUSH: Duration = Duration::from_millis(200);

/// What the task is given.
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) options: SessionOptions,
    pub(crate) events: mpsc::Sender<(u64, SessionEvent)>,
    pub(crate) media: mpsc::Sender<Media>,
    pub(crate) commands: mpsc::Receiver<SessionCommand>,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) stats: watch::Sender<EngineStats>,
    pub(crate) inbox: Inbox,
    pub(crate) notices: Notices,
    pub(crate) overflow: Arc<Overflow>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) outbound: Arc<Outbound>,
}

/// Why the loop ended.
enum End {
    /// The holder wanted it, or is gone.
    Closed,
    /// By itself.
    Dead(Cause),
}

/// A session with its connection.
struct Live {
    id: u64,
    pc: Arc<dyn PeerConnection>,
    tunnel: Arc<Tunnel>,
    events: mpsc::Sender<(u64, SessionEvent)>,
    media: mpsc::Sender<Media>,
    stopped: watch::Receiver<bool>,
    stats: watch::Sender<EngineStats>,
    inbox: Inbox,
    notices: Notices,
    shared: Arc<Shared>,
    outbound: Arc<Outbound>,
    negotiation: Negotiation,
    channels: Channels,
    remote: BTreeMap<TrackRole, Arc<dyn TrackRemote>>,
    readers: Vec<JoinHandle<()>>,
    roam: Roam,
    /// An attempt to follow the network, under way or over.
    roaming: Option<JoinHandle<()>>,
    meter: Meter,
    ticks: u32,
    told: Option<(u64, Duration, f32)>,
}

impl Task {
    /// Runs the session from its first socket to its last.
    pub(crate) async fn run(self, pump: Pump) {
        let Self {
            id,
            options,
            events,
            media,
            mut commands,
            stopped,
            stats,
            inbox,
            notices,
            overflow,
            shared,
            outbound,
        } = self;
        let inner = options.runtime.clone().unwrap_or_else(|| Arc::new(TokioRuntime));
        let tunnel = Tunnel::new(inner, options.ice_policy);
        let roam = match Roam::new(tunnel.clone()) {
            Ok(roam) => roam,
            Err(error) => {
                tracing::error!(session = id, %error, "the stack has no cryptography");
                events.send((id, SessionEvent::Dead { cause: Cause::Internal })).await.ok();
                return;
            }
        };
        let (runtime, gone) = Supervised::new(roam.runtime());
        let handler = Arc::new(Handler { inbox: inbox.clone(), shared: Arc::clone(&shared) });
        let pc = match Box::pin(connection::connect(&options, &tunnel, runtime, handler, &shared)).await {
            Ok(pc) => pc,
            Err(error) => {
                tracing::warn!(session = id, %error, "no connection could be made");
                let cause = if error == EngineError::NoRelay { Cause::NoRelay } else { Cause::Internal };
                events.send((id, SessionEvent::Dead { cause })).await.ok();
                return;
            }
        };
        let negotiation = Negotiation::new(pump.tracks(), options.ice_policy, options.ice_tcp);
        let pump = tokio::spawn(pump.run());
        let mut live = Live {
            id,
            pc,
            tunnel,
            events,
            media,
            stopped,
            stats,
            inbox,
            notices,
            shared,
            outbound,
            negotiation,
            channels: Channels::default(),
            remote: BTreeMap::new(),
            readers: vec![pump],
            roam,
            roaming: None,
            meter: Meter::default(),
            ticks: 0,
            told: None,
        };
        let end = live.run(&mut commands, &overflow, gone).await;
        live.close(end).await;
    }
}

impl Live {
    async fn run(&mut self, commands: &mut mpsc::Receiver<SessionCommand>, overflow: &Overflow, mut gone: Gone) -> End {
        if let Err(error) = self.channels.open_fixed(self.pc.as_ref(), &self.inbox).await {
            tracing::warn!(session = self.id, %error, "no channels could be made");
            return End::Dead(Cause::Internal);
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopped = self.stopped.clone();
        let mut silent = self.roam.silent();
        loop {
            let step = tokio::select! {
                biased;
                () = stop(&mut stopped) => return End::Closed,
                _ = &mut gone => return End::Dead(Cause::Internal),
                () = overflow.raised() => return End::Dead(Cause::Overloaded),
                command = commands.recv() => match command {
                    None => return End::Closed,
                    Some(SessionCommand::Close) => {
                        // A path that is gone cannot be waited for.
                        tokio::time::timeout(FLUSH, self.channels.flush()).await.ok();
                        return End::Closed;
                    }
                    Some(command) => self.command(command).await,
                },
                Some(notice) = self.notices.next() => self.notice(notice).await,
                Ok(()) = silent.changed() => {
                    let silent = *silent.borrow_and_update();
                    self.emit(SessionEvent::Silent(silent)).await
                }
                _ = tick.tick() => self.tick().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn command(&mut self, command: SessionCommand) -> Result<(), End> {
        match command {
            SessionCommand::Offer { op, ice_restart } => {
                // Candidates found before belong to the generation that the offer may end.
                self.drain().await?;
                let offer = bounded(self.negotiation.offer(self.pc.as_ref(), ice_restart)).await?;
                self.finish(op, offer.map(Some)).await
            }
            SessionCommand::Apply { op, description, rollback } => {
                self.drain().await?;
                let applied = bounded(self.negotiation.apply(self.pc.as_ref(), &description, rollback)).await?;
                self.finish(op, applied).await
            }
            SessionCommand::Rollback { op } => {
                let done = bounded(self.negotiation.rollback(self.pc.as_ref())).await?;
                self.finish(op, done.map(|()| None)).await
            }
            SessionCommand::Candidate(candidate) => {
                bounded(self.negotiation.candidate(self.pc.as_ref(), candidate)).await
            }
            // The stack takes candidates at any time and needs no end; browsers want to be told, we do not.
            SessionCommand::EndOfCandidates => Ok(()),
            SessionCommand::IceServers(servers) => {
                let set = match connection::configuration(&servers, &self.tunnel) {
                    Ok(new) => bounded(self.pc.set_configuration(new)).await?.map_err(EngineError::from),
                    Err(error) => Err(error),
                };
                if let Err(error) = set {
                    tracing::warn!(session = self.id, %error, "these servers cannot be used");
                }
                Ok(())
            }
            SessionCommand::OpenChannel { label } => {
                let opened = bounded(self.channels.open(self.pc.as_ref(), &label, &self.inbox)).await?;
                if matches!(opened, Ok(true)) { Ok(()) } else { self.emit(SessionEvent::ChannelClosed { label }).await }
            }
            SessionCommand::CloseChannel { label } => bounded(self.channels.close(&label)).await,
            SessionCommand::Send { label, data } => {
                let sent = bounded(self.channels.send(&label, data)).await?;
                if sent { Ok(()) } else { self.emit(SessionEvent::SendRefused { label }).await }
            }
            SessionCommand::RequestKeyFrame { role } => {
                let Some(track) = self.remote.get(&role).cloned() else { return Ok(()) };
                if let Err(error) = bounded(inbound::request_key_frame(&track)).await? {
                    tracing::debug!(session = self.id, %error, "no key frame could be asked for");
                }
                Ok(())
            }
            SessionCommand::Roam(network) => {
                self.follow(network);
                Ok(())
            }
            SessionCommand::Close => Err(End::Closed),
        }
    }

    async fn notice(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Candidate(candidate) => match self.negotiation.local_candidate(candidate) {
                Some(candidate) => self.emit(SessionEvent::Candidate(candidate)).await,
                None => Ok(()),
            },
            Notice::Gathered => match self.negotiation.end_of_candidates() {
                Some(ufrag) => self.emit(SessionEvent::EndOfCandidates { ufrag }).await,
                None => Ok(()),
            },
            Notice::State(state) => self.state(state).await,
            Notice::Channel(channel) => {
                bounded(self.channels.accept(channel, &self.inbox)).await?;
                Ok(())
            }
            Notice::ChannelOpen(label) => {
                if !self.channels.opened(&label) {
                    return Ok(());
                }
                self.emit(SessionEvent::ChannelOpen { label }).await
            }
            Notice::ChannelMessage(label, data) => self.emit(SessionEvent::ChannelMessage { label, data }).await,
            Notice::ChannelClosed(label) => {
                if !self.channels.closed(&label) {
                    return Ok(());
                }
                self.emit(SessionEvent::ChannelClosed { label }).await
            }
            Notice::Track(track) => self.track(track).await,
            Notice::KeyFrame(role) => self.emit(SessionEvent::KeyFrameRequested { role }).await,
            Notice::Roamed(reached) => self.emit(SessionEvent::Roamed { reached }).await,
        }
    }

    async fn state(&mut self, state: RTCPeerConnectionState) -> Result<(), End> {
        let state = match state {
            RTCPeerConnectionState::Unspecified | RTCPeerConnectionState::New => SessionState::New,
            RTCPeerConnectionState::Connecting => SessionState::Connecting,
            RTCPeerConnectionState::Connected => SessionState::Connected,
            RTCPeerConnectionState::Disconnected => SessionState::Disconnected,
            RTCPeerConnectionState::Failed => SessionState::Failed,
            RTCPeerConnectionState::Closed => SessionState::Closed,
            // The stack may learn new states; none of them is a reason to change ours.
            _ => return Ok(()),
        };
        // A silent path still gets media: it may be silent in one direction alone, or heal any moment.
        let flowing = match state {
            SessionState::Connected | SessionState::Disconnected => true,
            SessionState::New | SessionState::Connecting | SessionState::Failed | SessionState::Closed => false,
        };
        self.outbound.set_flowing(flowing);
        self.emit(SessionEvent::Connection(state)).await
    }

    async fn track(&mut self, track: Arc<dyn TrackRemote>) -> Result<(), End> {
        let Some(role) = bounded(self.negotiation.role(self.pc.as_ref(), &track)).await? else {
            tracing::debug!(session = self.id, "a track that has no role");
            return Ok(());
        };
        self.emit(SessionEvent::TrackStarted { role }).await?;
        let reader = inbound::read(Arc::clone(&track), self.id, role, self.media.clone(), Arc::clone(&self.shared));
        self.readers.push(tokio::spawn(reader));
        self.remote.insert(role, track);
        Ok(())
    }

    async fn finish(
        &mut self,
        op: u64,
        result: Result<Option<parlor_protocol::negotiation::Description>, EngineError>,
    ) -> Result<(), End> {
        self.roam.agree(bounded(self.negotiation.credentials(self.pc.as_ref())).await?);
        let types = bounded(self.negotiation.payload_types()).await?;
        for role in TrackRole::ALL {
            self.outbound.set_payload_type(role, types.get(&role).copied());
        }
        let event = match result {
            Ok(Some(description)) => SessionEvent::Description { op, description },
            Ok(None) => SessionEvent::Applied { op },
            Err(error) => {
                tracing::debug!(session = self.id, op, %error, "negotiation");
                SessionEvent::OpFailed { op, error: error.to_string() }
            }
        };
        self.emit(event).await
    }

    /// Follows the network in the background. An attempt that is still under way is about a network that is gone.
    fn follow(&mut self, network: Network) {
        let (roam, inbox, rtt) = (self.roam.clone(), self.inbox.clone(), self.shared.rtt());
        let attempt = tokio::spawn(async move {
            let reached = roam.follow(&network, rtt).await;
            inbox.post(Notice::Roamed(reached));
        });
        if let Some(before) = self.roaming.replace(attempt) {
            before.abort();
        }
    }

    async fn drain(&mut self) -> Result<(), End> {
        while let Some(notice) = self.notices.try_next() {
            self.notice(notice).await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), End> {
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_PER_READING) {
            let stats = bounded(self.meter.read(self.pc.as_ref(), &self.shared, Instant::now())).await?;
            self.stats.send_replace(stats.moved(self.roam.moves(), self.roam.places()));
        }
        let (candidates, end) = self.negotiation.late(self.outbound.is_flowing(), Instant::now());
        for candidate in candidates {
            self.emit(SessionEvent::Candidate(candidate)).await?;
        }
        if let Some(ufrag) = end {
            self.emit(SessionEvent::EndOfCandidates { ufrag }).await?;
        }
        let now = (self.shared.estimate(), self.shared.rtt(), self.shared.loss());
        if !self.outbound.is_flowing() || self.told == Some(now) {
            return Ok(());
        }
        self.told = Some(now);
        let (bitrate, rtt, loss) = now;
        self.emit(SessionEvent::Estimate { bitrate, rtt, loss }).await
    }

    /// Says something, as long as somebody wants to hear it.
    async fn emit(&mut self, event: SessionEvent) -> Result<(), End> {
        tokio::select! {
            biased;
            () = stop(&mut self.stopped) => Err(End::Closed),
            sent = self.events.send((self.id, event)) => sent.map_err(|_| End::Closed),
        }
    }

    async fn close(mut self, end: End) {
        self.outbound.set_flowing(false);
        self.channels.stop();
        self.readers.iter().chain(&self.roaming).for_each(JoinHandle::abort);
        // Dropped without this, the connection would keep its task and its sockets for ever.
        if tokio::time::timeout(STUCK, self.pc.close()).await.is_err() {
            tracing::warn!(session = self.id, "the connection does not close");
        }
        tracing::debug!(
            session = self.id,
            media_dropped = self.shared.media_dropped.load(Relaxed),
            send_dropped = self.shared.send_dropped.load(Relaxed),
            "session over"
        );
        if let End::Dead(cause) = end {
            self.emit(SessionEvent::Dead { cause }).await.ok();
        }
    }
}

/// Completes once the holder wants the session to end, or is gone.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

/// Waits for an operation on the connection, but not for ever.
async fn bounded<T>(operation: impl Future<Output = T>) -> Result<T, End> {
    tokio::time::timeout(STUCK, operation).await.map_err(|_| End::Dead(Cause::Internal))
}

//! The task that owns a session's peer connection.

mod describe;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use parlor_protocol::{Cause, SessionState, media::TrackRole, signal::IceServer};
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
    keep::Keep,
    message::{SessionCommand, SessionEvent},
    names::Names,
    negotiate::Negotiation,
    options::SessionOptions,
    outbound::{self, Outbound},
    prompt::Prompt,
    roam::{Network, Roam, Taken},
    stats::{EngineStats, Meter},
    supervise::{Gone, Supervised},
    tunnel::Tunnel,
};

/// How often the estimate is told, when it changed.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two readings of the numbers.
const TICKS_PER_READING: u32 = 4;
/// How long a restart that keeps its sockets may take; one that takes longer is none that media is sent into.
const RENEWED: Duration = Duration::from_millis(500);
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
    /// The attempt to follow the network that is not answered yet.
    roaming: Option<(u64, JoinHandle<()>)>,
    keep: Keep,
    prompt: Prompt,
    /// Between which addresses packets go: what is known of the path counts no more when either is another.
    way: Taken,
    /// As the stack has it.
    state: SessionState,
    /// Descriptions reach the other side by another way than this session.
    signaling_up: bool,
    /// When to give up an answer that was said ahead.
    ahead_until: Option<tokio::time::Instant>,
    /// Servers for the next ICE generation.
    servers: Option<Vec<IceServer>>,
    meter: Meter,
    ticks: u32,
    told: Option<(u64, Duration, f32)>,
}

impl Task {
    /// Runs the session from its first socket to its last.
    pub(crate) async fn run(self) {
        let inner = self.options.runtime.clone().unwrap_or_else(|| Arc::new(TokioRuntime));
        let tunnel = Tunnel::new(inner, self.options.ice_policy);
        self.live(Arc::clone(&tunnel)).await;
        tunnel.close();
    }

    async fn live(self, tunnel: Arc<Tunnel>) {
        let Self {
            id,
            options,
            events,
            media,
            mut commands,
            mut stopped,
            stats,
            inbox,
            notices,
            overflow,
            shared,
            outbound,
        } = self;
        let roam = match Roam::new(tunnel.clone()) {
            Ok(roam) => roam,
            Err(error) => {
                tracing::error!(session = id, %error, "the stack has no cryptography");
                events.send((id, SessionEvent::Dead { cause: Cause::Internal })).await.ok();
                return;
            }
        };
        tokio::select! {
            () = tunnel.look_up(&options.ice_servers) => {}
            () = stop(&mut stopped) => return,
        }
        let keep = Keep::new(roam.runtime());
        let prompt = Prompt::new(keep.runtime(), Arc::clone(&shared), roam.provider(), options.first_offerer);
        let handler = Arc::new(Handler { inbox: inbox.clone(), shared: Arc::clone(&shared) });
        let runtime = || Supervised::new(prompt.runtime());
        // Waits for nobody, and given up halfway it would keep its task and its sockets for ever.
        let paused = keep.paused();
        let provider = || prompt.provider();
        let connect = connection::connect(&options, &tunnel, runtime, provider, handler, &shared, &paused);
        let (pc, gone) = match Box::pin(connect).await {
            Ok(connected) => connected,
            Err(error) => {
                tracing::warn!(session = id, %error, "no connection could be made");
                let cause = if error == EngineError::NoRelay { Cause::NoRelay } else { Cause::Internal };
                events.send((id, SessionEvent::Dead { cause })).await.ok();
                return;
            }
        };
        let names = Names::new(inbox.clone(), &options);
        let tracks = outbound::tracks(&shared);
        let negotiation = Negotiation::new(tracks, options.ice_policy, options.ice_tcp, keep.clone(), names);
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
            readers: Vec::new(),
            roam,
            roaming: None,
            keep,
            prompt,
            way: Taken::default(),
            state: SessionState::New,
            signaling_up: true,
            ahead_until: None,
            servers: None,
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
        let mut look = tokio::time::interval(describe::LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stopped, keep) = (self.stopped.clone(), self.keep.clone());
        let (mut silent, mut paused) = (self.roam.silent(), self.keep.paused());
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
                    Some(command) => {
                        let negotiates = is_negotiation(&command);
                        let step = self.command(command).await;
                        if negotiates {
                            self.prompt.wake();
                        } else {
                            self.prompt.nudge();
                        }
                        step
                    }
                },
                Some(notice) = self.notices.next() => self.notice(notice).await,
                Ok(()) = silent.changed() => {
                    let silent = *silent.borrow_and_update();
                    self.emit(SessionEvent::Silent(silent)).await
                }
                // What waited may leave now.
                Ok(()) = paused.changed() => {
                    self.prompt.nudge();
                    Ok(())
                }
                () = describe::taken_up(&keep, self.ahead_until.is_some()) => self.look_ahead(true).await,
                _ = look.tick(), if self.ahead_until.is_some() => self.look_ahead(false).await,
                _ = tick.tick() => self.tick().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn command(&mut self, command: SessionCommand) -> Result<(), End> {
        match command {
            SessionCommand::Offer { op, ice_restart } => self.offer(op, ice_restart).await,
            SessionCommand::Apply { op, description, rollback } => self.apply(op, description, rollback).await,
            SessionCommand::Rollback { op } => self.rollback(op).await,
            SessionCommand::Signaling(up) => {
                self.signaling_up = up;
                Ok(())
            }
            SessionCommand::Candidate(candidate) => self.remote_candidate(candidate).await,
            // The stack takes candidates at any time and needs no end; browsers want to be told, we do not.
            SessionCommand::EndOfCandidates => Ok(()),
            SessionCommand::IceServers(servers) => {
                let (tunnel, names) = (Arc::clone(&self.tunnel), servers.clone());
                tokio::spawn(async move { tunnel.look_up(&names).await });
                self.servers = Some(servers);
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
            SessionCommand::Roam { op, network } => self.follow(op, network).await,
            SessionCommand::Close => Err(End::Closed),
        }
    }

    async fn notice(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Candidate(candidate) => self.candidate(candidate).await,
            Notice::Named(candidate) => {
                self.remote_candidate(candidate).await?;
                self.prompt.wake();
                Ok(())
            }
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
            Notice::Roamed(op, reached) => match self.roaming.take_if(|(newest, _)| *newest == op) {
                Some(_) => self.emit(SessionEvent::Roamed { op, reached }).await,
                None => Ok(()),
            },
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
        // A silent path still gets media: it may be silent in one direction alone, or heal any moment. What is lost between
        // two paths of which the second is known to work is asked for again.
        let flowing = match state {
            SessionState::Connected | SessionState::Disconnected => true,
            SessionState::Connecting => self.keep.is_recent(RENEWED),
            SessionState::New | SessionState::Failed | SessionState::Closed => false,
        };
        self.outbound.set_flowing(flowing);
        self.state = state;
        if state != SessionState::Connecting {
            self.keep.release();
        }
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

    /// Follows the network in the background. An attempt that is still under way is about a network that is gone.
    async fn follow(&mut self, op: u64, network: Network) -> Result<(), End> {
        let (roam, inbox, rtt) = (self.roam.clone(), self.inbox.clone(), self.shared.rtt());
        let attempt = tokio::spawn(async move {
            let reached = roam.follow(&network, rtt).await;
            inbox.post(Notice::Roamed(op, reached));
        });
        let Some((op, before)) = self.roaming.replace((op, attempt)) else { return Ok(()) };
        before.abort();
        self.emit(SessionEvent::Roamed { op, reached: false }).await
    }

    async fn drain(&mut self) -> Result<(), End> {
        while let Some(notice) = self.notices.try_next() {
            self.notice(notice).await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), End> {
        self.ticks = self.ticks.wrapping_add(1);
        if !self.keep.is_recent(RENEWED) {
            self.keep.release();
            if self.state == SessionState::Connecting {
                self.outbound.set_flowing(false);
            }
        }
        if self.way.look(self.roam.way()) {
            self.shared.path_changed();
        }
        if self.ticks.is_multiple_of(TICKS_PER_READING) {
            let stats = bounded(self.meter.read(self.pc.as_ref(), &self.shared, &self.tunnel, Instant::now())).await?;
            self.stats.send_replace(stats.moved(self.roam.moves(), self.roam.places(), &self.keep));
        }
        let (candidates, end) = self.negotiation.late(self.has_path(), Instant::now());
        for candidate in candidates {
            self.emit(SessionEvent::Candidate(candidate)).await?;
        }
        if let Some(ufrag) = end {
            self.emit(SessionEvent::EndOfCandidates { ufrag }).await?;
        }
        let now = (self.shared.media_rate(), self.shared.rtt(), self.shared.loss());
        if !self.outbound.is_flowing() || self.told == Some(now) {
            return Ok(());
        }
        self.told = Some(now);
        let (bitrate, rtt, loss) = now;
        self.emit(SessionEvent::Estimate { bitrate, rtt, loss }).await
    }

    /// Whether there is a pair, silent or not.
    fn has_path(&self) -> bool {
        match self.state {
            SessionState::Connected | SessionState::Disconnected => true,
            SessionState::New | SessionState::Connecting | SessionState::Failed | SessionState::Closed => false,
        }
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
        let roaming = self.roaming.iter().map(|(_, attempt)| attempt);
        self.readers.iter().chain(roaming).for_each(JoinHandle::abort);
        // Sockets that are kept for a next generation keep themselves.
        self.keep.end();
        self.roam.close();
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

/// Whether what is said to the connection has it find a path, or another one.
fn is_negotiation(command: &SessionCommand) -> bool {
    match command {
        SessionCommand::Offer { .. }
        | SessionCommand::Apply { .. }
        | SessionCommand::Rollback { .. }
        | SessionCommand::Candidate(_)
        | SessionCommand::EndOfCandidates => true,
        SessionCommand::IceServers(_)
        | SessionCommand::OpenChannel { .. }
        | SessionCommand::CloseChannel { .. }
        | SessionCommand::Send { .. }
        | SessionCommand::Roam { .. }
        | SessionCommand::Signaling(_)
        | SessionCommand::RequestKeyFrame { .. }
        | SessionCommand::Close => false,
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

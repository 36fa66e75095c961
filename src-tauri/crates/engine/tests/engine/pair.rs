//! Two sessions and the signaling between them.

use std::time::{Duration, Instant};

use parlor_engine::{IceTimings, Media, Session, SessionCommand, SessionEvent, SessionOptions, netem::Netem};
use parlor_protocol::{
    SessionState,
    media::{RtpPayload, RtpReceived, TrackRole},
    negotiation::{Candidate, Description},
};
use tokio::sync::mpsc;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Makes the first offer.
    A,
    B,
}

impl Who {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One session, everything it said, and every packet it got.
pub(crate) struct Side {
    pub(crate) session: Session,
    pub(crate) netem: Netem,
    pub(crate) seen: Vec<SessionEvent>,
    pub(crate) packets: Vec<(TrackRole, RtpReceived)>,
    /// When each of them came.
    pub(crate) came: Vec<Instant>,
    /// What it told of itself beside its descriptions.
    pub(crate) candidates: Vec<Candidate>,
    /// Generations of which it told that they have no more, and how many candidates it had told of until then.
    pub(crate) ends: Vec<(String, usize)>,
    /// It tells nothing beside its descriptions.
    pub(crate) half_trickle: bool,
    events: mpsc::Receiver<(u64, SessionEvent)>,
    media: mpsc::Receiver<Media>,
}

impl Side {
    pub(crate) fn new(id: u64, options: SessionOptions) -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
        let netem = Netem::new(id);
        let (event_sender, events) = mpsc::channel(256);
        let (media_sender, media) = mpsc::channel(4096);
        let options = SessionOptions { runtime: Some(options.runtime.unwrap_or_else(|| netem.runtime())), ..options };
        let session = Session::spawn(id, options, event_sender, media_sender);
        let (seen, packets, came, candidates, ends, half_trickle) = Default::default();
        Self { session, netem, seen, packets, came, candidates, ends, half_trickle, events, media }
    }

    pub(crate) fn options(first_offerer: bool) -> SessionOptions {
        SessionOptions { first_offerer, bind: vec!["127.0.0.1:0".to_owned()], ..SessionOptions::default() }
    }

    /// The next thing it says; for tests that do the wiring themselves.
    pub(crate) async fn next(&mut self) -> SessionEvent {
        tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.unwrap().unwrap().1
    }

    /// The last state it told.
    pub(crate) fn state(&self) -> SessionState {
        let states = self.seen.iter().rev().filter_map(|event| match event {
            SessionEvent::Connection(state) => Some(*state),
            _ => None,
        });
        states.into_iter().next().unwrap_or(SessionState::New)
    }

    pub(crate) fn opened(&self, channel: &str) -> bool {
        self.seen.iter().any(|event| matches!(event, SessionEvent::ChannelOpen { label } if label == channel))
    }

    pub(crate) fn messages(&self, channel: &str) -> Vec<String> {
        let of_channel = self.seen.iter().filter_map(|event| match event {
            SessionEvent::ChannelMessage { label, data } if label == channel => Some(data),
            _ => None,
        });
        of_channel.map(|data| String::from_utf8_lossy(data).into_owned()).collect()
    }

    pub(crate) fn received(&self, role: TrackRole) -> usize {
        self.packets.iter().filter(|(of, _)| *of == role).count()
    }

    pub(crate) fn described(&self, wanted: u64) -> Option<Description> {
        self.seen.iter().find_map(|event| match event {
            SessionEvent::Description { op, description } if *op == wanted => Some(description.clone()),
            _ => None,
        })
    }

    pub(crate) fn applied(&self, wanted: u64) -> bool {
        self.seen.iter().any(|event| matches!(event, SessionEvent::Applied { op } if *op == wanted))
    }

    pub(crate) fn failed(&self, wanted: u64) -> bool {
        self.seen.iter().any(|event| matches!(event, SessionEvent::OpFailed { op, .. } if *op == wanted))
    }

    pub(crate) fn wants_key_frame(&self, wanted: TrackRole) -> bool {
        self.seen.contains(&SessionEvent::KeyFrameRequested { role: wanted })
    }

    pub(crate) fn command(&self, command: SessionCommand) {
        self.session.command(command).unwrap();
    }

    fn receive(&mut self, (_, role, packet, came): Media) {
        self.packets.push((role, packet));
        self.came.push(came);
    }
}

/// Two sessions whose candidates reach each other by themselves.
pub(crate) struct Pair {
    pub(crate) a: Side,
    pub(crate) b: Side,
    /// Candidates pass, and that there are no more.
    pub(crate) trickle: bool,
    /// Descriptions lose on their way what no other stack says.
    pub(crate) plain: bool,
    next_op: u64,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(IceTimings::default())
    }

    pub(crate) fn with(ice: IceTimings) -> Self {
        let side = |first| SessionOptions { ice, ..Side::options(first) };
        Self::of(side(true), side(false))
    }

    pub(crate) fn of(a: SessionOptions, b: SessionOptions) -> Self {
        Self { a: Side::new(1, a), b: Side::new(2, b), trickle: true, plain: false, next_op: 0 }
    }

    /// Connected, with `ctrl` open on both sides.
    pub(crate) async fn connected() -> Self {
        let mut pair = Self::new();
        pair.negotiate(Who::A, false).await;
        pair.until("connected", |pair| pair.is_connected() && pair.a.opened("ctrl") && pair.b.opened("ctrl")).await;
        pair
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.a.state() == SessionState::Connected && self.b.state() == SessionState::Connected
    }

    pub(crate) fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::A => &mut self.a,
            Who::B => &mut self.b,
        }
    }

    pub(crate) fn op(&mut self) -> u64 {
        self.next_op += 1;
        self.next_op
    }

    /// One offer and its answer.
    pub(crate) async fn negotiate(&mut self, offerer: Who, ice_restart: bool) {
        let op = self.op();
        self.side(offerer).command(SessionCommand::Offer { op, ice_restart });
        let offer = self.description(offerer, op).await;
        self.answer(offerer.other(), offer, false).await;
    }

    /// Applies an offer and gives the answer back.
    pub(crate) async fn answer(&mut self, answerer: Who, offer: Description, rollback: bool) {
        let op = self.op();
        let kept = |line: &&str| !self.plain || !line.starts_with("a=dtls-cookie:");
        let sdp = offer.sdp.split_inclusive('\n').filter(kept).collect();
        let description = Description { sdp, ..offer };
        self.side(answerer).command(SessionCommand::Apply { op, description, rollback });
        let answer = self.description(answerer, op).await;
        self.complete(answerer.other(), answer).await;
    }

    /// Applies an answer.
    pub(crate) async fn complete(&mut self, offerer: Who, answer: Description) {
        let op = self.op();
        self.side(offerer).command(SessionCommand::Apply { op, description: answer, rollback: false });
        self.until("the answer is applied", |pair| {
            assert!(!pair.side(offerer).failed(op), "{:?}", pair.side(offerer).seen);
            pair.side(offerer).applied(op)
        })
        .await;
    }

    pub(crate) async fn description(&mut self, of: Who, op: u64) -> Description {
        self.until("a description is made", |pair| {
            assert!(!pair.side(of).failed(op), "{:?}", pair.side(of).seen.last());
            pair.side(of).described(op).is_some()
        })
        .await;
        self.side(of).described(op).unwrap()
    }

    /// Runs until something is so; panics after ten seconds.
    pub(crate) async fn until(&mut self, what: &str, done: impl FnMut(&mut Self) -> bool) {
        self.until_within(Duration::from_secs(10), what, done).await;
    }

    pub(crate) async fn until_within(&mut self, limit: Duration, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !done(self) {
            // Not everything that is waited for comes with an event.
            tokio::time::timeout(Duration::from_millis(20), self.step()).await.ok();
            assert!(
                Instant::now() < deadline,
                "not so after {limit:?}: {what}\nA: {:?}\nB: {:?}",
                self.a.seen,
                self.b.seen
            );
        }
    }

    /// Lets both sides run for a while.
    pub(crate) async fn run_for(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::timeout_at(end, self.step()).await.is_ok() {}
    }

    /// Handles one event or packet.
    async fn step(&mut self) {
        let (who, event) = tokio::select! {
            Some((_, event)) = self.a.events.recv() => (Who::A, event),
            Some((_, event)) = self.b.events.recv() => (Who::B, event),
            Some(packet) = self.a.media.recv() => return self.a.receive(packet),
            Some(packet) = self.b.media.recv() => return self.b.receive(packet),
            else => std::future::pending().await,
        };
        match event {
            SessionEvent::Candidate(candidate) => {
                assert!(!candidate.ufrag.is_empty() && !candidate.mid.is_empty());
                self.side(who).candidates.push(candidate.clone());
                if self.trickles(who) {
                    self.side(who.other()).command(SessionCommand::Candidate(candidate));
                }
            }
            SessionEvent::EndOfCandidates { ufrag } => {
                let side = self.side(who);
                side.ends.push((ufrag, side.candidates.len()));
                if self.trickles(who) {
                    self.side(who.other()).command(SessionCommand::EndOfCandidates);
                }
            }
            event => self.side(who).seen.push(event),
        }
    }

    fn trickles(&mut self, who: Who) -> bool {
        self.trickle && !self.side(who).half_trickle
    }

    pub(crate) async fn close(self) {
        self.a.session.close().await;
        self.b.session.close().await;
    }
}

/// A packet of a stream that needs no key frame: sound, or a VP8 key frame in one packet.
pub(crate) fn packet(role: TrackRole, n: u32) -> RtpPayload {
    sized(role, n, true, 200)
}

/// The `n`th packet, each a picture of its own, with so many bytes.
pub(crate) fn sized(role: TrackRole, n: u32, key: bool, bytes: usize) -> RtpPayload {
    let mut payload = if role.is_audio() { vec![0x78] } else { vec![0x10, u8::from(!key)] };
    payload.extend_from_slice(&n.to_be_bytes());
    payload.resize(bytes, 0xaa);
    let step = if role.is_audio() { 960 } else { 3000 };
    RtpPayload { timestamp: n.wrapping_mul(step), marker: true, payload: payload.into() }
}

/// The number that [`packet`] put in.
pub(crate) fn number(role: TrackRole, packet: &RtpReceived) -> u32 {
    let at = if role.is_audio() { 1 } else { 2 };
    u32::from_be_bytes(packet.payload[at..at + 4].try_into().unwrap())
}

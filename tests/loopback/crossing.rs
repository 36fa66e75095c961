//! Offers that cross, again and again: two cores and their real connections. What they say through the server arrives at
//! once, what they say on `ctrl` takes the connection itself.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use parlor_call::{
    Call, CallConfig, CallEvent, Command, EngineCommand, EngineEvent, Input, Output, SessionKey, SignalingInput,
    Timings,
};
use parlor_engine::{Session, SessionCommand, SessionEvent, SessionOptions};
use parlor_identity::ProfileSecret;
use parlor_protocol::{
    InstanceId, SessionState,
    media::MediaState,
    negotiation::DescriptionKind,
    peer::PeerBody,
    signal::{Address, Member},
};
use parlor_tests::PATIENCE;
use tokio::{sync::mpsc, task::JoinSet, time};

/// Calls at the same time.
const CALLS: u8 = 20;
/// Times that offers cross in each.
const TIMES: u32 = 5;
/// The time between two of them. The side that gives way makes each of its offers twice, and nobody makes more for long than
/// one a second: an offer that has to wait for that crosses none.
const EVERY: Duration = Duration::from_millis(2200);

/// A core and its session.
struct Side {
    call: Call,
    member: Member,
    live: Option<(SessionKey, Session)>,
    sender: mpsc::Sender<(u64, SessionEvent)>,
    events: mpsc::Receiver<(u64, SessionEvent)>,
    /// Answers that are being applied.
    answers: BTreeSet<u64>,
    /// Offers of its own that were answered.
    agreed: u32,
    /// Offers of its own that it took back for one of the other side's.
    gave_way: u32,
    sessions: u32,
    chat: Vec<String>,
}

impl Side {
    fn new(room: &str, n: u8) -> Self {
        let room = room.parse().unwrap();
        let identity = ProfileSecret::from_bytes([n; 32]).identity(&room);
        let now = Instant::now();
        let call = Call::new(
            CallConfig {
                identity: identity.clone(),
                instance: InstanceId([n; 16]),
                room,
                name: format!("{n}"),
                hue: 0,
                media: MediaState::default(),
                timings: Timings::default(),
                seed: n.into(),
                start: now,
                wall_ms_at_start: 1_700_000_000_000,
            },
            now,
        );
        let address = Address { peer: identity.peer_id(), instance: InstanceId([n; 16]) };
        let (sender, events) = mpsc::channel(1024);
        Self {
            call,
            member: Member { address, key: identity.public_key() },
            live: None,
            sender,
            events,
            answers: BTreeSet::new(),
            agreed: 0,
            gave_way: 0,
            sessions: 0,
            chat: Vec::new(),
        }
    }

    fn state(&self) -> Option<SessionState> {
        self.call.tiles().first().map(|tile| tile.state)
    }

    /// Tells the core something, and does what it wants; what it says through the server, and whether to all.
    fn input(&mut self, input: Input) -> Vec<(bool, PeerBody)> {
        self.call.handle(input, Instant::now());
        self.carry_out()
    }

    fn timeout(&mut self) -> Vec<(bool, PeerBody)> {
        self.call.handle_timeout(Instant::now());
        self.carry_out()
    }

    fn carry_out(&mut self) -> Vec<(bool, PeerBody)> {
        let mut said = Vec::new();
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Engine { session, command } => self.instruct(session, command),
                Output::Event(CallEvent::Chat { text, .. }) => self.chat.push(text),
                Output::Event(_) | Output::ViewChanged => {}
                Output::Signal { to, body } => said.push((to.is_none(), body)),
            }
        }
        said
    }

    fn instruct(&mut self, key: SessionKey, command: EngineCommand) {
        let command = match command {
            EngineCommand::Open { first_offerer, .. } => {
                let options =
                    SessionOptions { first_offerer, bind: vec!["127.0.0.1:0".to_owned()], ..SessionOptions::default() };
                let session = Session::spawn(key.0, options, self.sender.clone(), mpsc::channel(1).0);
                self.live = Some((key, session));
                self.sessions += 1;
                return;
            }
            EngineCommand::Apply { op, description, rollback } => {
                self.gave_way += u32::from(rollback);
                if description.kind == DescriptionKind::Answer {
                    self.answers.insert(op);
                }
                SessionCommand::Apply { op, description, rollback }
            }
            EngineCommand::Candidate(candidate) => SessionCommand::Candidate(candidate),
            EngineCommand::EndOfCandidates => SessionCommand::EndOfCandidates,
            EngineCommand::Offer { op, ice_restart } => SessionCommand::Offer { op, ice_restart },
            EngineCommand::Rollback { op } => SessionCommand::Rollback { op },
            EngineCommand::Send { label, data } => SessionCommand::Send { label: label.to_owned(), data },
            EngineCommand::Signaling(up) => SessionCommand::Signaling(up),
            EngineCommand::Close | EngineCommand::Roam { .. } => panic!("{command:?} in a call in which all is well"),
        };
        let (_, session) = self.live.as_ref().unwrap();
        session.command(command).unwrap();
    }

    /// What the session said, for the core.
    fn heard(&mut self, event: SessionEvent) -> Option<EngineEvent> {
        Some(match event {
            SessionEvent::Applied { op } => {
                self.agreed += u32::from(self.answers.remove(&op));
                EngineEvent::Applied { op }
            }
            SessionEvent::Candidate(candidate) => EngineEvent::Candidate(candidate),
            SessionEvent::ChannelClosed { label } => EngineEvent::ChannelClosed { label },
            SessionEvent::ChannelMessage { label, data } => EngineEvent::ChannelMessage { label, data },
            SessionEvent::ChannelOpen { label } => EngineEvent::ChannelOpen { label },
            SessionEvent::Connection(state) => EngineEvent::Connection(state),
            SessionEvent::Dead { cause } => EngineEvent::Dead { cause },
            SessionEvent::Description { op, description } => EngineEvent::Description { op, description },
            SessionEvent::EndOfCandidates { ufrag } => EngineEvent::EndOfCandidates { ufrag },
            SessionEvent::OpFailed { op, error } => panic!("operation {op}: {error}"),
            SessionEvent::Roamed { op, reached } => EngineEvent::Roamed { op, reached },
            SessionEvent::SendRefused { label } => EngineEvent::SendRefused { label },
            SessionEvent::Silent(silent) => EngineEvent::Silent(silent),
            SessionEvent::TrackStarted { role } => EngineEvent::TrackStarted { role },
            SessionEvent::Estimate { .. } | SessionEvent::KeyFrameRequested { .. } => return None,
        })
    }
}

/// Two in a call.
struct Pair([Side; 2]);

impl Pair {
    async fn meet(room: &str) -> Self {
        let mut pair = Self([1, 2].map(|n| Side::new(room, n)));
        let members = pair.0.each_ref().map(|side| side.member);
        for (who, member) in members.iter().enumerate() {
            let up = SignalingInput::Up { peer: member.address.peer, roster: vec![members[1 - who]] };
            pair.input(who, Input::Signaling(up));
        }
        pair.until("they are connected", |pair| {
            pair.0.iter().all(|side| side.state() == Some(SessionState::Connected))
        })
        .await;
        pair
    }

    fn input(&mut self, who: usize, input: Input) {
        let said = self.0[who].input(input);
        self.deliver(who, said);
    }

    /// Brings what one side said to the other, and what that says to it.
    fn deliver(&mut self, from: usize, said: Vec<(bool, PeerBody)>) {
        let mut waiting: VecDeque<_> = said.into_iter().map(|said| (from, said)).collect();
        while let Some((from, (broadcast, body))) = waiting.pop_front() {
            let message =
                SignalingInput::Message { from: self.0[from].member.address, broadcast, message: body.into() };
            let answers = self.0[1 - from].input(Input::Signaling(message));
            waiting.extend(answers.into_iter().map(|said| (1 - from, said)));
        }
    }

    /// Waits for the next thing that happens.
    async fn step(&mut self) {
        let wake = self.0.iter().filter_map(|side| side.call.poll_timeout()).map(|(at, _)| at).min();
        let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        let [a, b] = &mut self.0;
        let (who, id, event) = tokio::select! {
            Some((id, event)) = a.events.recv() => (0, id, event),
            Some((id, event)) = b.events.recv() => (1, id, event),
            () = time::sleep_until(wake.into()) => {
                for who in 0..2 {
                    let said = self.0[who].timeout();
                    self.deliver(who, said);
                }
                return;
            }
        };
        if let Some(event) = self.0[who].heard(event) {
            self.input(who, Input::Engine { session: SessionKey(id), event });
        }
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}");
            self.step().await;
        }
    }

    /// Both want to negotiate before either knows that the other does.
    async fn cross(&mut self) {
        let (begun, before) = (Instant::now(), self.0.each_ref().map(|side| side.agreed));
        for side in &mut self.0 {
            let session = side.live.as_ref().unwrap().0;
            side.call.handle(Input::Engine { session, event: EngineEvent::NegotiationNeeded }, Instant::now());
        }
        for who in 0..2 {
            let said = self.0[who].carry_out();
            self.deliver(who, said);
        }
        self.until("an offer of each was answered", |pair| {
            pair.0.iter().zip(before).all(|(side, before)| side.agreed > before)
        })
        .await;
        self.until("the next may be made", |_| begun.elapsed() >= EVERY).await;
    }

    async fn close(self) {
        for side in self.0 {
            side.live.unwrap().1.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_cross_a_hundred_times_are_all_answered_and_no_session_is_lost() {
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        calls.spawn(async move {
            let mut pair = Pair::meet(&format!("crossing-{call}")).await;
            for _ in 0..TIMES {
                pair.cross().await;
            }
            assert!(pair.0.iter().all(|side| (side.state(), side.sessions) == (Some(SessionState::Connected), 1)));
            pair.input(0, Input::Command(Command::Chat { text: "still here".to_owned() }));
            pair.until("the chat goes on", |pair| pair.0[1].chat == ["still here"]).await;
            let crossed: u32 = pair.0.iter().map(|side| side.gave_way).sum();
            pair.close().await;
            crossed
        });
    }
    // One that is made while the other is on its way may be taken back unsaid: it counts.
    let crossed: u32 = calls.join_all().await.into_iter().sum();
    let all = u32::from(CALLS) * TIMES;
    assert!(crossed >= all * 3 / 4, "{crossed} of {all} crossed");
}

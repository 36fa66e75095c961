//! Inputs in any order and of any content: the core may drop them, never break over them.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use parlor_protocol::{
    Cause, InstanceId, SessionState,
    ctrl::CtrlMessage,
    media::TrackRole,
    negotiation::{Candidate, Negotiation, NegotiationBody},
    peer::{Hello, PeerBody},
    signal::LeaveReason,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::bench::{Bench, answer, media, offer};
use crate::{Command, EngineEvent, Input, SessionKey, SignalingInput, sim::Checks};

const STATES: [SessionState; 6] = [
    SessionState::New,
    SessionState::Connecting,
    SessionState::Connected,
    SessionState::Disconnected,
    SessionState::Failed,
    SessionState::Closed,
];

#[test]
fn any_inputs_in_any_order_keep_every_promise() {
    let mut again = 0;
    for seed in 0..400 {
        let mut ctrl = Ctrl::default();
        let mut planned = Vec::new();
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut bench = if rng.random() { Bench::lesser().met() } else { Bench::greater().met() };
        let mut checks = Checks::of_nonsense();
        let mut done = Vec::new();
        checks.started(0);
        let up = SignalingInput::Up { peer: bench.me.peer, roster: vec![bench.member()] };
        checks.input(0, &bench.call, &Input::Signaling(up), bench.now);
        let mut check = |bench: &mut Bench, input: Option<&Input>, done: &[String]| {
            if let Some(input) = input {
                checks.input(0, &bench.call, input, bench.now);
                bench.input(input.clone());
            }
            for output in bench.take() {
                assert_eq!(checks.output(0, &output, bench.now), Ok(()), "seed {seed} after {done:#?}");
            }
            assert_eq!(checks.call(0, &bench.call, bench.now), Ok(()), "seed {seed} after {done:#?}");
        };
        check(&mut bench, None, &done);
        for _ in 0..300 {
            let input = match planned.pop() {
                Some(event) => of_session(&bench, event, &mut rng),
                None => any_input(&mut bench, &mut rng),
            };
            if planned.is_empty() && rng.random_range(0..30) == 0 {
                planned = opens_again();
            }
            ctrl.input(&bench, &input);
            done.push(format!("{input:?}"));
            check(&mut bench, Some(&input), &done);
            let waits = if rng.random_range(0..4) == 0 { rng.random_range(0..6000) } else { 0 };
            let until = bench.now + Duration::from_millis(waits);
            while bench.now < until {
                let next = bench.call.poll_timeout().map_or(until, |(at, _)| at.clamp(bench.now, until));
                bench.later(next - bench.now);
                check(&mut bench, None, &done);
            }
        }
        again += ctrl.again;
    }
    assert!(again >= 100, "`ctrl` opened once more in {again} sessions");
}

/// Sessions whose `ctrl` opens, ends, and opens once more.
#[derive(Default)]
struct Ctrl {
    open: BTreeSet<SessionKey>,
    ended: BTreeSet<SessionKey>,
    again: usize,
}

impl Ctrl {
    fn input(&mut self, bench: &Bench, input: &Input) {
        let Input::Engine { session, event } = input else { return };
        if bench.session() != Some(*session) {
            return;
        }
        match event {
            EngineEvent::ChannelOpen { label } if label == "ctrl" => {
                self.again += usize::from(self.ended.remove(session));
                self.open.insert(*session);
            }
            EngineEvent::ChannelClosed { label } if label == "ctrl" && self.open.remove(session) => {
                self.ended.insert(*session);
            }
            _ => {}
        }
    }
}

#[test]
fn any_bytes_on_a_channel_are_survived() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut bench = Bench::lesser().connected();
    let samples = [
        serde_json::to_vec(&CtrlMessage::Ping { n: 1 }).unwrap(),
        serde_json::to_vec(&CtrlMessage::MediaState { media: media(true, true), name: "x".to_owned() }).unwrap(),
        br#"{"type":"view","camera":{"width":640,"height":360}}"#.to_vec(),
        br#"{"type":"have","up_to":{"00112233445566778899aabbccddeeff":7}}"#.to_vec(),
        br#"{"type":"messages","messages":[],"fill":true,"floor":{"00112233445566778899aabbccddeeff":7}}"#.to_vec(),
    ];
    for _ in 0..5000 {
        let mut data = samples[rng.random_range(0..samples.len())].clone();
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..data.len());
            data[at] = rng.random();
        }
        data.truncate(rng.random_range(0..=data.len()));
        let label = if rng.random() { "ctrl" } else { "chat" };
        bench.channel(label, data);
        bench.seconds(0.05);
        bench.take();
    }
    assert_eq!(bench.tiles(), 1);
}

fn any_input(bench: &mut Bench, rng: &mut SmallRng) -> Input {
    let from = bench.other;
    let peer = from.peer;
    match rng.random_range(0..22) {
        0 => Input::Signaling(SignalingInput::Up { peer: bench.me.peer, roster: vec![bench.member()] }),
        1 => Input::Signaling(SignalingInput::Up { peer: bench.me.peer, roster: Vec::new() }),
        2 => Input::Signaling(SignalingInput::Down { retry_in: Duration::from_secs(1) }),
        3 => {
            if rng.random_range(0..4) == 0 {
                bench.other.instance = InstanceId([rng.random_range(1..5); 16]);
            }
            Input::Signaling(SignalingInput::PeerJoined(bench.member()))
        }
        4 => {
            let reason = if rng.random() { LeaveReason::Left } else { LeaveReason::Lost };
            Input::Signaling(SignalingInput::PeerLeft { address: from, reason })
        }
        5 => Input::Signaling(SignalingInput::PeerBack(from)),
        6 => Input::Signaling(SignalingInput::Unreadable { from }),
        7 => Input::NetworkChanged,
        20 => Input::Signaling(SignalingInput::Ignored { from }),
        21 => Input::Signaling(SignalingInput::Unsupported { from }),
        8 => Input::Command(any_command(peer, rng)),
        9..=12 => {
            let message = any_body(rng).into();
            Input::Signaling(SignalingInput::Message { from, broadcast: rng.random(), message })
        }
        _ => {
            let event = any_event(rng);
            of_session(bench, event, rng)
        }
    }
}

/// An event of the session that there is, or of one that there is not.
fn of_session(bench: &Bench, event: EngineEvent, rng: &mut SmallRng) -> Input {
    let session = bench.session().unwrap_or(SessionKey(rng.random_range(0..5)));
    Input::Engine { session, event }
}

/// What a side says that opens `ctrl`, ends it and opens it once more, the last first.
fn opens_again() -> Vec<EngineEvent> {
    let label = || "ctrl".to_owned();
    let open = || EngineEvent::ChannelOpen { label: label() };
    vec![open(), EngineEvent::ChannelClosed { label: label() }, open()]
}

fn any_command(peer: parlor_protocol::PeerId, rng: &mut SmallRng) -> Command {
    match rng.random_range(0..7) {
        0 => Command::Chat { text: "x".to_owned() },
        1 => Command::Dismiss(peer),
        2 => Command::MediaFlow { peer, role: TrackRole::ALL[rng.random_range(0..4)], stalled: rng.random() },
        3 => Command::Reconnect(peer),
        4 => Command::Renew(peer),
        5 => Command::Retry(peer),
        _ => Command::SetMedia(media(rng.random(), rng.random())),
    }
}

fn any_body(rng: &mut SmallRng) -> PeerBody {
    let generation = rng.random_range(0..6);
    match rng.random_range(0..8) {
        0 => PeerBody::Bye { generation },
        1 => PeerBody::Hello(Hello::default()),
        2 => PeerBody::WantOffer { generation: if rng.random() { generation } else { u32::MAX } },
        3 => PeerBody::Unsupported { highest: 0 },
        _ => PeerBody::Negotiation(any_step(rng)),
    }
}

fn any_step(rng: &mut SmallRng) -> Negotiation {
    let ufrag = format!("u{}", rng.random_range(0..4));
    let body = match rng.random_range(0..6) {
        0 => NegotiationBody::Description(offer(&ufrag)),
        1 => NegotiationBody::Description(answer(&ufrag)),
        2 => NegotiationBody::Candidate(Candidate { candidate: String::new(), mid: String::new(), ufrag }),
        3 => NegotiationBody::EndOfCandidates { ufrag },
        4 => NegotiationBody::RestartReady,
        _ => NegotiationBody::RestartReadyQuery,
    };
    let answers = if rng.random() { Some(rng.random_range(0..9)) } else { None };
    Negotiation { generation: rng.random_range(0..6), sequence: rng.random_range(0..200), answers, body }
}

fn any_event(rng: &mut SmallRng) -> EngineEvent {
    let op = rng.random_range(0..8);
    let label = ["ctrl", "chat", "file/1"][rng.random_range(0..3)].to_owned();
    let ufrag = format!("u{}", rng.random_range(0..4));
    match rng.random_range(0..14) {
        0 => EngineEvent::Description { op, description: offer(&ufrag) },
        1 => EngineEvent::Description { op, description: answer(&ufrag) },
        2 => EngineEvent::Applied { op },
        3 => EngineEvent::OpFailed { op, error: "x".to_owned() },
        4 => EngineEvent::Candidate(Candidate { candidate: String::new(), mid: String::new(), ufrag }),
        5 => EngineEvent::EndOfCandidates { ufrag },
        6..=8 => EngineEvent::Connection(STATES[rng.random_range(0..STATES.len())]),
        9 => EngineEvent::ChannelOpen { label },
        10 => {
            let data = serde_json::to_vec(&CtrlMessage::Negotiation(any_step(rng))).unwrap();
            EngineEvent::ChannelMessage { label, data: Bytes::from(data) }
        }
        11 => EngineEvent::ChannelClosed { label },
        12 => EngineEvent::NegotiationNeeded,
        _ if rng.random_range(0..4) == 0 => EngineEvent::Dead { cause: Cause::Internal },
        _ => EngineEvent::SendRefused { label },
    }
}

//! A call between two, at which everything is thrown that a peer or a server can think of.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use parlor_protocol::{
    InstanceId, PeerId,
    chat::ChatWire,
    ctrl::{self, CtrlMessage},
    media::{Extent, MediaState, Showing, View},
    negotiation::{Candidate, Description, DescriptionKind, Negotiation, NegotiationBody},
    peer::{Hello, PeerBody},
    signal::{Address, LeaveReason, Member},
};
use rand::{RngExt, rngs::SmallRng};

use super::{
    scenarios::{connected_by, ms, say, texts},
    world::World,
};
use crate::{Dropped, EngineEvent, Input, SignalingInput};

/// Calls, and what is thrown at each.
const CALLS: u64 = 60;
const THROWN: usize = 300;
/// Events of the program that a peer may not speak.
const EVENTS: [&str; 9] = [
    "connect",
    "disconnect",
    "connect_error",
    "peer-connect",
    "peer-disconnect",
    "session-state",
    "closed",
    "error",
    "internal",
];

#[test]
fn a_call_works_after_whatever_was_thrown_at_it() {
    let mut dropped = Dropped::default();
    for seed in 1..=CALLS {
        let mut world = connected_by(seed, 2);
        world.faults.lies = true;
        for _ in 0..THROWN {
            let target = world.rng.random_range(0..2);
            for input in thrown(&mut world, target) {
                world.input(target, input);
            }
            let wait = world.rng.random_range(0..120);
            world.run_for(ms(wait));
        }
        // The server tells no more lies.
        world.set_server(false);
        world.set_server(true);
        let calm = world.now;
        while !both_well(&world) {
            if world.now > calm + Duration::from_secs(70) {
                world.fail("the call did not come back");
            }
            world.run_for(ms(250));
        }
        // Whoever flooded the chat has to wait until it may speak again.
        world.run_for(ms(30_000));
        for node in 0..2 {
            say(&mut world, node, &format!("{node} is still here"));
        }
        world.run_for(ms(2000));
        if !both_well(&world) || texts(&world, 0) != texts(&world, 1) || texts(&world, 0).len() != 2 {
            world.fail("the call does not work any more");
        }
        for node in &world.nodes {
            dropped = sum(dropped, node.call.as_ref().unwrap().dropped());
        }
    }
    let Dropped { flood, forged, malformed, oversized, stale, unknown } = dropped;
    println!("thrown away: {dropped:?}");
    assert!([flood, forged, malformed, oversized, stale, unknown].iter().all(|count| *count >= 100), "{dropped:?}");
}

/// Each has the other, and nobody else, connected.
fn both_well(world: &World) -> bool {
    [(0, 1), (1, 0)].into_iter().all(|(node, other)| {
        let call = world.nodes[node].call.as_ref().unwrap();
        let connected = call.session_state(world.peer(other)) == Some(parlor_protocol::SessionState::Connected);
        connected && call.runs().collect::<Vec<_>>() == [world.address(other)]
    })
}

/// Something that nobody who is honest says now: one input, or many at once.
fn thrown(world: &mut World, target: usize) -> Vec<Input> {
    let other = world.address(1 - target);
    let session = world.nodes[target].call.as_ref().and_then(|call| call.session(other.peer));
    let rng = &mut world.rng;
    let on = |label: &str, data: Vec<u8>| {
        let event = EngineEvent::ChannelMessage { label: label.to_owned(), data: Bytes::from(data) };
        session.map(|session| Input::Engine { session, event })
    };
    let label = ["ctrl", "chat", "file/1", ""][rng.random_range(0..4)];
    let channel = match rng.random_range(0..9) {
        0 => vec![on(label, (0..rng.random_range(0..300)).map(|_| rng.random()).collect())],
        1 => vec![on(label, vec![b'x'; ctrl::MAX_BYTES + 1])],
        2 => {
            let word = EVENTS[rng.random_range(0..EVENTS.len())];
            vec![on("ctrl", format!(r#"{{"type":"{word}","peer":"{}","reason":"left"}}"#, other.peer).into_bytes())]
        }
        3 => (0..250).map(|n| on("ctrl", json(&CtrlMessage::Ping { n }))).collect(),
        4 => {
            let have = json(&ChatWire::Have { up_to: Default::default() });
            (0..250).map(|_| on("chat", have.clone())).collect()
        }
        5 => vec![on("chat", forged_chat(rng))],
        6 | 7 => vec![on("ctrl", mutated(json(&ctrl_message(rng)), rng))],
        _ => {
            let input = signaled(other, rng);
            return vec![Input::Signaling(input)];
        }
    };
    channel.into_iter().flatten().collect()
}

/// A message on `ctrl` that is none of its sender's business now.
fn ctrl_message(rng: &mut SmallRng) -> CtrlMessage {
    match rng.random_range(0..5) {
        0 => CtrlMessage::Pong { n: rng.random() },
        2 => CtrlMessage::View(View {
            camera: rng.random::<bool>().then(|| Showing {
                extent: Extent { width: rng.random(), height: rng.random() },
                rate: NonZeroU32::new(rng.random_range(0..3)),
            }),
            screen: None,
        }),
        1 => {
            CtrlMessage::MediaState { media: MediaState::default(), name: "x\u{7}\ny".repeat(rng.random_range(0..60)) }
        }
        _ => CtrlMessage::Negotiation(step(rng)),
    }
}

/// A step out of place: of another generation, with another's number, an answer to nothing, a candidate of nowhere.
fn step(rng: &mut SmallRng) -> Negotiation {
    let ufrag = format!("x{}", rng.random_range(0..9));
    let description = |kind| {
        let sdp = format!("a=ice-ufrag:{ufrag}\nx-offer:1");
        NegotiationBody::Description(Description { kind, sdp, tracks: Default::default() })
    };
    let body = match rng.random_range(0..6) {
        0 => description(DescriptionKind::Offer),
        1 => description(DescriptionKind::Answer),
        2 => NegotiationBody::Candidate(Candidate { candidate: "candidate:x".to_owned(), mid: String::new(), ufrag }),
        3 => NegotiationBody::EndOfCandidates { ufrag: String::new() },
        4 => NegotiationBody::RestartReady,
        _ => NegotiationBody::RestartReadyQuery,
    };
    let generation = [0, 1, 1, 1, 2, u32::MAX][rng.random_range(0..6)];
    // An offer that fits is taken: everything else about it does not.
    let generation = if let NegotiationBody::Description(_) = body { generation.min(1) } else { generation };
    let answers = rng.random::<bool>().then(|| rng.random_range(0..20));
    Negotiation {
        generation,
        sequence: [0, 1, 2, rng.random_range(0..500), u32::MAX][rng.random_range(0..5)],
        answers,
        body,
    }
}

/// Something that comes through the server: from the other side, from others, from nobody.
fn signaled(other: Address, rng: &mut SmallRng) -> SignalingInput {
    let stranger = Address { peer: PeerId([rng.random(); 16]), instance: InstanceId([rng.random(); 16]) };
    let older = Address { instance: InstanceId([rng.random_range(200..210); 16]), ..other };
    let from = [other, older, stranger][rng.random_range(0..3)];
    match rng.random_range(0..8) {
        0 => SignalingInput::Ignored { from },
        1 => SignalingInput::Unsupported { from: stranger },
        2 => SignalingInput::PeerLeft { address: [older, stranger][rng.random_range(0..2)], reason: LeaveReason::Left },
        3 => SignalingInput::Unreadable { from },
        4 => SignalingInput::Message {
            from: older,
            broadcast: true,
            message: [PeerBody::Bye { generation: 0 }, PeerBody::Hello(Hello::default())][rng.random_range(0..2)]
                .clone()
                .into(),
        },
        5 => SignalingInput::Message {
            from: other,
            broadcast: true,
            message: PeerBody::WantOffer { generation: rng.random() }.into(),
        },
        6 => {
            let key =
                parlor_identity::ProfileSecret::from_bytes([1; 32]).identity(&"room".parse().unwrap()).public_key();
            SignalingInput::PeerJoined(Member { address: older, key })
        }
        _ => {
            SignalingInput::Message { from: other, broadcast: false, message: PeerBody::Negotiation(step(rng)).into() }
        }
    }
}

/// A chat message that its author did not sign.
fn forged_chat(rng: &mut SmallRng) -> Vec<u8> {
    let identity = parlor_identity::ProfileSecret::from_bytes([rng.random(); 32]).identity(&"room".parse().unwrap());
    let instance = InstanceId([rng.random(); 16]);
    let body = format!(r#"{{"id":"{instance}-1","clock":1,"sent_ms":1,"name":"x","text":"forged"}}"#);
    let signature = identity.sign(parlor_identity::Purpose::Join, &[body.as_bytes()]);
    let message = parlor_protocol::chat::SignedChat { key: identity.public_key(), body, signature };
    json(&ChatWire::Messages { messages: vec![message], fill: true, floor: Default::default() })
}

/// A few bytes of it changed, or its end cut off.
fn mutated(mut data: Vec<u8>, rng: &mut SmallRng) -> Vec<u8> {
    for _ in 0..rng.random_range(0..4) {
        let at = rng.random_range(0..data.len());
        data[at] = rng.random();
    }
    if rng.random_range(0..4) == 0 {
        data.truncate(rng.random_range(0..data.len()));
    }
    data
}

fn json(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}

fn sum(a: Dropped, b: Dropped) -> Dropped {
    Dropped {
        flood: a.flood + b.flood,
        forged: a.forged + b.forged,
        malformed: a.malformed + b.malformed,
        oversized: a.oversized + b.oversized,
        stale: a.stale + b.stale,
        unknown: a.unknown + b.unknown,
    }
}

//! Two sides, what they say to each other, and whoever sits between them.

mod pair;
mod people;

use parlor_identity::ProfileSecret;
use parlor_protocol::{Commitment, InstanceId, Nonce, PeerId, ctrl::CtrlMessage, signal::Address, trust::Words};

use super::{Exchange, Side, Source, Step};
use crate::{SessionKey, dropped::Why};

/// A description of a side with this certificate, in its n-th ICE generation.
fn sdp(certificate: u8, ice: u32) -> String {
    let digits = vec![format!("{certificate:02X}"); 32].join(":");
    format!("v=0\r\na=ice-ufrag:{certificate}-{ice}\r\na=fingerprint:sha-256 {digits}\r\nm=audio 9\r\n")
}

fn address(n: u8) -> Address {
    Address { peer: PeerId([n; 16]), instance: InstanceId([n; 16]) }
}

/// Somebody's exchange with somebody else, both known by their number, which is their certificate too.
fn exchange(me: u8, other: u8) -> Exchange {
    over(me, other, other)
}

/// The same, where the other side's description names this certificate.
fn over(me: u8, other: u8, certificate: u8) -> Exchange {
    let room = "studio".parse().unwrap();
    let source = Source::new(ProfileSecret::from_bytes([me; 32]).identity(&room), address(me), &room);
    let mut exchange = Exchange::new(source.side(SessionKey(1), address(other)));
    exchange.local(&sdp(me, 0));
    exchange.remote(&sdp(certificate, 0));
    exchange
}

/// What it wants to say, and what it threw away.
fn drain(exchange: &mut Exchange) -> (Vec<CtrlMessage>, Vec<Why>) {
    let (mut said, mut dropped) = (Vec::new(), Vec::new());
    while let Some(step) = exchange.poll_step() {
        match step {
            Step::Say(message) => said.push(message),
            Step::Dropped(why) => dropped.push(why),
            Step::Changed => {}
        }
    }
    (said, dropped)
}

fn said(exchange: &mut Exchange) -> Vec<CtrlMessage> {
    drain(exchange).0
}

fn hear(exchange: &mut Exchange, messages: &[CtrlMessage]) -> Vec<CtrlMessage> {
    for message in messages {
        match message {
            CtrlMessage::VerifyCommit { commitment } => exchange.committed(*commitment),
            CtrlMessage::VerifyReveal { nonce } => exchange.revealed(*nonce),
            other => panic!("no part of the exchange: {other:?}"),
        }
    }
    said(exchange)
}

fn is_commitment(message: &CtrlMessage) -> bool {
    matches!(message, CtrlMessage::VerifyCommit { .. })
}

fn is_nonce(message: &CtrlMessage) -> bool {
    matches!(message, CtrlMessage::VerifyReveal { .. })
}

/// Lets two that are open say everything to each other.
fn talk(a: &mut Exchange, b: &mut Exchange, mut from_a: Vec<CtrlMessage>, mut from_b: Vec<CtrlMessage>) {
    while !from_a.is_empty() || !from_b.is_empty() {
        let to_b = std::mem::take(&mut from_a);
        from_a = hear(a, &std::mem::take(&mut from_b));
        from_b = hear(b, &to_b);
    }
}

fn agree(a: &mut Exchange, b: &mut Exchange) -> Words {
    a.open(1);
    b.open(1);
    let (from_a, from_b) = (said(a), said(b));
    talk(a, b, from_a, from_b);
    let words = a.words().expect("words");
    assert_eq!(Some(&words), b.words().as_ref());
    words
}

#[test]
fn both_sides_have_the_same_words() {
    let words = agree(&mut exchange(1, 2), &mut exchange(2, 1));
    assert_eq!(agree(&mut exchange(2, 1), &mut exchange(1, 2)), words);
}

#[test]
fn every_session_has_words_of_its_own() {
    let words = |generation| {
        let (mut a, mut b) = (exchange(1, 2), exchange(2, 1));
        a.open(generation);
        b.open(generation);
        let (from_a, from_b) = (said(&mut a), said(&mut b));
        talk(&mut a, &mut b, from_a, from_b);
        a.words().unwrap()
    };
    assert_ne!(words(1), words(2));
    let room = "studio".parse().unwrap();
    let source = Source::new(ProfileSecret::from_bytes([1; 32]).identity(&room), address(1), &room);
    let nonce = |key, other| source.side(SessionKey(key), address(other)).nonce;
    assert_ne!(nonce(1, 2), nonce(2, 2));
    assert_ne!(nonce(1, 2), nonce(1, 3));
}

#[test]
fn what_was_said_before_the_other_end_was_open_does_no_harm_when_it_is_lost() {
    for early in [true, false] {
        let (mut a, mut b) = (exchange(1, 2), exchange(2, 1));
        a.open(1);
        let from_a = said(&mut a);
        if early {
            // It came before the word of our own end.
            assert_eq!(hear(&mut b, &from_a), []);
        }
        b.open(1);
        let from_b = said(&mut b);
        talk(&mut a, &mut b, Vec::new(), from_b);
        assert!(a.words().is_some() && a.words() == b.words());
    }
}

#[test]
fn nobody_reveals_before_the_other_side_is_committed() {
    let mut a = exchange(1, 2);
    a.open(1);
    let first = said(&mut a);
    assert!(first.len() == 1 && is_commitment(&first[0]));
    a.revealed(Nonce([9; 32]));
    assert_eq!(drain(&mut a), (Vec::new(), vec![Why::Malformed]));
    a.committed(Commitment([9; 32]));
    let then = said(&mut a);
    assert!(then.len() == 2 && then[0] == first[0] && is_nonce(&then[1]));
}

#[test]
fn who_has_seen_our_nonce_cannot_choose_its_own_any_more() {
    let (mut a, mut mallory) = (exchange(1, 2), exchange(2, 1));
    a.open(1);
    mallory.open(1);
    let commitment = said(&mut mallory);
    assert!(hear(&mut a, &commitment).iter().any(is_nonce));
    // Now it could search for a nonce that gives the words it wants, but neither takes back what it is bound to.
    a.committed(Commitment([7; 32]));
    assert_eq!(drain(&mut a), (Vec::new(), vec![Why::Malformed]));
    a.revealed(Nonce([7; 32]));
    assert_eq!(drain(&mut a), (Vec::new(), vec![Why::Forged]));
    assert!(a.is_mismatch() && a.words().is_none());
    // For good: the right one comes too late.
    let first = [commitment, said(&mut mallory)].concat();
    hear(&mut a, &first);
    assert!(a.is_mismatch());
}

#[test]
fn who_sits_in_the_middle_has_other_words_on_each_side() {
    // Mallory is a member with a key of its own, and uses one nonce and one certificate on both sides.
    let to_anna = agree(&mut exchange(1, 9), &mut exchange(9, 1));
    let to_ben = agree(&mut exchange(2, 9), &mut exchange(9, 2));
    assert_ne!(to_anna, to_ben);
}

#[test]
fn who_passes_everything_on_but_the_certificates_is_found_out() {
    let (mut a, mut b) = (over(1, 2, 9), over(2, 1, 9));
    a.open(1);
    b.open(1);
    let (from_a, from_b) = (said(&mut a), said(&mut b));
    talk(&mut a, &mut b, from_a, from_b);
    assert!(a.is_mismatch() && a.words().is_none());
    assert!(b.is_mismatch() && b.words().is_none());
}

#[test]
fn our_own_words_do_not_come_back_as_somebody_elses() {
    let mut a = exchange(1, 2);
    a.open(1);
    let ours = said(&mut a);
    let then = hear(&mut a, &ours);
    assert!(then.iter().any(is_nonce));
    hear(&mut a, &then);
    assert!(a.is_mismatch() && a.words().is_none());
}

#[test]
fn what_is_said_twice_is_taken_once() {
    let (mut a, mut b) = (exchange(1, 2), exchange(2, 1));
    a.open(1);
    b.open(1);
    let (from_a, from_b) = (said(&mut a), said(&mut b));
    let from_a_then = hear(&mut a, &from_b);
    let from_b_then = hear(&mut b, &[from_a, from_a_then.clone()].concat());
    hear(&mut a, &from_b_then);
    let words = a.words();
    assert!(words.is_some());
    // The commitment may have been said again because it seemed lost; a nonce never is.
    assert_eq!(hear(&mut a, &from_b), []);
    for message in from_b_then.iter().filter(|message| is_nonce(message)) {
        hear(&mut a, std::slice::from_ref(message));
    }
    a.revealed(Nonce([3; 32]));
    assert_eq!(drain(&mut a).1, [Why::Malformed]);
    assert_eq!(a.words(), words);
}

#[test]
fn a_new_ice_generation_keeps_the_words_and_another_certificate_takes_them() {
    let (mut a, mut b) = (exchange(1, 2), exchange(2, 1));
    let words = agree(&mut a, &mut b);
    a.local(&sdp(1, 1));
    a.remote(&sdp(2, 1));
    a.remote("v=0\r\na=ice-ufrag:without\r\n");
    assert_eq!(a.words(), Some(words));
    a.remote(&sdp(3, 2));
    assert!(a.is_mismatch() && a.words().is_none());
    assert_eq!(a.poll_step(), Some(Step::Changed));
}

#[test]
fn without_clear_certificates_nothing_is_said() {
    for (ours, theirs) in [("v=0", sdp(2, 0)), (&sdp(1, 0), "v=0".to_owned()), (&sdp(1, 0), sdp(2, 0) + &sdp(3, 0))] {
        let room = "studio".parse().unwrap();
        let source = Source::new(ProfileSecret::from_bytes([1; 32]).identity(&room), address(1), &room);
        let mut exchange = Exchange::new(source.side(SessionKey(1), address(2)));
        exchange.local(ours);
        exchange.remote(&theirs);
        exchange.open(1);
        exchange.committed(Commitment([1; 32]));
        assert_eq!(drain(&mut exchange), (Vec::new(), Vec::new()));
        assert!(!exchange.is_mismatch());
    }
}

#[test]
fn the_vector_in_the_docs_gives_its_words() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../../../docs/vectors.json")).unwrap();
    let text = |path: [&str; 3]| path.iter().fold(&vectors, |value, key| &value[*key]).as_str().unwrap().to_owned();
    let who = |name| Address {
        peer: vectors[name]["peer_id_hex"].as_str().unwrap().parse().unwrap(),
        instance: vectors[name]["instance_hex"].as_str().unwrap().parse().unwrap(),
    };
    let side = |me, other| {
        let nonce = text(["verification", me, "nonce_hex"]).parse().unwrap();
        let room = parlor_identity::digest(vectors["room"].as_str().unwrap().as_bytes());
        let mut exchange = Exchange::new(Side { me: who(me), remote: who(other), room, nonce });
        exchange.local(&text(["verification", me, "sdp"]));
        exchange.remote(&text(["verification", other, "sdp"]));
        exchange.open(vectors["verification"]["generation"].as_u64().unwrap().try_into().unwrap());
        exchange
    };
    let (mut ann, mut ben) = (side("ann", "ben"), side("ben", "ann"));
    let (from_ann, from_ben) = (said(&mut ann), said(&mut ben));
    let commitment = text(["verification", "ann", "commitment_hex"]).parse().unwrap();
    assert_eq!(from_ann, [CtrlMessage::VerifyCommit { commitment }]);
    talk(&mut ann, &mut ben, from_ann, from_ben);
    assert_eq!(serde_json::to_value(ann.words()).unwrap(), vectors["verification"]["words"]);
}

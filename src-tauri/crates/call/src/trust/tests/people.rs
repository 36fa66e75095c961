//! What people see of all this, and what they make of it.

use parlor_protocol::{
    PeerId,
    trust::{KnownPeer, Trust},
};

use super::pair::Pair;
use crate::{CallEvent, Command, Refusal};

fn known(n: u8, name: &str) -> KnownPeer {
    KnownPeer { peer: PeerId([n; 16]), name: name.to_owned(), verified_ms: 1 }
}

#[test]
fn two_calls_come_to_the_same_words_once() {
    let mut pair = Pair::named("Ben").connect();
    let (anna, ben) = (pair.words(0), pair.words(1));
    assert_eq!(anna.len(), 1);
    assert_eq!(anna, ben);
    assert_eq!(pair.trust(0), Trust::Words { words: anna[0].clone() });
    assert_eq!(pair.trust(0), pair.trust(1));
    assert_eq!(pair.dropped(0), crate::Dropped::default());
}

#[test]
fn a_new_negotiation_does_not_change_them() {
    let mut pair = Pair::named("Ben").connect();
    let before = pair.trust(0);
    pair.words(0);
    for who in [0, 1] {
        pair.negotiate(who);
    }
    assert_eq!(pair.trust(0), before);
    assert_eq!(pair.words(0), [] as [parlor_protocol::trust::Words; 0]);
}

#[test]
fn another_certificate_in_the_middle_is_said_loudly_and_leaves_no_words() {
    let mut pair = Pair::named("Ben");
    pair.middle = Some(9);
    let mut pair = pair.connect();
    for who in [0, 1] {
        assert_eq!(pair.trust(who), Trust::Mismatch);
        assert_eq!(pair.notices(who), ["verification-mismatch"]);
        assert_eq!(pair.dropped(who).forged, 1);
        let other = pair.id(1 - who);
        pair.command(who, Command::Verify(other));
        assert_eq!(pair.events(who), [CallEvent::Refused(Refusal::NoWords(other))]);
    }
}

#[test]
fn who_knows_of_no_words_is_no_trouble() {
    let mut pair = Pair::named("Ben");
    pair.filter = |data| (!String::from_utf8_lossy(&data).contains("verify-")).then_some(data);
    let mut pair = pair.connect();
    assert_eq!(pair.trust(0), Trust::None);
    assert_eq!(pair.notices(0), [] as [&str; 0]);
    assert_eq!(pair.dropped(0), crate::Dropped::default());
}

#[test]
fn a_commitment_that_is_no_digest_is_dropped_and_counted() {
    let mut pair = Pair::named("Ben");
    pair.filter = |data| {
        let text = String::from_utf8(data).unwrap();
        Some(text.replace("\"commitment\":\"", "\"commitment\":\"x").into_bytes())
    };
    let mut pair = pair.connect();
    assert_eq!(pair.trust(0), Trust::None);
    assert!(pair.dropped(0).malformed > 0);
    assert_eq!(pair.words(0).len(), 0);
}

#[test]
fn who_was_verified_is_kept_and_shown() {
    let mut pair = Pair::named("Ben").connect();
    let (ben, words) = (pair.id(1), pair.words(0).remove(0));
    pair.command(0, Command::Verify(ben));
    let kept = KnownPeer { peer: ben, name: "Ben".to_owned(), verified_ms: 1_000_000 };
    assert_eq!(pair.events(0), [CallEvent::KnownPeers(vec![kept.clone()])]);
    let verified = Trust::Verified { name: "Ben".to_owned(), words: Some(words.clone()) };
    assert_eq!(pair.trust(0), verified);
    // That is for Anna to say, and Ben has not.
    assert_eq!(pair.trust(1), Trust::Words { words });

    let mut later = Pair::named("Ben");
    later.command(0, Command::Know(vec![kept]));
    let later = later.connect();
    assert!(matches!(later.trust(0), Trust::Verified { name, words: Some(_) } if name == "Ben"));
}

#[test]
fn a_verification_can_be_taken_back() {
    let mut pair = Pair::named("Ben").connect();
    let ben = pair.id(1);
    let before = pair.trust(0);
    pair.command(0, Command::Verify(ben));
    pair.events(0);
    pair.command(0, Command::Unverify(ben));
    assert_eq!(pair.events(0), [CallEvent::KnownPeers(Vec::new())]);
    assert_eq!(pair.trust(0), before);
    pair.command(0, Command::Unverify(ben));
    assert_eq!(pair.events(0), []);
}

#[test]
fn words_that_differ_are_said_loudly_until_they_match() {
    let mut pair = Pair::named("Ben").connect();
    let ben = pair.id(1);
    pair.command(0, Command::Verify(ben));
    pair.events(0);
    pair.command(0, Command::WordsDiffer(ben));
    assert!(matches!(pair.trust(0), Trust::Differ { words: Some(_) }));
    let events = pair.events(0);
    assert!(matches!(&events[..], [CallEvent::KnownPeers(none), CallEvent::Notice(notice)]
        if none.is_empty() && notice.code == "words-differ" && notice.text.contains("Ben")));
    pair.command(0, Command::DismissWarning(ben));
    assert!(matches!(pair.trust(0), Trust::Words { .. }));
}

#[test]
fn somebody_with_a_verified_name_and_another_key_is_said_loudly_once() {
    let mut pair = Pair::named("BEN");
    pair.command(0, Command::Know(vec![known(7, "Ben")]));
    let mut pair = pair.connect();
    let other = pair.id(1);
    assert!(matches!(pair.trust(0), Trust::Changed { name, words: Some(_) } if name == "Ben"));
    assert_eq!(pair.notices(0), ["another-key"]);
    pair.command(1, Command::SetName("ben ".to_owned()));
    assert_eq!(pair.notices(0), [] as [&str; 0]);
    pair.command(0, Command::DismissWarning(other));
    assert!(matches!(pair.trust(0), Trust::Words { .. }));
}

#[test]
fn a_name_that_is_taken_during_the_call_is_noticed() {
    let mut pair = Pair::named("Chloe");
    pair.command(0, Command::Know(vec![known(7, "Ben")]));
    let mut pair = pair.connect();
    pair.events(0);
    pair.command(1, Command::SetName("Ben".to_owned()));
    assert!(matches!(pair.trust(0), Trust::Changed { .. }));
    assert_eq!(pair.notices(0), ["another-key"]);
    let other = pair.id(1);
    pair.command(0, Command::Verify(other));
    assert!(matches!(pair.trust(0), Trust::Verified { name, .. } if name == "Ben"));
}

#[test]
fn nobody_is_verified_who_is_not_there() {
    let mut pair = Pair::named("Ben").connect();
    pair.events(0);
    let nobody = PeerId([9; 16]);
    for command in [Command::Verify, Command::Unverify, Command::WordsDiffer, Command::DismissWarning] {
        pair.command(0, command(nobody));
        assert_eq!(pair.events(0), [CallEvent::Refused(Refusal::NoSuchPeer(nobody))]);
    }
}

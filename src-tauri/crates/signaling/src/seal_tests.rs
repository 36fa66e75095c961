use parlor_identity::ProfileSecret;
use parlor_protocol::{InstanceId, peer::Hello};

use super::*;

const KEY: LinkKey = LinkKey([9; 16]);

fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}

fn credentials(n: u8) -> Credentials {
    let identity = ProfileSecret::from_bytes([n; 32]).identity(&room("studio"));
    Credentials { identity, instance: InstanceId([n; 16]) }
}

fn address(n: u8) -> Address {
    credentials(n).address()
}

fn sealer(n: u8) -> Sealer {
    Sealer::new(&KEY, &room("studio"), credentials(n))
}

fn opener(n: u8) -> Opener {
    Opener::new(KEY, room("studio"), address(n))
}

fn hello(name: &str) -> PeerBody {
    PeerBody::Hello(Hello { name: name.into(), ..Hello::default() })
}

#[test]
fn a_message_opens_for_its_receiver() {
    let wire = sealer(1).seal(Some(address(2)), hello("Ann")).unwrap();
    assert_eq!(opener(2).open(address(1), false, &wire).unwrap().body, hello("Ann"));
}

#[test]
fn a_broadcast_opens_for_everybody() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    for n in [2, 3] {
        assert_eq!(opener(n).open(address(1), true, &wire).unwrap().body, hello("Ann"));
    }
}

#[test]
fn the_wire_hides_the_text_and_its_length() {
    let short = sealer(1).seal(None, hello("Ann of the many names")).unwrap();
    let longer = sealer(1).seal(None, hello("Ann of the many, many, many names")).unwrap();
    assert_eq!(short.len(), longer.len());
    assert!(!short.windows(3).any(|part| part == b"Ann"));
}

#[test]
fn any_changed_bit_is_noticed() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    for at in 0..wire.len() * 8 {
        let mut changed = wire.to_vec();
        changed[at / 8] ^= 1 << (at % 8);
        let error = opener(2).open(address(1), true, &changed).unwrap_err();
        assert_eq!(error, if at < 8 { OpenError::Form } else { OpenError::Seal }, "bit {at}");
    }
}

#[test]
fn any_cut_is_noticed() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    for length in 0..wire.len() {
        assert!(opener(2).open(address(1), true, &wire[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn another_links_key_does_not_open() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    let mut stranger = Opener::new(LinkKey([8; 16]), room("studio"), address(2));
    assert_eq!(stranger.open(address(1), true, &wire), Err(OpenError::Seal));
}

#[test]
fn another_room_does_not_open() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    let mut elsewhere = Opener::new(KEY, room("kitchen"), address(2));
    assert_eq!(elsewhere.open(address(1), true, &wire), Err(OpenError::Seal));
}

#[test]
fn a_message_to_one_opens_for_no_other_and_not_as_a_broadcast() {
    let wire = sealer(1).seal(Some(address(2)), hello("Ann")).unwrap();
    assert_eq!(opener(3).open(address(1), false, &wire), Err(OpenError::Seal));
    assert_eq!(opener(2).open(address(1), true, &wire), Err(OpenError::Seal));
}

#[test]
fn a_broadcast_is_not_taken_for_a_message_to_one() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    assert_eq!(opener(2).open(address(1), false, &wire), Err(OpenError::Seal));
}

#[test]
fn a_message_said_to_be_from_another_does_not_open() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    assert_eq!(opener(2).open(address(3), true, &wire), Err(OpenError::Seal));
    let other_run = Address { instance: InstanceId([7; 16]), ..address(1) };
    assert_eq!(opener(2).open(other_run, true, &wire), Err(OpenError::Seal));
}

/// A member has the link's key and so can make the seal of any other member; its signature it cannot.
fn forge(from: Address, key: &PublicKey, sign: impl Fn(&[u8], &[u8]) -> Signature, json: &[u8]) -> Vec<u8> {
    let counter = counter_bytes(0);
    let aad = additional_data(&room("studio"), from, None, &counter);
    let mut plain = u32::try_from(SIGNED + json.len()).unwrap().to_be_bytes().to_vec();
    plain.extend_from_slice(&key.0);
    plain.extend_from_slice(&sign(&aad, json).0);
    plain.extend_from_slice(json);
    plain.resize(plain.len().next_multiple_of(PAD), 0);
    wrap(from, &plain)
}

/// Seals any bytes.
fn wrap(from: Address, plain: &[u8]) -> Vec<u8> {
    let counter = counter_bytes(0);
    let aad = additional_data(&room("studio"), from, None, &counter);
    let sealed = cipher(&KEY, &room("studio"), from).encrypt(&counter.into(), Payload { msg: plain, aad: &aad });
    [&[FORM], &counter[..], &sealed.unwrap()].concat()
}

const HELLO: &[u8] = br#"{"v":1,"type":"hello","name":"Ann"}"#;

#[test]
fn another_member_with_its_own_key_cannot_speak_for_a_peer() {
    let mallory = credentials(3).identity;
    let sign = |aad: &[u8], json: &[u8]| mallory.sign(Purpose::Message, &[aad, json]);
    let wire = forge(address(1), &mallory.public_key(), sign, HELLO);
    assert_eq!(opener(2).open(address(1), true, &wire), Err(OpenError::Impersonation));
}

#[test]
fn another_member_with_the_peers_key_cannot_sign_for_it() {
    let (ann, mallory) = (credentials(1).identity, credentials(3).identity);
    let sign = |aad: &[u8], json: &[u8]| mallory.sign(Purpose::Message, &[aad, json]);
    let wire = forge(address(1), &ann.public_key(), sign, HELLO);
    assert_eq!(opener(2).open(address(1), true, &wire), Err(OpenError::Signature));
}

#[test]
fn a_signature_of_another_message_is_no_good() {
    let ann = credentials(1).identity;
    let sign = |aad: &[u8], _: &[u8]| ann.sign(Purpose::Message, &[aad, b"something else"]);
    let wire = forge(address(1), &ann.public_key(), sign, HELLO);
    assert_eq!(opener(2).open(address(1), true, &wire), Err(OpenError::Signature));
}

/// Opens what Ann herself sealed and signed.
fn open_signed(json: &[u8]) -> Result<PeerMessage, OpenError> {
    let ann = credentials(1).identity;
    let sign = |aad: &[u8], json: &[u8]| ann.sign(Purpose::Message, &[aad, json]);
    opener(2).open(address(1), true, &forge(address(1), &ann.public_key(), sign, json))
}

#[test]
fn fields_that_are_not_known_are_ignored() {
    let opened = open_signed(br#"{"v":1,"type":"hello","name":"Ann","shoe_size":38}"#);
    assert_eq!(opened.unwrap().body, hello("Ann"));
}

#[test]
fn a_higher_version_is_told_apart_from_rubbish() {
    assert_eq!(open_signed(br#"{"v":2,"type":"telepathy"}"#), Err(OpenError::Version(2)));
    assert_eq!(open_signed(br#"{"v":1,"type":"telepathy"}"#), Err(OpenError::Malformed));
    assert_eq!(open_signed(b"[]"), Err(OpenError::Malformed));
    assert_eq!(open_signed(b""), Err(OpenError::Malformed));
}

#[test]
fn lengths_and_padding_that_lie_are_refused() {
    for (length, fill) in [(0, 0), (95, 0), (252, 1), (253, 0), (u32::MAX, 0), (100, 1)] {
        let mut plain = vec![fill; PAD];
        plain[..4].copy_from_slice(&u32::to_be_bytes(length));
        let error = opener(2).open(address(1), true, &wrap(address(1), &plain)).unwrap_err();
        let whole = length == 252;
        assert_eq!(error, if whole { OpenError::Impersonation } else { OpenError::Malformed }, "length {length}");
    }
}

#[test]
fn a_replay_is_refused() {
    let wire = sealer(1).seal(None, hello("Ann")).unwrap();
    let mut opener = opener(2);
    assert!(opener.open(address(1), true, &wire).is_ok());
    assert_eq!(opener.open(address(1), true, &wire), Err(OpenError::Replay));
}

#[test]
fn messages_may_overtake_each_other() {
    let mut sealer = sealer(1);
    let wires: Vec<_> = (0..64).map(|n| sealer.seal(None, hello(&n.to_string())).unwrap()).collect();
    let mut opener = opener(2);
    for wire in wires.iter().rev() {
        assert!(opener.open(address(1), true, wire).is_ok());
    }
}

#[test]
fn a_forgery_with_a_high_counter_does_not_move_the_window() {
    let mut sealer = sealer(1);
    let wires: Vec<_> = (0..200).map(|_| sealer.seal(None, hello("Ann")).unwrap()).collect();
    let mut opener = opener(2);
    let mut forged = wires[199].to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert!(opener.open(address(1), true, &forged).is_err());
    assert!(opener.open(address(1), true, &wires[0]).is_ok());
}

#[test]
fn runs_of_a_peer_count_for_themselves() {
    let mut opener = opener(2);
    let first = sealer(1).seal(None, hello("Ann")).unwrap();
    assert!(opener.open(address(1), true, &first).is_ok());
    let again = Credentials { instance: InstanceId([7; 16]), ..credentials(1) };
    let run = again.address();
    let second = Sealer::new(&KEY, &room("studio"), again).seal(None, hello("Ann")).unwrap();
    assert!(opener.open(run, true, &second).is_ok());
}

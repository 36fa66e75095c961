//! The test vectors that peers written by others are checked with. `PARLOR_WRITE_VECTORS=1` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_identity::{ProfileSecret, Purpose, digest, statement};
use parlor_protocol::{
    InstanceId, LinkKey, MessageId, RoomName,
    chat::{ChatBody, SignedChat},
    media::MediaState,
    peer::{Hello, PeerBody, PeerMessage},
    signal::Address,
};
use parlor_signaling::{Credentials, Opener, Sealer};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/vectors.json");

fn counted<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|n| first + u8::try_from(n).unwrap())
}

fn room() -> RoomName {
    "thursday-studio_2".parse().unwrap()
}

fn link_key() -> LinkKey {
    LinkKey(counted(0))
}

/// A peer of the vectors: the first byte of its secret and of its instance tell it apart.
fn peer(first: u8) -> (ProfileSecret, Credentials) {
    let secret = ProfileSecret::from_bytes(counted(first));
    let identity = secret.identity(&room());
    (secret, Credentials { identity, instance: InstanceId(counted(first + 0x80)) })
}

fn describe(secret: &ProfileSecret, credentials: &Credentials) -> Value {
    json!({
        "profile_secret_hex": hex::encode(secret.as_bytes()),
        "public_key_hex": credentials.identity.public_key().to_string(),
        "peer_id_hex": credentials.identity.peer_id().to_string(),
        "instance_hex": credentials.instance.to_string(),
    })
}

fn hello() -> PeerBody {
    PeerBody::Hello(Hello {
        name: "Zoë 🎥".into(),
        hue: 210,
        capabilities: vec!["handover".into()],
        media: MediaState { microphone: true, camera: true, ..MediaState::default() },
    })
}

fn sealed(sealer: &mut Sealer, counter: u64, to: Option<Address>, body: PeerBody) -> Value {
    let from = sealer.credentials().address();
    let text = serde_json::to_string(&PeerMessage::from(body.clone())).unwrap();
    let wire = sealer.seal(to, body).unwrap();
    json!({
        "from": from,
        "to": to,
        "counter": counter,
        "json": text,
        "wire_hex": hex::encode(&wire),
        "relay_data_base64": STANDARD.encode(&wire),
    })
}

fn chat(credentials: &Credentials) -> Value {
    let body = ChatBody {
        id: MessageId { instance: credentials.instance, n: 1 },
        clock: 7,
        sent_ms: 1_766_000_000_123,
        name: "Zoë 🎥".into(),
        text: "Hello, \"all\"\nof you".into(),
    };
    let body = serde_json::to_string(&body).unwrap();
    let signature = credentials.identity.sign(Purpose::Chat, &[room().as_str().as_bytes(), body.as_bytes()]);
    serde_json::to_value(SignedChat { key: credentials.identity.public_key(), body, signature }).unwrap()
}

/// The words that verification words are taken from, one a line.
const WORDS: &str = include_str!("../../call/src/trust/words.txt");

/// A side of the exchange of verification words: what it describes itself with, and what it is bound to.
fn side(credentials: &Credentials, generation: u32, first: u8) -> (Vec<u8>, Value) {
    let (certificate, nonce): ([u8; 32], [u8; 32]) = (counted(first), counted(first + 0x20));
    let Address { peer, instance } = credentials.address();
    let room = digest(room().as_str().as_bytes());
    let fields: [&[u8]; 6] = [&room, &generation.to_be_bytes(), &peer.0, &instance.0, &certificate, &nonce];
    let share = statement(Purpose::Commitment, &fields);
    let digits: Vec<String> = certificate.iter().map(|byte| format!("{byte:02X}")).collect();
    let value = json!({
        "sdp": format!("v=0\r\na=fingerprint:sha-256 {}\r\n", digits.join(":")),
        "nonce_hex": hex::encode(nonce),
        "commitment_hex": hex::encode(digest(&share)),
    });
    (share, value)
}

fn verification(ann: &Credentials, ben: &Credentials) -> Value {
    let generation = 3;
    let (ann_share, ann_side) = side(ann, generation, 0x50);
    let (ben_share, ben_side) = side(ben, generation, 0x90);
    let ordered = if ann.address().peer < ben.address().peer { [ann_share, ben_share] } else { [ben_share, ann_share] };
    let digest = digest(&statement(Purpose::Words, &[&ordered[0], &ordered[1]]));
    let head = u64::from_be_bytes(digest[..8].try_into().unwrap());
    let word = |shift: u32| WORDS.lines().nth(usize::try_from(head >> shift & 2047).unwrap()).unwrap();
    let words = [53, 42, 31, 20].map(word);
    json!({ "generation": generation, "ann": ann_side, "ben": ben_side, "words": words })
}

fn vectors() -> Value {
    let (ann_secret, ann) = peer(0x10);
    let (ben_secret, ben) = peer(0x40);
    let nonce: [u8; 32] = counted(0xa0);
    let described = (describe(&ann_secret, &ann), describe(&ben_secret, &ben));
    let to_ben = ben.address();
    let join = json!({
        "peer": "ann",
        "nonce_hex": hex::encode(nonce),
        "signature_hex": ann.identity.sign_join(&nonce, &room(), ann.instance).to_string(),
    });
    let chat = chat(&ann);
    let verification = verification(&ann, &ben);
    let mut sealer = Sealer::new(&link_key(), &room(), ann);
    let broadcast = sealed(&mut sealer, 0, None, hello());
    let directed = sealed(&mut sealer, 1, Some(to_ben), PeerBody::WantOffer { generation: 3 });
    json!({
        "link_key_hex": hex::encode(link_key().0),
        "link_key_fragment": URL_SAFE_NO_PAD.encode(link_key().0),
        "room": room(),
        "ann": described.0,
        "ben": described.1,
        "join": join,
        "sealed_broadcast_from_ann": broadcast,
        "sealed_from_ann_to_ben": directed,
        "chat_from_ann": chat,
        "verification": verification,
    })
}

#[test]
fn the_vectors_in_the_docs_are_what_this_version_makes() {
    let fresh = vectors();
    if std::env::var_os("PARLOR_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, format!("{}\n", serde_json::to_string_pretty(&fresh).unwrap())).unwrap();
    }
    // Compared as values: in which order an object's fields are written depends on who else is built.
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert_eq!(kept, fresh);
}

#[test]
fn the_sealed_vectors_open() {
    let vectors = vectors();
    let (_, ann) = peer(0x10);
    let (_, ben) = peer(0x40);
    let mut opener = Opener::new(link_key(), room(), ben.address());
    for (name, broadcast) in [("sealed_broadcast_from_ann", true), ("sealed_from_ann_to_ben", false)] {
        let wire = STANDARD.decode(vectors[name]["relay_data_base64"].as_str().unwrap()).unwrap();
        let message = opener.open(ann.address(), broadcast, &wire).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), vectors[name]["json"].as_str().unwrap());
    }
}

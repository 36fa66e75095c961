//! The seal: what peers say through a server is encrypted with the room link's key and signed by its sender.
//!
//! Wire form: version byte 1 ‖ counter (12 bytes, big-endian) ‖ AES-256-GCM ciphertext with its tag.
//! Inside: length (4 bytes, big-endian) ‖ public key (32) ‖ signature (64) ‖ JSON, then zeros up to a multiple of 256.

use std::collections::BTreeMap;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use bytes::{BufMut, Bytes, BytesMut};
use hkdf::Hkdf;
use parlor_identity::{Purpose, peer_id, verify};
use parlor_protocol::{
    LinkKey, PublicKey, RoomName, Signature, VERSION,
    peer::{PeerBody, PeerMessage},
    signal::Address,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Credentials, window::Window};

/// The first byte on the wire and of the additional data.
const FORM: u8 = 1;
/// Bytes of the counter, which is the nonce too.
const COUNTER: usize = 12;
/// Bytes of the tag that AES-GCM appends.
const TAG: usize = 16;
/// Bytes of public key and signature before the JSON.
const SIGNED: usize = 32 + 64;
/// Sizes are multiples of this many bytes, so that they say little about what was said.
const PAD: usize = 256;
/// Runs of peers whose counters are kept. Only holders of the link can make one; more than this many is an attack.
const SENDERS: usize = 4096;

/// Why sealed bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or with a first byte that is not known.
    #[error("the sealed message has a form that this version does not know")]
    Form,
    /// Another link's key, another room, another receiver or sender, or changed on the way.
    #[error("the sealed message does not open with this room's key")]
    Seal,
    /// It opened, but what is inside is not a key, a signature and a message of a type that is known.
    #[error("what was sealed is not a message that this version knows")]
    Malformed,
    /// The public key inside is not the sender's.
    #[error("the message was signed by somebody else than its sender")]
    Impersonation,
    /// The signature does not fit.
    #[error("the message's signature does not fit")]
    Signature,
    /// It was here before, or is too old to tell.
    #[error("the message was received before")]
    Replay,
    /// More runs of peers than a room can have had.
    #[error("too many senders")]
    TooManySenders,
    /// Of a version that is not known; its sender is to be told so.
    #[error("the message is of version {0}, which this one does not know")]
    Version(u32),
}

/// A message that JSON cannot carry, or that would be above 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be sealed")]
pub struct SealError;

/// Seals what one run of a peer says in one room. There is one for each run: a second with the same instance would
/// repeat nonces, which breaks the cipher.
pub struct Sealer {
    cipher: Aes256Gcm,
    room: RoomName,
    credentials: Credentials,
    counter: u64,
}

impl Sealer {
    /// A sealer whose counter is at 0.
    pub fn new(key: &LinkKey, room: &RoomName, credentials: Credentials) -> Self {
        let cipher = cipher(key, room, credentials.address());
        Self { cipher, room: room.clone(), credentials, counter: 0 }
    }

    /// Who seals.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Seals a message to one peer, or to all.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn seal(&mut self, to: Option<Address>, body: PeerBody) -> Result<Bytes, SealError> {
        let json = serde_json::to_vec(&PeerMessage::from(body)).map_err(|_| SealError)?;
        self.seal_json(to, &json)
    }

    /// Seals the text of a message.
    pub(crate) fn seal_json(&mut self, to: Option<Address>, json: &[u8]) -> Result<Bytes, SealError> {
        let length = u32::try_from(SIGNED + json.len()).map_err(|_| SealError)?;
        let counter = counter_bytes(self.counter.into());
        let aad = additional_data(&self.room, self.credentials.address(), to, &counter);
        let identity = &self.credentials.identity;
        let signature = identity.sign(Purpose::Message, &[&aad, json]);

        let mut plain = BytesMut::with_capacity((4 + SIGNED + json.len()).next_multiple_of(PAD));
        plain.put_u32(length);
        plain.put_slice(&identity.public_key().0);
        plain.put_slice(&signature.0);
        plain.put_slice(json);
        plain.resize(plain.len().next_multiple_of(PAD), 0);

        let payload = Payload { msg: &plain, aad: &aad };
        let sealed = self.cipher.encrypt(&counter.into(), payload).map_err(|_| SealError)?;
        // Counted only now, but before the bytes are out of here: no counter is ever used for two messages.
        self.counter += 1;

        let mut wire = BytesMut::with_capacity(1 + COUNTER + sealed.len());
        wire.put_u8(FORM);
        wire.put_slice(&counter);
        wire.put_slice(&sealed);
        Ok(wire.freeze())
    }
}

/// Opens what others say to one run of a peer in one room, each message once.
pub struct Opener {
    key: LinkKey,
    room: RoomName,
    me: Address,
    windows: BTreeMap<Address, Window>,
}

impl Opener {
    /// An opener that has seen nothing.
    pub fn new(key: LinkKey, room: RoomName, me: Address) -> Self {
        Self { key, room, me, windows: BTreeMap::new() }
    }

    /// Opens what the server says came from `from`, to everybody or to us.
    ///
    /// # Errors
    /// When anything about it is not as it should be; the counters stay as they were then.
    pub fn open(&mut self, from: Address, broadcast: bool, wire: &[u8]) -> Result<PeerMessage, OpenError> {
        let (counter, sealed) = split(wire)?;
        let to = (!broadcast).then_some(self.me);
        let aad = additional_data(&self.room, from, to, &counter);
        let payload = Payload { msg: sealed, aad: &aad };
        let opened = cipher(&self.key, &self.room, from).decrypt(&counter.into(), payload);
        let plain = Zeroizing::new(opened.map_err(|_| OpenError::Seal)?);

        let (key, signature, json) = unpack(&plain)?;
        if peer_id(&key) != from.peer {
            return Err(OpenError::Impersonation);
        }
        verify(&key, Purpose::Message, &[&aad, json], &signature).map_err(|_| OpenError::Signature)?;
        self.note(from, &counter)?;
        parse(json)
    }

    /// Takes the counter of a message that was verified.
    fn note(&mut self, from: Address, counter: &[u8; COUNTER]) -> Result<(), OpenError> {
        if !self.windows.contains_key(&from) && self.windows.len() >= SENDERS {
            return Err(OpenError::TooManySenders);
        }
        let window = self.windows.entry(from).or_default();
        if window.take(counter_value(counter)) { Ok(()) } else { Err(OpenError::Replay) }
    }
}

/// HKDF-SHA-256 (RFC 5869) of the link's key, salted with the room, bound to the sender's run.
fn cipher(key: &LinkKey, room: &RoomName, from: Address) -> Aes256Gcm {
    let salt = Sha256::digest(room.as_str());
    let mut derived = Zeroizing::new([0; 32]);
    let info: [&[u8]; 3] = [b"parlor seal 1", &from.peer.0, &from.instance.0];
    let expanded = Hkdf::<Sha256>::new(Some(&salt), &key.0).expand_multi_info(&info, &mut *derived);
    expanded.expect("32 bytes are within what HKDF-SHA-256 gives");
    Aes256Gcm::new((&*derived).into())
}

/// What is not secret but must not be changed: version, room, sender, receiver (zeros for all), counter.
fn additional_data(room: &RoomName, from: Address, to: Option<Address>, counter: &[u8; COUNTER]) -> Vec<u8> {
    let name = room.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(2 + name.len() + 64 + COUNTER);
    bytes.push(FORM);
    bytes.push(u8::try_from(name.len()).expect("a room name has at most 64 bytes"));
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&from.peer.0);
    bytes.extend_from_slice(&from.instance.0);
    bytes.extend_from_slice(&to.map_or([0; 16], |to| to.peer.0));
    bytes.extend_from_slice(&to.map_or([0; 16], |to| to.instance.0));
    bytes.extend_from_slice(counter);
    bytes
}

fn counter_bytes(counter: u128) -> [u8; COUNTER] {
    let mut bytes = [0; COUNTER];
    bytes.copy_from_slice(&counter.to_be_bytes()[16 - COUNTER..]);
    bytes
}

fn counter_value(bytes: &[u8; COUNTER]) -> u128 {
    bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

fn split(wire: &[u8]) -> Result<([u8; COUNTER], &[u8]), OpenError> {
    let (form, rest) = wire.split_first().ok_or(OpenError::Form)?;
    let (counter, sealed) = rest.split_first_chunk::<COUNTER>().ok_or(OpenError::Form)?;
    if *form != FORM || sealed.len() < PAD + TAG || sealed.len() % PAD != TAG {
        return Err(OpenError::Form);
    }
    Ok((*counter, sealed))
}

/// Takes the padding and the parts apart.
fn unpack(plain: &[u8]) -> Result<(PublicKey, Signature, &[u8]), OpenError> {
    let (length, rest) = plain.split_first_chunk::<4>().ok_or(OpenError::Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError::Malformed)?;
    let (content, padding) = rest.split_at_checked(length).ok_or(OpenError::Malformed)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(OpenError::Malformed);
    }
    let (key, content) = content.split_first_chunk::<32>().ok_or(OpenError::Malformed)?;
    let (signature, json) = content.split_first_chunk::<64>().ok_or(OpenError::Malformed)?;
    Ok((PublicKey(*key), Signature(*signature), json))
}

fn parse(json: &[u8]) -> Result<PeerMessage, OpenError> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }

    let Versioned { v } = serde_json::from_slice(json).map_err(|_| OpenError::Malformed)?;
    if v != VERSION {
        return Err(OpenError::Version(v));
    }
    serde_json::from_slice(json).map_err(|_| OpenError::Malformed)
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;

//! Who a peer is: its keys, its id, its signatures.
//!
//! Owns: the derivation of a room's key pair from a profile's secret, peer ids, and the one form in which anything is
//! signed. Pure: the same inputs give the same bytes, so that simulations can be repeated.
//! Refuses: storage, the seal, and any opinion on what a message means.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use parlor_protocol::{InstanceId, PeerId, PublicKey, RoomName, Signature};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What a statement is about. The text keeps a signature or a digest made for one purpose from being good for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A chat message. Fields: room, body.
    Chat,
    /// A side's share of the verification words. Fields: SHA-256 of the room's name, generation, peer id, instance,
    /// fingerprint, nonce.
    Commitment,
    /// The answer to a server's challenge. Fields: nonce, room, instance.
    Join,
    /// A message through signaling. Fields: additional data of the seal, plaintext.
    Message,
    /// A nonce that is made and not drawn. Fields: whatever tells it from all others.
    Nonce,
    /// Verification words. Fields: the statements of both sides' shares, that of the lesser id first.
    Words,
}

impl Purpose {
    fn text(self) -> &'static str {
        match self {
            Self::Chat => "parlor chat 1",
            Self::Commitment => "parlor commitment 1",
            Self::Join => "parlor join 1",
            Self::Message => "parlor message 1",
            Self::Nonce => "parlor nonce 1",
            Self::Words => "parlor words 1",
        }
    }
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not a point on the curve.
    #[error("the public key is not a key")]
    Key,
    /// Not made by this key over this.
    #[error("the signature does not fit")]
    Signature,
}

/// The one secret of a profile. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ProfileSecret([u8; 32]);

impl ProfileSecret {
    /// A fresh one from the system's randomness.
    ///
    /// # Errors
    /// When the system has none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// One that was kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The identity in one room: peers of two rooms cannot be told to be the same person.
    /// Seed = HKDF-SHA-256(secret, salt SHA-256(room), info "parlor identity 1") (RFC 5869).
    pub fn identity(&self, room: &RoomName) -> Identity {
        let derived = Hkdf::<Sha256>::new(Some(&Sha256::digest(room.as_str())), &self.0);
        let seed = expand(&derived, b"parlor identity 1");
        Identity { key: SigningKey::from_bytes(&seed), nonces: expand(&derived, b"parlor nonces 1") }
    }
}

fn expand(derived: &Hkdf<Sha256>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    derived.expand(info, bytes.as_mut_slice()).expect("32 bytes are within what HKDF-SHA-256 gives");
    bytes
}

/// A peer's key pair in one room.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
    /// What nonces are made from: another secret than the key, so that neither can weaken the other.
    nonces: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// The peer's id.
    pub fn peer_id(&self) -> PeerId {
        peer_id(&self.public_key())
    }

    /// Signs fields for a purpose.
    pub fn sign(&self, purpose: Purpose, fields: &[&[u8]]) -> Signature {
        Signature(self.key.sign(&statement(purpose, fields)).to_bytes())
    }

    /// 32 bytes that nobody else can foresee, whatever others of them they have seen; always the same for these fields.
    pub fn nonce(&self, fields: &[&[u8]]) -> [u8; 32] {
        let derived = Hkdf::<Sha256>::new(None, self.nonces.as_slice());
        *expand(&derived, &statement(Purpose::Nonce, fields))
    }

    /// Signs the answer to a server's challenge.
    pub fn sign_join(&self, nonce: &[u8], room: &RoomName, instance: InstanceId) -> Signature {
        self.sign(Purpose::Join, &[nonce, room.as_str().as_bytes(), &instance.0])
    }
}

/// The id of the peer with this key: the first 16 bytes of SHA-256 of it.
pub fn peer_id(key: &PublicKey) -> PeerId {
    let digest = Sha256::digest(key.0);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    PeerId(id)
}

/// Checks a signature.
///
/// # Errors
/// When the key is none, or the signature is not its own over these fields for this purpose.
pub fn verify(key: &PublicKey, purpose: Purpose, fields: &[&[u8]], signature: &Signature) -> Result<(), VerifyError> {
    let key = VerifyingKey::from_bytes(&key.0).map_err(|_| VerifyError::Key)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    // Strict: no small-order keys and no second form of the same signature (RFC 8032 §8.4).
    key.verify_strict(&statement(purpose, fields), &signature).map_err(|_| VerifyError::Signature)
}

/// Checks the answer to a server's challenge.
///
/// # Errors
/// As [`verify`].
pub fn verify_join(
    key: &PublicKey,
    nonce: &[u8],
    room: &RoomName,
    instance: InstanceId,
    signature: &Signature,
) -> Result<(), VerifyError> {
    verify(key, Purpose::Join, &[nonce, room.as_str().as_bytes(), &instance.0], signature)
}

/// SHA-256 (FIPS 180-4).
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What is signed or hashed: the purpose and a zero byte, then each field behind its length in four bytes, big-endian.
pub fn statement(purpose: Purpose, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = purpose.text().as_bytes().to_vec();
    bytes.push(0);
    for field in fields {
        let length = u32::try_from(field.len()).expect("messages are far below 4 GiB");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        name.parse().unwrap()
    }

    #[test]
    fn a_profile_is_the_same_peer_in_the_same_room_only() {
        let secret = ProfileSecret::from_bytes([7; 32]);
        assert_eq!(secret.identity(&room("a")).peer_id(), secret.identity(&room("a")).peer_id());
        assert_ne!(secret.identity(&room("a")).peer_id(), secret.identity(&room("b")).peer_id());
    }

    #[test]
    fn a_signature_is_good_for_its_purpose_fields_and_key_only() {
        let identity = ProfileSecret::from_bytes([7; 32]).identity(&room("a"));
        let other = ProfileSecret::from_bytes([8; 32]).identity(&room("a"));
        let signature = identity.sign(Purpose::Chat, &[b"room", b"hello"]);
        let check = |key, purpose, fields: &[&[u8]]| verify(&key, purpose, fields, &signature);
        assert_eq!(check(identity.public_key(), Purpose::Chat, &[b"room", b"hello"]), Ok(()));
        assert!(check(other.public_key(), Purpose::Chat, &[b"room", b"hello"]).is_err());
        assert!(check(identity.public_key(), Purpose::Message, &[b"room", b"hello"]).is_err());
        assert!(check(identity.public_key(), Purpose::Chat, &[b"roomh", b"ello"]).is_err());
    }

    #[test]
    fn a_nonce_is_its_owners_and_its_fields_alone() {
        let nonce = |secret, name, fields: &[&[u8]]| {
            ProfileSecret::from_bytes([secret; 32]).identity(&room(name)).nonce(fields)
        };
        let made = nonce(7, "a", &[b"one", b"two"]);
        assert_eq!(made, nonce(7, "a", &[b"one", b"two"]));
        assert_ne!(made, nonce(7, "a", &[b"onet", b"wo"]));
        assert_ne!(made, nonce(7, "b", &[b"one", b"two"]));
        assert_ne!(made, nonce(8, "a", &[b"one", b"two"]));
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let signature = Signature([0; 64]);
        let key = PublicKey([0xff; 32]);
        assert!(verify(&key, Purpose::Chat, &[], &signature).is_err());
    }
}

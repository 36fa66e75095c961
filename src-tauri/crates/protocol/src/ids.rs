//! Names of things: fixed-size ids in lower-case hexadecimal, and the room's name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not the right number of lower-case hexadecimal digits.
    #[error("expected {expected} lower-case hexadecimal digits")]
    Hex {
        /// How many digits the id has.
        expected: usize,
    },
    /// A room name with other characters, or none, or too many.
    #[error("a room name has 1 to 64 letters, digits, hyphens or underscores")]
    RoomName,
    /// A message id without its hyphen or with a number that does not fit.
    #[error("a message id is an instance, a hyphen and a number")]
    MessageId,
}

fn hex_encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn hex_decode<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let error = IdError::Hex { expected: N * 2 };
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(error.clone()),
    };
    if text.len() != N * 2 {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TS)]
        #[ts(type = "string")]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex_encode(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex_encode(&self.0[..4], f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                hex_decode(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

hex_id! {
    /// A peer: the first 16 bytes of SHA-256 of its Ed25519 public key. The lesser of two makes the first offer.
    PeerId, 16
}
hex_id! {
    /// One run of a peer's client, drawn at random. The newest of a peer wins.
    InstanceId, 16
}
hex_id! {
    /// An Ed25519 public key (RFC 8032 §5.1.5).
    PublicKey, 32
}
hex_id! {
    /// An Ed25519 signature (RFC 8032 §5.1.6).
    Signature, 64
}
hex_id! {
    /// What a peer commits itself to: a SHA-256 digest (FIPS 180-4).
    Commitment, 32
}
hex_id! {
    /// Bytes that nobody could foresee, told after both sides have committed themselves.
    Nonce, 32
}

/// A room's name: 1 to 64 letters, digits, hyphens or underscores. The server sees it; it is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, TS)]
#[ts(type = "string")]
pub struct RoomName(String);

impl RoomName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RoomName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let good = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
            return Err(IdError::RoomName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A chat message's id: its author's instance and a number counted from 1. Text form: `INSTANCE-N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TS)]
#[ts(type = "string")]
pub struct MessageId {
    /// The run of the author's client.
    pub instance: InstanceId,
    /// Counted from 1 in that run.
    pub n: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.n)
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (instance, n) = text.split_once('-').ok_or(IdError::MessageId)?;
        let n = n.parse().map_err(|_| IdError::MessageId)?;
        Ok(Self { instance: instance.parse()?, n })
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_lower_case_hexadecimal() {
        let text = "00112233445566778899aabbccddeeff";
        assert_eq!(text.parse::<PeerId>().unwrap().to_string(), text);
    }

    #[test]
    fn other_digits_and_lengths_are_no_ids() {
        for text in ["", "0011", "00112233445566778899AABBCCDDEEFF", "0011223344556677889900112233445é"] {
            assert_eq!(text.parse::<PeerId>(), Err(IdError::Hex { expected: 32 }));
        }
    }

    #[test]
    fn room_names_are_plain() {
        assert!("thursday-studio_2".parse::<RoomName>().is_ok());
        for text in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(text.parse::<RoomName>(), Err(IdError::RoomName));
        }
    }

    #[test]
    fn message_ids_go_there_and_back() {
        let text = "00112233445566778899aabbccddeeff-17";
        assert_eq!(text.parse::<MessageId>().unwrap().to_string(), text);
        assert!("17".parse::<MessageId>().is_err());
        assert!("00112233445566778899aabbccddeeff-x".parse::<MessageId>().is_err());
    }
}

//! Whether people are who they seem to be: verification words, and whom the person has verified.
//!
//! Owns: the exchange that gives both sides of a session the same four words ([`Exchange`]), and what becomes of people
//! whose words were compared ([`Known`]). Refuses: sessions, files, the wall clock.

mod exchange;
mod fingerprint;
mod known;
mod list;
#[cfg(test)]
#[allow(clippy::wildcard_enum_match_arm, reason = "a test picks what it looks for")]
mod tests;

pub(crate) use exchange::{Exchange, Side, Step};
pub(crate) use known::{Known, Standing};

use parlor_identity::{Identity, digest};
use parlor_protocol::{Nonce, RoomName, signal::Address};

use crate::SessionKey;

/// What every session's exchange is made from.
pub(crate) struct Source {
    identity: Identity,
    me: Address,
    room: [u8; 32],
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source(…)")
    }
}

impl Source {
    pub(crate) fn new(identity: Identity, me: Address, room: &RoomName) -> Self {
        Self { identity, me, room: digest(room.as_str().as_bytes()) }
    }

    /// Our side of a session's exchange.
    ///
    /// The nonce is made from a secret and not drawn from the call's randomness: that is seeded with 64 bits and meant
    /// for jitter, and who has seen some of it can work out the rest. A nonce that the other side could foresee would
    /// let it choose its own until the words are what it wants.
    pub(crate) fn side(&self, session: SessionKey, remote: Address) -> Side {
        let fields: [&[u8]; 4] = [&self.me.instance.0, &session.0.to_be_bytes(), &remote.peer.0, &remote.instance.0];
        Side { me: self.me, remote, room: self.room, nonce: Nonce(self.identity.nonce(&fields)) }
    }
}

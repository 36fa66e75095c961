//! What a server can be told: a JSON file in which every field may be left out.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use parlor_protocol::signal::{IceServer, Limits};
use serde::{Deserialize, Deserializer};

use crate::{
    Error,
    turn::{self, Turn},
};

/// What a server can be told. The file's fields have the same names; durations are in seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// What one client may do.
    #[serde(deserialize_with = "limits")]
    pub limits: Limits,
    /// WebSocket connections from one IPv4 address or one IPv6 /64 network.
    pub connections_per_address: u32,
    /// When to give up a client that has not answered the challenge.
    #[serde(deserialize_with = "seconds")]
    pub handshake: Duration,
    /// When to forget a peer whose connection was lost.
    #[serde(deserialize_with = "seconds")]
    pub id_hold: Duration,
    /// Take the client's address from the last entry of `X-Forwarded-For`. Only behind a proxy that writes it.
    pub behind_proxy: bool,
    /// STUN and TURN servers that every client is told as they are.
    pub ice_servers: Vec<IceServer>,
    /// TURN servers for which every client gets credentials of its own.
    pub turn: Option<Turn>,
    /// Where the page behind a room link sends people who do not have the app.
    pub downloads: Downloads,
}

/// Addresses of installers. Only those that are given are offered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Downloads {
    /// A package for Linux.
    pub linux: Option<String>,
    /// A disk image for macOS.
    pub macos: Option<String>,
    /// An installer for Windows.
    pub windows: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            limits: Limits::default(),
            connections_per_address: 64,
            handshake: Duration::from_secs(5),
            id_hold: Duration::from_mins(2),
            behind_proxy: false,
            ice_servers: Vec::new(),
            turn: None,
            downloads: Downloads::default(),
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not JSON of this shape, has a limit of 0, or a STUN or TURN server that is none.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let config: Self = serde_json::from_str(&text).map_err(|source| Error::Parse { path: path.into(), source })?;
        config.check()?;
        Ok(config)
    }

    /// Limits can also be set in code: this is checked when the server starts, too.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let limits = self.limits;
        let fields = [
            ("limits.message_bytes", limits.message_bytes),
            ("limits.messages_per_second", limits.messages_per_second),
            ("limits.burst", limits.burst),
            ("limits.room_peers", limits.room_peers),
            ("limits.idle_seconds", limits.idle_seconds),
            ("connections_per_address", self.connections_per_address),
        ];
        fields.iter().find(|(_, value)| *value == 0).map_or(Ok(()), |(name, _)| Err(Error::Zero(name)))?;
        turn::check(self)
    }
}

pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

/// Limits of which some may be left out.
fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Partial {
        message_bytes: Option<u32>,
        messages_per_second: Option<u32>,
        burst: Option<u32>,
        room_peers: Option<u32>,
        idle_seconds: Option<u32>,
    }

    let partial = Partial::deserialize(deserializer)?;
    let usual = Limits::default();
    Ok(Limits {
        message_bytes: partial.message_bytes.unwrap_or(usual.message_bytes),
        messages_per_second: partial.messages_per_second.unwrap_or(usual.messages_per_second),
        burst: partial.burst.unwrap_or(usual.burst),
        room_peers: partial.room_peers.unwrap_or(usual.room_peers),
        idle_seconds: partial.idle_seconds.unwrap_or(usual.idle_seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn everything_may_be_left_out() {
        let config = parse("{}").unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.id_hold, Duration::from_mins(2));
    }

    #[test]
    fn what_is_given_is_taken() {
        let text = r#"{"listen": "[::]:9000", "limits": {"room_peers": 4}, "handshake": 2,
            "ice_servers": [{"urls": ["turn:turn.example.org"], "username": "u", "credential": "c"}],
            "turn": {"urls": ["turns:turn.example.org"], "secret": "s"}}"#;
        let config = parse(text).unwrap();
        assert_eq!(config.listen, "[::]:9000".parse().unwrap());
        assert_eq!(config.limits, Limits { room_peers: 4, ..Limits::default() });
        assert_eq!(config.handshake, Duration::from_secs(2));
        assert_eq!(config.ice_servers[0].credential.as_deref(), Some("c"));
        assert_eq!(config.turn.unwrap().ttl, Duration::from_mins(10));
    }

    #[test]
    fn a_misspelt_field_is_told() {
        assert!(parse(r#"{"listne": "[::]:9000"}"#).unwrap_err().to_string().contains("listne"));
        assert!(parse(r#"{"limits": {"rooms": 4}}"#).unwrap_err().to_string().contains("rooms"));
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        let config = parse(r#"{"limits": {"burst": 0}}"#).unwrap();
        assert!(matches!(config.check(), Err(Error::Zero("limits.burst"))));
    }
}

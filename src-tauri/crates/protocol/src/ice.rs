//! Addresses of STUN and TURN servers (RFC 7064, RFC 7065), as people write them.

use std::{fmt, str::FromStr};

use url::Host;

use crate::signal::IceServer;

/// Without a port, the scheme's own is meant (RFC 8489 §18.6, RFC 8656 §18).
const PORT: u16 = 3478;
/// The same for TLS.
const TLS_PORT: u16 = 5349;
/// Bytes of an address: longer than any name of a host (RFC 1035 §2.3.4).
const MAX_URL: usize = 512;

/// One address of a STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IceUrl {
    /// What is spoken there, and over what.
    pub way: IceWay,
    /// A name or an address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What is spoken with a server, and over what. The relay itself speaks UDP in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IceWay {
    /// STUN over UDP: tells us our public address.
    Stun,
    /// TURN over TCP.
    TurnTcp,
    /// TURN over TLS.
    TurnTls,
    /// TURN over UDP.
    TurnUdp,
}

/// Why a text is no address of a server. Each is the end of a sentence that begins with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IceError {
    /// TURN without a user.
    #[error("is a relay and needs a user name and a password, after commas")]
    Credentials,
    /// No host.
    #[error("names no server")]
    Host,
    /// Not a port.
    #[error("has a port that is none")]
    Port,
    /// Something else than `?transport=…`.
    #[error("ends with something else than ?transport=udp or ?transport=tcp")]
    Query,
    /// Neither STUN nor TURN.
    #[error("does not begin with stun:, turn: or turns:")]
    Scheme,
    /// STUN over TLS, or TURN over DTLS.
    #[error("asks for a way of speaking that Parlor does not know; use turn: or turns:")]
    Unsupported,
}

impl IceWay {
    /// Whether it is a relay, which needs a user.
    pub fn is_turn(self) -> bool {
        match self {
            Self::Stun => false,
            Self::TurnTcp | Self::TurnTls | Self::TurnUdp => true,
        }
    }
}

impl IceUrl {
    /// Host and port, for a name service or a socket.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for IceUrl {
    type Err = IceError;

    fn from_str(text: &str) -> Result<Self, IceError> {
        if text.len() > MAX_URL {
            return Err(IceError::Host);
        }
        let (scheme, rest) = text.split_once(':').ok_or(IceError::Scheme)?;
        let (authority, transport) = match rest.split_once('?') {
            None => (rest, None),
            Some((authority, query)) => {
                let transport = query.strip_prefix("transport=").ok_or(IceError::Query)?;
                (authority, Some(transport.to_ascii_lowercase()))
            }
        };
        let way = match (scheme.to_ascii_lowercase().as_str(), transport.as_deref()) {
            // The query has no meaning for STUN (RFC 7064 §3.1), and is met all the same.
            ("stun", _) => IceWay::Stun,
            ("turn", None | Some("udp")) => IceWay::TurnUdp,
            ("turn", Some("tcp")) => IceWay::TurnTcp,
            ("turns", None | Some("tcp")) => IceWay::TurnTls,
            ("stuns", _) | ("turns", Some("udp")) => return Err(IceError::Unsupported),
            ("turn" | "turns", Some(_)) => return Err(IceError::Query),
            _ => return Err(IceError::Scheme),
        };
        let (host, port) = split_port(authority)?;
        let port = match port {
            None if way == IceWay::TurnTls => TLS_PORT,
            None => PORT,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(IceError::Port)?,
        };
        let host = match Host::parse(host).map_err(|_| IceError::Host)? {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { way, host, port })
    }
}

/// Host and port; the colons of an address in brackets are not the port's.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), IceError> {
    let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_brackets..].split_once(':') {
        Some((rest, port)) => (&authority[..after_brackets + rest.len()], Some(port)),
        None => (authority, None),
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) { Err(IceError::Host) } else { Ok((host, port)) }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority();
        match self.way {
            IceWay::Stun => write!(f, "stun:{authority}"),
            IceWay::TurnTcp => write!(f, "turn:{authority}?transport=tcp"),
            IceWay::TurnTls => write!(f, "turns:{authority}?transport=tcp"),
            IceWay::TurnUdp => write!(f, "turn:{authority}?transport=udp"),
        }
    }
}

/// `URL[,USER,PASSWORD]`, with spaces around the commas as one likes. The password may hold commas.
impl FromStr for IceServer {
    type Err = IceError;

    fn from_str(text: &str) -> Result<Self, IceError> {
        let mut parts = text.splitn(3, ',').map(str::trim);
        let url = parts.next().unwrap_or_default();
        let given = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
        let (username, credential) = (given(parts.next()), given(parts.next()));
        let parsed: IceUrl = url.parse()?;
        if username.is_some() != credential.is_some() || (parsed.way.is_turn() && credential.is_none()) {
            return Err(IceError::Credentials);
        }
        Ok(Self { urls: vec![url.to_owned()], username, credential })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<(IceWay, String), IceError> {
        text.parse::<IceUrl>().map(|url| (url.way, url.authority()))
    }

    #[test]
    fn addresses_are_read() {
        for (text, way, authority) in [
            ("stun:stun.example.org", IceWay::Stun, "stun.example.org:3478"),
            ("STUN:stun.example.org:19302?transport=udp", IceWay::Stun, "stun.example.org:19302"),
            ("turn:192.0.2.1", IceWay::TurnUdp, "192.0.2.1:3478"),
            ("turn:turn.example.org:443?transport=UDP", IceWay::TurnUdp, "turn.example.org:443"),
            ("turn:[2001:db8::1]?transport=tcp", IceWay::TurnTcp, "[2001:db8::1]:3478"),
            ("turns:[2001:db8::1]:443", IceWay::TurnTls, "[2001:db8::1]:443"),
            ("turns:turn.example.org?transport=tcp", IceWay::TurnTls, "turn.example.org:5349"),
        ] {
            assert_eq!(url(text), Ok((way, authority.to_owned())), "{text}");
            let again: IceUrl = text.parse().unwrap();
            assert_eq!(again.to_string().parse(), Ok(again), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_in_words() {
        let long = format!("stun:{}", "a".repeat(MAX_URL));
        for (text, error) in [
            ("", IceError::Scheme),
            ("turn.example.org", IceError::Scheme),
            ("http://example.org", IceError::Scheme),
            ("turn:", IceError::Host),
            ("turn://turn.example.org", IceError::Host),
            ("turn:user@turn.example.org", IceError::Host),
            ("turn:2001:db8::1", IceError::Port),
            ("turn:a b", IceError::Host),
            ("turn:[::", IceError::Port),
            (&long, IceError::Host),
            ("turn:example.org:0", IceError::Port),
            ("turn:example.org:99999", IceError::Port),
            ("turn:example.org:", IceError::Port),
            ("turn:example.org?transport=sctp", IceError::Query),
            ("turn:example.org?x", IceError::Query),
            ("stuns:example.org", IceError::Unsupported),
            ("turns:example.org?transport=udp", IceError::Unsupported),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_server_is_an_address_and_a_user() {
        let server: IceServer = "turn:turn.example.org , anna, a,b".parse().unwrap();
        assert_eq!(server.urls, ["turn:turn.example.org"]);
        assert_eq!((server.username.as_deref(), server.credential.as_deref()), (Some("anna"), Some("a,b")));
        assert_eq!("stun:stun.example.org".parse::<IceServer>().unwrap().username, None);
        for text in ["turn:turn.example.org", "turn:turn.example.org,anna", "turn:turn.example.org,,secret"] {
            assert_eq!(text.parse::<IceServer>(), Err(IceError::Credentials), "{text}");
        }
    }
}

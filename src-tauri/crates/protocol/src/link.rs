//! The room link: where the room is, its name, and the key that never leaves the people who have the link.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::{Host, Url};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::RoomName;

/// Why a text is not a room link, in words for the person who pasted it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nothing that looks like an address.
    #[error("This is not a room link. A room link starts with parlor:// or https://.")]
    Form,
    /// An address of some other kind of thing.
    #[error("This link is not for Parlor. A room link starts with parlor:// or https://.")]
    Scheme,
    /// No server in it.
    #[error("This room link names no server. Ask for the whole link.")]
    Host,
    /// No room, or a name that no room can have.
    #[error("This room link names no room. Ask for the whole link.")]
    Room,
    /// No fragment, or one that is not 128 bits.
    #[error("The last part of this room link, after the #, is missing or cut. Ask for the whole link.")]
    Key,
}

/// The 128 bits in a room link's fragment. Never sent to a server, never logged, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct LinkKey(pub [u8; 16]);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

/// `parlor://HOST[:PORT]/ROOM[?ws]#KEY`, or `https://HOST[:PORT]/r/ROOM#KEY`.
///
/// `Display` writes the first form, with the key: show it to people, never to a log.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomLink {
    /// Host and, unless it is the scheme's own, port: `example.org`, `127.0.0.1:8080`, `[::1]:8080`.
    pub authority: String,
    /// The room.
    pub room: RoomName,
    /// Plain `ws` instead of `wss`: servers inside the app, and tests.
    pub plain: bool,
    /// What seals everything that peers say through the server.
    pub key: LinkKey,
}

impl RoomLink {
    /// The server's WebSocket address.
    pub fn websocket_url(&self) -> String {
        let scheme = if self.plain { "ws" } else { "wss" };
        format!("{scheme}://{}/v1/ws", self.authority)
    }

    /// The page that opens the app, for places where only web addresses can be clicked.
    pub fn page_url(&self) -> String {
        let scheme = if self.plain { "http" } else { "https" };
        format!("{scheme}://{}/r/{}#{}", self.authority, self.room, self.key_text())
    }

    fn key_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.0)
    }
}

impl fmt::Display for RoomLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = if self.plain { "?ws" } else { "" };
        write!(f, "parlor://{}/{}{plain}#{}", self.authority, self.room, self.key_text())
    }
}

impl fmt::Debug for RoomLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomLink({}, …)", self.room)
    }
}

impl FromStr for RoomLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let url = Url::parse(text.trim()).map_err(|_| LinkError::Form)?;
        let path = url.path().trim_start_matches('/');
        let (room, plain) = match url.scheme() {
            "parlor" => (path, url.query().is_some_and(|query| query.split('&').any(|part| part == "ws"))),
            "https" => (path.strip_prefix("r/").ok_or(LinkError::Scheme)?, false),
            "http" => (path.strip_prefix("r/").ok_or(LinkError::Scheme)?, true),
            _ => return Err(LinkError::Scheme),
        };
        Ok(Self {
            authority: authority(&url)?,
            room: room.trim_end_matches('/').parse().map_err(|_| LinkError::Room)?,
            plain,
            key: key(url.fragment().unwrap_or_default())?,
        })
    }
}

/// Host and port, with nothing of a user or password that somebody slipped in.
fn authority(url: &Url) -> Result<String, LinkError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(LinkError::Host);
    }
    // Schemes other than the web's keep the host as it was written: parse it as the web's would be.
    let host = Host::parse(url.host_str().ok_or(LinkError::Host)?).map_err(|_| LinkError::Host)?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    })
}

fn key(text: &str) -> Result<LinkKey, LinkError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Key)?;
    bytes.try_into().map(LinkKey).map_err(|_| LinkError::Key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw";

    #[test]
    fn both_forms_name_the_same_room() {
        let app: RoomLink = format!("parlor://example.org/studio#{KEY}").parse().unwrap();
        let page: RoomLink = format!("https://example.org/r/studio#{KEY}").parse().unwrap();
        assert_eq!(app, page);
        assert_eq!(app.websocket_url(), "wss://example.org/v1/ws");
        assert_eq!(app.page_url(), format!("https://example.org/r/studio#{KEY}"));
    }

    #[test]
    fn a_link_goes_there_and_back() {
        for link in [
            format!("parlor://127.0.0.1:8080/studio?ws#{KEY}"),
            format!("parlor://[::1]:8080/studio?ws#{KEY}"),
            format!("parlor://example.org/studio#{KEY}"),
        ] {
            assert_eq!(link.parse::<RoomLink>().unwrap().to_string(), link);
        }
    }

    #[test]
    fn spaces_around_a_pasted_link_do_no_harm() {
        assert!(format!("  parlor://example.org/studio#{KEY}\n").parse::<RoomLink>().is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let parse = |text: &str| text.parse::<RoomLink>().unwrap_err();
        assert_eq!(parse("hello"), LinkError::Form);
        assert_eq!(parse(&format!("ftp://example.org/studio#{KEY}")), LinkError::Scheme);
        assert_eq!(parse(&format!("https://example.org/studio#{KEY}")), LinkError::Scheme);
        assert_eq!(parse(&format!("parlor:///studio#{KEY}")), LinkError::Host);
        assert_eq!(parse(&format!("parlor://a:b@example.org/studio#{KEY}")), LinkError::Host);
        assert_eq!(parse(&format!("parlor://example.org/#{KEY}")), LinkError::Room);
        assert_eq!(parse(&format!("parlor://example.org/a/b#{KEY}")), LinkError::Room);
        assert_eq!(parse("parlor://example.org/studio"), LinkError::Key);
        assert_eq!(parse("parlor://example.org/studio#AAEC"), LinkError::Key);
    }

    #[test]
    fn a_link_in_a_debug_line_keeps_its_key() {
        let link: RoomLink = format!("parlor://example.org/studio#{KEY}").parse().unwrap();
        assert!(!format!("{link:?}").contains(KEY));
        assert!(!format!("{:?}", link.key).contains('0'));
    }
}

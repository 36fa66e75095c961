//! Credentials for TURN servers that share a secret with this one (draft-uberti-behave-turn-rest-00): each client gets its
//! own, which end by themselves.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use parlor_protocol::{
    PeerId,
    ice::{IceError, IceUrl},
    signal::{IceServer, IceServers},
};
use serde::Deserialize;
use sha1::Sha1;

use crate::{Config, Error};

/// TURN servers that share a secret with this one (coturn: `use-auth-secret`, `static-auth-secret`).
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// `turn:` and `turns:` addresses.
    pub urls: Vec<String>,
    /// The secret. It is never said to anybody, nor logged.
    pub secret: String,
    /// How long a client's credentials hold; clients ask for new ones before.
    #[serde(default = "usual_ttl", deserialize_with = "crate::config::seconds")]
    pub ttl: Duration,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({} urls, {:?})", self.urls.len(), self.ttl)
    }
}

fn usual_ttl() -> Duration {
    Duration::from_mins(10)
}

/// Whether the servers in a configuration are servers.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let bad = |url: &str, why| Error::IceServer { url: url.to_owned(), why };
    for server in &config.ice_servers {
        for url in &server.urls {
            let parsed: IceUrl = url.parse().map_err(|why| bad(url, why))?;
            if parsed.way.is_turn() && (server.username.is_none() || server.credential.is_none()) {
                return Err(bad(url, IceError::Credentials));
            }
        }
    }
    let Some(turn) = &config.turn else { return Ok(()) };
    for url in &turn.urls {
        let parsed: IceUrl = url.parse().map_err(|why| bad(url, why))?;
        if !parsed.way.is_turn() {
            return Err(bad(url, IceError::Scheme));
        }
    }
    if turn.ttl.is_zero() {
        return Err(Error::Zero("turn.ttl"));
    }
    if turn.secret.is_empty() { Err(Error::NoSecret) } else { Ok(()) }
}

/// The servers for one client.
pub(crate) fn ice_servers(config: &Config, peer: PeerId, now: SystemTime) -> IceServers {
    let mut ice_servers = config.ice_servers.clone();
    let Some(turn) = &config.turn else { return IceServers { ice_servers, ttl: None } };
    let ttl = turn.ttl.as_secs();
    // A clock before 1970 makes credentials that are over: relays refuse them, and nothing else breaks.
    let expiry = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().saturating_add(ttl);
    let username = format!("{expiry}:{peer}");
    let credential = password(&turn.secret, &username);
    ice_servers.push(IceServer { urls: turn.urls.clone(), username: Some(username), credential: Some(credential) });
    IceServers { ice_servers, ttl: Some(u32::try_from(ttl).unwrap_or(u32::MAX)) }
}

fn password(secret: &str, username: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length (RFC 2104 §2)");
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(urls: &[&str]) -> Config {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        let turn = Turn { urls, secret: "north".into(), ttl: Duration::from_mins(10) };
        Config { turn: Some(turn), ..Config::default() }
    }

    #[test]
    fn the_password_is_the_one_that_turn_servers_work_out() {
        // From: openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(password("north", "1700000600:anna"), "QArDp18zdKr4CT8tvpVplSgsreQ=");
    }

    #[test]
    fn each_client_has_its_own_until_a_time() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let config = config(&["turn:turn.example.org", "turns:turn.example.org"]);
        let given = ice_servers(&config, PeerId([0xab; 16]), now);
        assert_eq!(given.ttl, Some(600));
        let [server] = given.ice_servers.as_slice() else { panic!("{given:?}") };
        assert_eq!(server.urls.len(), 2);
        let username = server.username.clone().unwrap();
        assert_eq!(username, format!("1700000600:{}", "ab".repeat(16)));
        assert_eq!(server.credential, Some(password("north", &username)));
        assert_ne!(ice_servers(&config, PeerId([1; 16]), now).ice_servers[0].credential, server.credential);
    }

    #[test]
    fn a_server_without_relays_hands_out_what_it_has() {
        let given = ice_servers(&Config::default(), PeerId([1; 16]), SystemTime::now());
        assert_eq!(given, IceServers::default());
    }

    #[test]
    fn servers_that_are_none_are_refused_in_words() {
        assert!(check(&config(&["turn:turn.example.org"])).is_ok());
        let error = check(&config(&["turn:"])).unwrap_err().to_string();
        assert!(error.contains("\"turn:\"") && error.contains("names no server"), "{error}");
        assert!(check(&config(&["stun:stun.example.org"])).is_err());
        let lone = IceServer { urls: vec!["turn:turn.example.org".into()], username: None, credential: None };
        assert!(check(&Config { ice_servers: vec![lone], ..Config::default() }).is_err());
        let mut empty = config(&["turn:turn.example.org"]);
        empty.turn = empty.turn.map(|turn| Turn { secret: String::new(), ..turn });
        assert!(matches!(check(&empty), Err(Error::NoSecret)));
    }

    #[test]
    fn the_secret_is_in_no_log() {
        assert!(!format!("{:?}", config(&["turn:turn.example.org"])).contains("north"));
    }
}

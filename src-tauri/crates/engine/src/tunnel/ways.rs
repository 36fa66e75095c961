//! Which servers a session knows, under which addresses the stack knows them, and where packets may go at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use parlor_protocol::{
    ice::{IceUrl, IceWay},
    signal::IceServer,
};
use webrtc::peer_connection::RTCIceServer;

use crate::options::IcePolicy;

/// Servers that are reached over TCP or TLS, over a session's whole life. What changes are credentials.
const MAX_TUNNELS: usize = 32;
/// Addresses of servers that are remembered, over a session's whole life.
const MAX_ADDRESSES: usize = 256;
/// Stands for a server in the stack's configuration. No name service knows names under it (RFC 6761 §6.4).
const DOMAIN: &str = ".tunnel.invalid";

/// Where a datagram goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// Nowhere: the policy forbids it, or the address stands for nothing.
    Nowhere,
    /// Where it says.
    Open,
    /// Through a connection to the server of this number.
    Tunnel(usize),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ways {
    policy: IcePolicy,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By number, from 0.
    tunnels: Vec<IceUrl>,
    /// What the last answer of the name service was.
    resolved: BTreeMap<String, Vec<SocketAddr>>,
    /// What it is being asked for.
    asked: BTreeSet<String>,
    /// Addresses of servers that are spoken to over UDP.
    servers: BTreeSet<SocketAddr>,
}

impl Ways {
    pub(super) fn new(policy: IcePolicy) -> Self {
        Self { policy, known: Mutex::default() }
    }

    pub(super) fn policy(&self) -> IcePolicy {
        self.policy
    }

    /// The servers as the stack can use them, which speaks UDP alone. What it would refuse is left out: one address that
    /// is none must not cost all the others.
    pub(super) fn servers(&self, servers: &[IceServer]) -> Vec<RTCIceServer> {
        let mut known = self.known();
        let usable = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
        let usable = usable.filter_map(|(server, url)| {
            let Ok(url) = url.parse::<IceUrl>() else {
                tracing::debug!("an address of a server cannot be used");
                return None;
            };
            let (username, credential) = (server.username.clone(), server.credential.clone());
            if url.way.is_turn() && (username.is_none() || credential.is_none()) {
                tracing::debug!("a relay without a user cannot be used");
                return None;
            }
            let url = match url.way {
                IceWay::Stun | IceWay::TurnUdp => url,
                IceWay::TurnTcp | IceWay::TurnTls => known.tunnel(url)?,
            };
            Some(RTCIceServer {
                urls: vec![url.to_string()],
                username: username.unwrap_or_default(),
                credential: credential.unwrap_or_default(),
            })
        });
        usable.collect()
    }

    /// Where a datagram to this address goes.
    pub(super) fn destination(&self, to: SocketAddr) -> Destination {
        match (number(to.ip()), self.policy) {
            (Some(number), _) if number < self.known().tunnels.len() => Destination::Tunnel(number),
            (None, IcePolicy::All) => Destination::Open,
            (None, IcePolicy::Relay) if self.known().servers.contains(&to) => Destination::Open,
            (Some(_), _) | (None, IcePolicy::Relay) => Destination::Nowhere,
        }
    }

    /// The server of a number that [`Ways::destination`] gave.
    pub(super) fn tunnel(&self, number: usize) -> Option<IceUrl> {
        self.known().tunnels.get(number).cloned()
    }

    /// Whether a datagram from this address may be heard. Nothing but connections speaks for the addresses that stand for
    /// servers.
    pub(super) fn may_hear(&self, from: SocketAddr) -> bool {
        self.destination(from) == Destination::Open
    }

    /// The addresses that stand for a server, one of each family, if the name is one that stands for one.
    pub(super) fn stand_in(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let number: u8 = host.strip_suffix(DOMAIN)?.parse().ok()?;
        Some(addresses(number).map(|ip| SocketAddr::new(ip, port)).to_vec())
    }

    /// The server as it was named, whatever the stack knows it by.
    pub(super) fn real(&self, url: IceUrl) -> Option<IceUrl> {
        match url.host.strip_suffix(DOMAIN) {
            Some(number) => self.tunnel(number.parse::<usize>().ok()?.checked_sub(1)?),
            None => Some(url),
        }
    }

    /// Those of the servers that the name service has to find before the stack can use them.
    pub(super) fn unknown(&self, servers: &[IceServer]) -> BTreeSet<String> {
        let known = self.known();
        let urls = servers.iter().flat_map(|server| &server.urls).filter_map(|url| url.parse::<IceUrl>().ok());
        let direct = urls.filter(|url| match url.way {
            IceWay::Stun | IceWay::TurnUdp => true,
            IceWay::TurnTcp | IceWay::TurnTls => false,
        });
        let names = direct.map(|url| url.authority()).filter(|authority| !known.resolved.contains_key(authority));
        names.take(MAX_ADDRESSES).collect()
    }

    /// The name service is going to be asked. False where it is being asked already, or for too much.
    pub(super) fn begin(&self, authority: &str) -> bool {
        let mut known = self.known();
        known.asked.len() < MAX_ADDRESSES && known.asked.insert(authority.to_owned())
    }

    /// What the name service said last.
    pub(super) fn remembered(&self, authority: &str) -> Option<Vec<SocketAddr>> {
        self.known().resolved.get(authority).cloned()
    }

    /// Keeps what the name service said, if it said anything: these are addresses of servers.
    pub(super) fn remember(&self, authority: &str, found: &[SocketAddr]) {
        let mut known = self.known();
        known.asked.remove(authority);
        if found.is_empty() || (known.resolved.len() >= MAX_ADDRESSES && !known.resolved.contains_key(authority)) {
            return;
        }
        known.resolved.insert(authority.to_owned(), found.to_vec());
        for address in found {
            if known.servers.len() < MAX_ADDRESSES {
                known.servers.insert(*address);
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The same server under the name that stands for it, which stays the same for the session's life: the stack keeps an
    /// allocation while only its credentials change.
    fn tunnel(&mut self, url: IceUrl) -> Option<IceUrl> {
        let number = match self.tunnels.iter().position(|known| *known == url) {
            Some(number) => number,
            None if self.tunnels.len() == MAX_TUNNELS => {
                tracing::debug!("too many relays");
                return None;
            }
            None => {
                self.tunnels.push(url.clone());
                self.tunnels.len() - 1
            }
        };
        Some(IceUrl { way: IceWay::TurnUdp, host: format!("{}{DOMAIN}", number + 1), port: url.port })
    }
}

/// Addresses that stand for a server inside the stack: of "this network" (RFC 1122 §3.2.1.3) and of the discard prefix (RFC
/// 6666). No host has one and no system sends to one, so that none can be mistaken for a peer's, and none gets out even
/// past this module.
fn addresses(number: u8) -> [IpAddr; 2] {
    [Ipv4Addr::new(0, 0, 0, number).into(), Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, number.into()).into()]
}

/// The other way round, counted from 0. Of these ranges, nothing is anything else.
fn number(ip: IpAddr) -> Option<usize> {
    let (stands, last) = match ip {
        IpAddr::V4(ip) => (ip.octets()[0] == 0, u128::from(ip.to_bits())),
        IpAddr::V6(ip) => (ip.segments()[..4] == [0x100, 0, 0, 0], ip.to_bits() & u128::from(u64::MAX)),
    };
    stands.then(|| usize::try_from(last).ok().and_then(|last| last.checked_sub(1)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> IceServer {
        IceServer { urls: vec![url.into()], username: Some("anna".into()), credential: Some("secret".into()) }
    }

    fn urls(ways: &Ways, given: &[&str]) -> Vec<String> {
        let given: Vec<_> = given.iter().map(|url| server(url)).collect();
        ways.servers(&given).into_iter().flat_map(|server| server.urls).collect()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_udp_is_left_and_what_stands_for_a_server_stays_the_same() {
        let ways = Ways::new(IcePolicy::All);
        let given = ["stun:a.example", "turn:b.example", "turn:c.example?transport=tcp", "turns:d.example"];
        let expected = [
            "stun:a.example:3478",
            "turn:b.example:3478?transport=udp",
            "turn:1.tunnel.invalid:3478?transport=udp",
            "turn:2.tunnel.invalid:5349?transport=udp",
        ];
        assert_eq!(urls(&ways, &given), expected);
        assert_eq!(urls(&ways, &given), expected);
        let found = Ways::stand_in("2.tunnel.invalid", 5349).unwrap();
        assert_eq!(found, [at("0.0.0.2:5349"), at("[100::2]:5349")]);
        for address in found {
            assert_eq!(ways.destination(address), Destination::Tunnel(1));
            assert!(!ways.may_hear(address));
            assert_eq!(ways.tunnel(1), "turns:d.example".parse().ok());
        }
        assert_eq!(Ways::stand_in("d.example", 1), None);
    }

    #[test]
    fn what_cannot_be_used_costs_nothing_else() {
        let ways = Ways::new(IcePolicy::All);
        assert_eq!(urls(&ways, &["nonsense", "", "stuns:a.example", "turn:b.example"]).len(), 1);
        let nobody = IceServer { username: None, ..server("turns:a.example") };
        assert!(ways.servers(&[nobody]).is_empty());
        let many: Vec<_> = (0..1000).map(|n| server(&format!("turns:{n}.example"))).collect();
        assert_eq!(ways.servers(&many).len(), MAX_TUNNELS);
    }

    #[test]
    fn an_address_that_stands_for_nothing_leads_nowhere() {
        let ways = Ways::new(IcePolicy::All);
        for address in
            ["0.0.0.0:1", "0.0.0.1:1", "0.255.255.255:1", "[100::]:1", "[100::1]:1", "[100::ffff:ffff:ffff:ffff]:1"]
        {
            assert_eq!(ways.destination(at(address)), Destination::Nowhere, "{address}");
        }
        assert_eq!(ways.destination(at("192.0.2.1:1")), Destination::Open);
        assert_eq!(ways.destination(at("[::1]:1")), Destination::Open);
    }

    #[test]
    fn where_relays_alone_are_allowed_nothing_else_is_spoken_to() {
        let ways = Ways::new(IcePolicy::Relay);
        let relay = at("192.0.2.1:3478");
        assert_eq!(ways.destination(relay), Destination::Nowhere);
        ways.remember("b.example:3478", &[relay]);
        assert!(ways.may_hear(relay));
        assert!(!ways.may_hear(at("192.0.2.1:3479")));
        assert_eq!(ways.destination(at("192.0.2.2:3478")), Destination::Nowhere);
    }

    #[test]
    fn what_the_name_service_said_is_kept() {
        let ways = Ways::new(IcePolicy::All);
        assert_eq!(ways.remembered("b.example:1"), None);
        ways.remember("b.example:1", &[at("192.0.2.1:1")]);
        ways.remember("b.example:1", &[]);
        assert_eq!(ways.remembered("b.example:1"), Some(vec![at("192.0.2.1:1")]));
    }
}

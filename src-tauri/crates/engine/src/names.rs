//! The names that hide candidates' addresses, `….local` (RFC 6762, draft-ietf-mmusic-mdns-ice-candidates).
//!
//! Owns: asking the networks that the machine is on for them. The stack could, but asks on one network alone, and ends the
//! session where a restart finds no network to ask.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use parlor_protocol::negotiation::Candidate;
use rtc::{
    mdns::{MDNS_MULTICAST_IPV4, Mdns, MdnsConfig, MdnsEvent, MulticastSocket, ifaces::ifaces},
    sansio::Protocol,
    shared::{TransportContext, TransportMessage, TransportProtocol},
};
use socket2::SockRef;
use tokio::{net::UdpSocket, task::JoinSet};

use crate::{
    inbox::{Inbox, Notice},
    options::{IcePolicy, SessionOptions},
};

/// How often a name is asked for.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a name is asked for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names that are asked for at once; a browser has one for each of its networks.
const AT_ONCE: usize = 8;
/// Bytes of an answer.
const LONGEST: usize = 1500;
/// Bytes of one label of a name (RFC 1035 §2.3.4).
const LABEL: usize = 63;

/// The names that one session asks for. Nothing is asked for any more once it is gone.
pub(crate) struct Names {
    inbox: Inbox,
    allowed: bool,
    asked: JoinSet<()>,
}

impl Names {
    /// What is found goes to `inbox`. Where relays alone are allowed, and where every address is loopback, nothing is asked.
    pub(crate) fn new(inbox: Inbox, options: &SessionOptions) -> Self {
        let is_loopback =
            |address: &String| address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
        let allowed = match options.ice_policy {
            IcePolicy::All => !options.bind.iter().all(is_loopback),
            IcePolicy::Relay => false,
        };
        Self { inbox, allowed, asked: JoinSet::new() }
    }

    /// Asks for the address of a candidate that has a name, and posts the candidate with it. Whether the candidate has one.
    pub(crate) fn ask(&mut self, candidate: &Candidate) -> bool {
        let Some(name) = name(&candidate.candidate) else { return false };
        while self.asked.try_join_next().is_some() {}
        if !self.allowed || self.asked.len() == AT_ONCE {
            tracing::debug!(waiting = self.asked.len(), "a name is not asked for");
            return true;
        }
        let (inbox, candidate, name) = (self.inbox.clone(), candidate.clone(), name.to_owned());
        self.asked.spawn(async move {
            match resolve(&name).await {
                Ok(Some(address)) => inbox.post(Notice::Named(at(candidate, &name, address))),
                Ok(None) => tracing::debug!("a name that nobody has"),
                Err(error) => tracing::debug!(%error, "no network to ask for a name"),
            }
        });
        true
    }
}

/// The name that a candidate has in place of an address. Only those of one label are asked for: others could be anybody's.
fn name(candidate: &str) -> Option<&str> {
    let name = candidate.split_ascii_whitespace().nth(4)?;
    let label = name.strip_suffix(".local")?;
    let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    ((1..=LABEL).contains(&label.len()) && is_plain).then_some(name)
}

/// The candidate, with an address in place of the name.
fn at(candidate: Candidate, name: &str, address: IpAddr) -> Candidate {
    let line = candidate.candidate.replacen(&format!(" {name} "), &format!(" {address} "), 1);
    Candidate { candidate: line, ..candidate }
}

/// Asks for a name on every network; `None` where nobody answers.
async fn resolve(name: &str) -> io::Result<Option<IpAddr>> {
    let here = networks();
    let socket = join(&here)?;
    let config = MdnsConfig::new().with_query_interval(INTERVAL).with_query_timeout(PATIENCE);
    let mut mdns = Mdns::new(Instant::now(), config);
    mdns.query_now(Instant::now(), name);
    let mut buffer = [0; LONGEST];
    loop {
        while let Some(question) = mdns.poll_write() {
            for network in &here {
                // One that is gone meanwhile has nobody to ask.
                if SockRef::from(&socket).set_multicast_if_v4(network).is_ok() {
                    socket.send_to(&question.message, question.transport.peer_addr).await.ok();
                }
            }
        }
        while let Some(event) = mdns.poll_event() {
            match event {
                MdnsEvent::QueryAnswered(_, address) => return Ok(Some(address)),
                MdnsEvent::QueryTimeout(_) => return Ok(None),
                _ => {}
            }
        }
        let Some(due) = mdns.poll_timeout() else { return Ok(None) };
        tokio::select! {
            came = socket.recv_from(&mut buffer) => {
                let (length, from) = came?;
                let transport = TransportContext {
                    local_addr: socket.local_addr()?,
                    peer_addr: from,
                    transport_protocol: TransportProtocol::UDP,
                    ecn: None,
                };
                let message = buffer[..length].into();
                // What cannot be read is somebody else's.
                mdns.handle_read(TransportMessage { now: Instant::now(), transport, message }).ok();
            }
            () = tokio::time::sleep_until(due.into()) => {
                mdns.handle_timeout(Instant::now()).map_err(io::Error::other)?;
            }
        }
    }
}

/// Our address on each network that the machine is on.
fn networks() -> Vec<Ipv4Addr> {
    let addresses = ifaces().unwrap_or_default().into_iter().filter_map(|interface| interface.addr);
    addresses
        .filter_map(|address| match address.ip() {
            IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        })
        .collect()
}

/// A socket that hears what is said on these networks.
fn join(networks: &[Ipv4Addr]) -> io::Result<UdpSocket> {
    let mut joined: Option<std::net::UdpSocket> = None;
    let mut refused = io::ErrorKind::NetworkUnreachable.into();
    for network in networks {
        let made = match &joined {
            Some(socket) => socket.join_multicast_v4(&MDNS_MULTICAST_IPV4, network),
            None => MulticastSocket::new().with_interface(*network).into_std().map(|socket| joined = Some(socket)),
        };
        if let Err(error) = made {
            refused = error;
        }
    }
    UdpSocket::from_std(joined.ok_or(refused)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: &str = "candidate:1 1 udp 2113937151 0b7a4a1c-1f3e-4f6e-9d6c-0123456789ab.local 50000 typ host";

    #[test]
    fn a_name_is_one_label_and_local() {
        assert_eq!(name(NAMED), Some("0b7a4a1c-1f3e-4f6e-9d6c-0123456789ab.local"));
        for address in ["192.0.2.1", "2001:db8::1", ".local", "local", "printer.office.local", "a_b.local", "a.localx"]
        {
            assert_eq!(name(&format!("candidate:1 1 udp 1 {address} 9 typ host")), None, "{address}");
        }
        assert_eq!(name("candidate:1 1 udp"), None);
    }

    #[test]
    fn the_address_takes_the_place_of_the_name() {
        let candidate = Candidate { candidate: NAMED.to_owned(), mid: "0".to_owned(), ufrag: "u".to_owned() };
        let found = at(candidate, name(NAMED).unwrap(), Ipv4Addr::new(192, 0, 2, 7).into());
        assert_eq!(found.candidate, "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host");
        assert_eq!((found.mid.as_str(), found.ufrag.as_str()), ("0", "u"));
    }
}

//! Ways to servers, and where packets may go.
//!
//! Owns: a [`Runtime`] that reaches TURN servers over TCP and TLS for a stack that speaks UDP alone, and that lets nothing
//! past but packets to relays where only those are allowed. Refuses: everything about relays that is not their transport;
//! the stack allocates, refreshes and binds channels as if it spoke UDP.
//!
//! The stack is told of a server that stands for the real one. What it sends there goes over one connection for each of
//! its UDP sockets: STUN messages and ChannelData need nothing added to be told apart on a stream.

mod frame;
mod link;
mod socket;
mod stream;
mod tls;
mod ways;

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use parlor_protocol::{ice::IceWay, signal::IceServer};
use tokio::{sync::watch, task::JoinHandle as Lookup, time::timeout};
use webrtc::{
    peer_connection::RTCIceServer,
    runtime::{AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime},
};

use self::{socket::Socket, ways::Ways};
use crate::{
    options::IcePolicy,
    runtime::{Pending, forward_timers},
};

/// How long a session that begins waits for the name service, for all servers together: those that it has not named by
/// then are used from the next ICE generation on.
const NAMES: Duration = Duration::from_secs(2);
/// How long connecting to a peer over TCP may take.
const CONNECT: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Tunnel {
    inner: Arc<dyn Runtime>,
    ways: Arc<Ways>,
    over: watch::Sender<bool>,
}

impl Tunnel {
    pub(crate) fn new(inner: Arc<dyn Runtime>, policy: IcePolicy) -> Arc<Self> {
        Arc::new(Self { inner, ways: Arc::new(Ways::new(policy)), over: watch::Sender::new(false) })
    }

    /// The session is over: nobody is looked for or connected to any more.
    pub(crate) fn close(&self) {
        self.over.send_replace(true);
    }

    /// The servers as the stack has to be told of them, without those that cannot be used.
    pub(crate) fn servers(&self, servers: &[IceServer]) -> Vec<RTCIceServer> {
        self.ways.servers(servers)
    }

    /// Asks the name service for those of the servers that are not known yet, side by side, and waits for it, but not for
    /// long. Not for the stack's own task: it asks for what is known by then, and does not wait ([`Runtime::resolve_host`]).
    pub(crate) async fn look_up(&self, servers: &[IceServer]) {
        let lookups: Vec<_> = self.ways.unknown(servers).into_iter().filter_map(|name| self.ask(name)).collect();
        let all = async {
            for lookup in lookups {
                lookup.await.ok();
            }
        };
        if timeout(NAMES, all).await.is_err() {
            tracing::debug!("the name service is slow");
        }
    }

    /// Asks the name service in the background, unless it is being asked already.
    fn ask(&self, authority: String) -> Option<Lookup<()>> {
        if !self.ways.begin(&authority) {
            return None;
        }
        let (inner, ways, over) = (Arc::clone(&self.inner), Arc::clone(&self.ways), self.over.subscribe());
        Some(tokio::spawn(async move {
            tokio::select! {
                found = inner.resolve_host(&authority) => ways.remember(&authority, &found.unwrap_or_default()),
                () = end(over) => {}
            }
        }))
    }

    /// How the relay of this address is reached, which the stack knows of a candidate: `udp`, `tcp` or `tls`.
    pub(crate) fn relay_protocol(&self, url: &str) -> Option<&'static str> {
        match self.ways.real(url.parse().ok()?)?.way {
            IceWay::Stun => None,
            IceWay::TurnTcp => Some("tcp"),
            IceWay::TurnTls => Some("tls"),
            IceWay::TurnUdp => Some("udp"),
        }
    }

    /// The policy of the session.
    pub(crate) fn policy(&self) -> IcePolicy {
        self.ways.policy()
    }
}

impl Runtime for Tunnel {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = self.inner.wrap_udp_socket(socket)?;
        Socket::wrap(inner, Arc::clone(&self.inner), Arc::clone(&self.ways))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        stream::listener(self.inner.wrap_tcp_listener(listener)?)
    }

    fn connect_tcp<'a>(&'a self, address: SocketAddr) -> Pending<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async move {
            match self.ways.policy() {
                IcePolicy::All => {
                    let connected = tokio::select! {
                        connected = timeout(CONNECT, self.inner.connect_tcp(address)) => connected,
                        () = end(self.over.subscribe()) => return Err(io::ErrorKind::ConnectionAborted.into()),
                    };
                    stream::stream(connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
                }
                IcePolicy::Relay => Err(io::ErrorKind::PermissionDenied.into()),
            }
        })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let (name, port) = host.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
            if let Some(addresses) = port.parse().ok().and_then(|port| Ways::stand_in(name, port)) {
                return Ok(addresses);
            }
            // The stack asks for IPv6 addresses of relays without the brackets that tell the port apart.
            let bracketed = name.parse::<std::net::Ipv6Addr>().map(|address| format!("[{address}]:{port}"));
            let authority = bracketed.unwrap_or_else(|_| host.to_owned());
            let known = self.ways.remembered(&authority);
            // Where it is now is for the next time: who asks here moves packets meanwhile.
            self.ask(authority);
            known.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    forward_timers!();
}

/// Completes when the session is over.
async fn end(mut over: watch::Receiver<bool>) {
    over.wait_for(|over| *over).await.ok();
}

#[cfg(test)]
mod tests;

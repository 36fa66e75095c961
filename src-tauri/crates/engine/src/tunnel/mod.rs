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
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parlor_protocol::signal::IceServer;
use tokio::time::timeout;
use webrtc::{
    peer_connection::RTCIceServer,
    runtime::{AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime},
};

use self::{socket::Socket, ways::Ways};
use crate::{
    options::IcePolicy,
    runtime::{Pending, forward_timers},
};

/// How long the name service is waited for when it is asked for a server for the first time. The stack waits inside the task
/// that moves its packets, so this is as long as a session may stand still.
const RESOLVE: Duration = Duration::from_millis(800);
/// How long it is waited for once it has kept us waiting in vain: there may be many servers.
const RESOLVE_AGAIN: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(crate) struct Tunnel {
    inner: Arc<dyn Runtime>,
    ways: Arc<Ways>,
    /// The name service did not answer in time when it was last waited for.
    slow_names: AtomicBool,
}

impl Tunnel {
    pub(crate) fn new(inner: Arc<dyn Runtime>, policy: IcePolicy) -> Arc<Self> {
        Arc::new(Self { inner, ways: Arc::new(Ways::new(policy)), slow_names: AtomicBool::new(false) })
    }

    /// The servers as the stack has to be told of them, without those that cannot be used.
    pub(crate) fn servers(&self, servers: &[IceServer]) -> Vec<RTCIceServer> {
        self.ways.servers(servers)
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
                IcePolicy::All => stream::stream(self.inner.connect_tcp(address).await?),
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
            if let Some(known) = self.ways.remembered(&authority) {
                // Where it is now is for the next time.
                let (inner, ways) = (Arc::clone(&self.inner), Arc::clone(&self.ways));
                tokio::spawn(async move {
                    if let Ok(found) = inner.resolve_host(&authority).await {
                        ways.remember(&authority, &found);
                    }
                });
                return Ok(known);
            }
            let patience = if self.slow_names.load(Relaxed) { RESOLVE_AGAIN } else { RESOLVE };
            let found = timeout(patience, self.inner.resolve_host(&authority)).await;
            self.slow_names.store(found.is_err(), Relaxed);
            let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            self.ways.remember(&authority, &found);
            Ok(found)
        })
    }

    forward_timers!();
}

#[cfg(test)]
mod tests;

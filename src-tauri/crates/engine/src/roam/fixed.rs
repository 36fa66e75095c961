//! Paths that stay where they are: through a TURN server, or over TCP.
//!
//! Owns: which there are, and whether one is as it was after the network changed. Refuses: moving them. A server knows its
//! client by its address, and so does TCP.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use webrtc::runtime::{AsyncTcpListener, AsyncTcpStream};

use super::{Network, lock, towards, way::Ends};
use crate::runtime::Pending;

/// What came within this time shows that a path goes on; whether it does from now on is seen soon enough.
const LATELY: Duration = Duration::from_secs(1);

/// Such a path, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) local: IpAddr,
    /// The next that it goes to: the server, or the other side.
    pub(super) remote: SocketAddr,
    /// When something last came.
    pub(super) heard: Option<Instant>,
}

impl Fixed {
    /// Our address, and where the path goes next.
    pub(super) fn ends(&self) -> Ends {
        (self.local, self.remote.ip())
    }

    /// Whether the network that there is now leaves it alone: its address is still there, the system would still use it, and
    /// something came on it lately.
    pub(super) fn stands(&self, network: &Network, now: Instant) -> bool {
        let on_the_way = towards(self.remote).filter(|address| network.addresses.contains(address));
        // What stands for a server, and what is on this machine, is on no way.
        let goes_on = match on_the_way {
            Some(address) => is_beside(address, self.local),
            None => network.preferred.iter().any(|address| is_beside(*address, self.local)),
        };
        let heard = self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < LATELY);
        network.addresses.contains(&self.local) && goes_on && heard
    }
}

/// Whether two addresses are of one network: of several IPv6 addresses there the system prefers the newest, and the others
/// go on to work (RFC 8981 §3.4).
fn is_beside(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..4] == other.segments()[..4],
        (IpAddr::V4(_) | IpAddr::V6(_), _) => one == other,
    }
}

/// A session's connections to the other side.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<Vec<Weak<Stream>>>);

impl Streams {
    pub(super) fn stream(&self, inner: Arc<dyn AsyncTcpStream>) -> Arc<dyn AsyncTcpStream> {
        let stream = Arc::new(Stream { inner, used: Mutex::default() });
        let mut streams = lock(&self.0);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Arc::downgrade(&stream));
        stream
    }

    pub(super) fn listener(self: &Arc<Self>, inner: Arc<dyn AsyncTcpListener>) -> Arc<dyn AsyncTcpListener> {
        Arc::new(Listener { inner, streams: Arc::clone(self) })
    }

    /// The one that media last went by, and when.
    pub(super) fn in_use(&self) -> Option<(Instant, Fixed)> {
        let streams: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        streams.iter().filter_map(|stream| stream.used()).max_by_key(|(at, _)| *at)
    }
}

#[derive(Debug)]
struct Listener {
    inner: Arc<dyn AsyncTcpListener>,
    streams: Arc<Streams>,
}

impl AsyncTcpListener for Listener {
    fn accept<'a>(&'a self) -> Pending<'a, io::Result<(Arc<dyn AsyncTcpStream>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.inner.accept().await?;
            Ok((self.streams.stream(stream), from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[derive(Debug)]
struct Stream {
    inner: Arc<dyn AsyncTcpStream>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    media_at: Option<Instant>,
    heard: Option<Instant>,
}

impl Stream {
    fn used(&self) -> Option<(Instant, Fixed)> {
        let used = lock(&self.used);
        let (local, remote) = (self.inner.local_addr().ok()?.ip(), self.inner.peer_addr().ok()?);
        Some((used.media_at?, Fixed { local, remote, heard: used.heard }))
    }
}

impl AsyncTcpStream for Stream {
    fn read<'a, 'b>(&'a self, buf: &'b mut [u8]) -> Pending<'b, io::Result<usize>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            let read = self.inner.read(buf).await;
            if matches!(read, Ok(1..)) {
                lock(&self.used).heard = Some(Instant::now());
            }
            read
        })
    }

    fn write_all<'a, 'b>(&'a self, buf: &'b [u8]) -> Pending<'b, io::Result<()>>
    where
        'a: 'b,
    {
        // The stack writes whole frames: a length, and a datagram (RFC 4571 §2).
        if matches!(buf, [_, _, 20..=63 | 128..=191, ..]) {
            lock(&self.used).media_at = Some(Instant::now());
        }
        self.inner.write_all(buf)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    /// Towards nobody, so that what is preferred decides.
    fn fixed(local: &str, now: Instant) -> Fixed {
        let remote = SocketAddr::new(if local.contains(':') { ip("::1") } else { ip("127.0.0.1") }, 3478);
        Fixed { local: ip(local), remote, heard: Some(now) }
    }

    fn network(addresses: &[&str], preferred: &str) -> Network {
        Network { addresses: addresses.iter().map(|address| ip(address)).collect(), preferred: [ip(preferred)].into() }
    }

    #[test]
    fn a_path_stands_where_its_address_is_there_and_preferred() {
        let now = Instant::now();
        let path = fixed("192.0.2.1", now);
        assert!(path.stands(&network(&["192.0.2.1"], "192.0.2.1"), now));
        assert!(path.stands(&network(&["192.0.2.1", "198.51.100.1"], "192.0.2.1"), now));
        assert!(!path.stands(&network(&["192.0.2.1", "198.51.100.1"], "198.51.100.1"), now));
        assert!(!path.stands(&network(&["198.51.100.1"], "198.51.100.1"), now));
    }

    #[test]
    fn a_path_that_is_silent_does_not_stand() {
        let now = Instant::now();
        let (path, here) = (fixed("192.0.2.1", now), network(&["192.0.2.1"], "192.0.2.1"));
        assert!(path.stands(&here, now + LATELY / 2));
        assert!(!path.stands(&here, now + LATELY));
        assert!(!Fixed { heard: None, ..path }.stands(&here, now));
    }

    #[test]
    fn a_newer_address_of_the_same_ipv6_network_takes_nothing_away() {
        let now = Instant::now();
        let path = fixed("2001:db8::1", now);
        assert!(path.stands(&network(&["2001:db8::1", "2001:db8::2"], "2001:db8::2"), now));
        assert!(!path.stands(&network(&["2001:db8::2"], "2001:db8::2"), now));
        assert!(!path.stands(&network(&["2001:db8::1", "2001:db8:0:1::2"], "2001:db8:0:1::2"), now));
    }
}

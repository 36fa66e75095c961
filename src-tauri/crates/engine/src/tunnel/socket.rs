//! A UDP socket, some of whose datagrams take another way.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io::{self, ErrorKind, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::mpsc;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, Transmit};

use super::{
    link::{Came, Link, Way},
    ways::{Destination, Ways},
};

/// Datagrams from servers that wait for the stack; beyond them they are lost, as in a socket's own buffer.
const CAME: usize = 512;
/// Datagrams that are given to the system in one call at most. The stack joins those of one size for one place where there are
/// 16 of them, or as many as one call takes where that is fewer. A picture has three of them, or ten.
const JOINED: usize = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    runtime: Arc<dyn Runtime>,
    ways: Arc<Ways>,
    links: Mutex<BTreeMap<SocketAddr, Link>>,
    coming: mpsc::Sender<Came>,
    came: Mutex<mpsc::Receiver<Came>>,
}

impl Socket {
    /// Around a socket of `runtime`, by which connections find their servers too.
    pub(super) fn wrap(
        inner: Arc<dyn AsyncUdpSocket>,
        runtime: Arc<dyn Runtime>,
        ways: Arc<Ways>,
    ) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = inner.local_addr()?;
        let (coming, came) = mpsc::channel(CAME);
        let (links, came) = (Mutex::default(), Mutex::new(came));
        Ok(Arc::new(Self { inner, local, runtime, ways, links, coming, came }))
    }

    fn open(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.inner.poll_send(cx, transmit);
        let (Poll::Ready(Err(error)), Some(size)) = (&sent, transmit.segment_size) else { return sent };
        if error.kind() == ErrorKind::WouldBlock {
            return sent;
        }
        // An adapter that cannot divide them says so only now. The socket joins none any more, and these are not lost. One that
        // finds no room is, as from a router's queue.
        let mut sent = sent;
        for contents in transmit.contents.chunks(size.max(1)) {
            let alone = self.inner.poll_send(cx, &Transmit { contents, segment_size: None, ..*transmit });
            if matches!(alone, Poll::Ready(Ok(_))) {
                sent = Poll::Ready(Ok(transmit.contents.len()));
            }
        }
        sent
    }

    fn tunnel(&self, number: usize, transmit: &Transmit<'_>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = match links.entry(transmit.destination) {
            Entry::Occupied(link) => link.into_mut(),
            Entry::Vacant(place) => {
                let Some(url) = self.ways.tunnel(number).filter(|url| url.port == transmit.destination.port()) else {
                    return;
                };
                place.insert(Link::new(Way {
                    url,
                    stands_for: transmit.destination,
                    local: self.local.ip(),
                    runtime: Arc::clone(&self.runtime),
                    came: self.coming.clone(),
                }))
            }
        };
        let each = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        transmit.contents.chunks(each).for_each(|datagram| link.send(datagram));
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        match self.ways.destination(transmit.destination) {
            Destination::Open => return self.open(cx, transmit),
            Destination::Tunnel(number) => self.tunnel(number, transmit),
            Destination::Nowhere => tracing::trace!("a datagram was not sent: its destination is not allowed"),
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(first)) = (bufs.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        while let Poll::Ready(Some((from, message))) = came.poll_recv(cx) {
            // Longer than anything that the stack sends: nobody there could read it.
            let Some(place) = buffer.get_mut(..message.len()) else { continue };
            place.copy_from_slice(&message);
            *first = RecvMeta::default();
            (first.addr, first.len, first.stride) = (from, message.len(), message.len().max(1));
            return Poll::Ready(Ok(1));
        }
        drop(came);
        loop {
            let received = std::task::ready!(self.inner.poll_recv(cx, bufs, meta))?;
            let mut heard = false;
            for meta in meta.iter_mut().take(received) {
                if self.ways.may_hear(meta.addr) {
                    heard = true;
                } else {
                    // What has no bytes is passed over.
                    (meta.len, meta.stride) = (0, 1);
                }
            }
            if heard {
                return Poll::Ready(Ok(received));
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments().min(JOINED)
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

//! A runtime whose sockets stand behind a router that translates addresses: a port-restricted cone (RFC 3489 §5).

use std::{
    collections::BTreeSet,
    future::Future,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use parlor_engine::Runtime;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, TokioRuntime, Transmit,
};

type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The router. Each socket behind it has one port of its address, whomever it speaks to, and hears from those alone that it
/// spoke to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cone {
    /// Its public address.
    pub(crate) outside: IpAddr,
}

impl Cone {
    pub(crate) fn runtime(self) -> Arc<dyn Runtime> {
        Arc::new(self)
    }
}

/// Addresses of networks behind routers, each known in its own alone: 127.1.0.0/16.
fn is_private(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[..2] == [127, 1])
}

impl Runtime for Cone {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        assert!(is_private(socket.local_addr()?.ip()));
        let outside = UdpSocket::bind((self.outside, 0))?;
        outside.set_nonblocking(true)?;
        let outside = TokioRuntime.wrap_udp_socket(outside)?;
        Ok(Arc::new(Socket { inside: socket, outside, spoken_to: Mutex::default() }))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, address: SocketAddr) -> Pending<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        TokioRuntime.connect_tcp(address)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pending<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}

#[derive(Debug)]
struct Socket {
    /// Holds the port; nothing goes through it.
    inside: UdpSocket,
    outside: Arc<dyn AsyncUdpSocket>,
    spoken_to: Mutex<BTreeSet<SocketAddr>>,
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inside.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if is_private(transmit.destination.ip()) {
            // Nobody beyond the router has a way there.
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        self.spoken_to.lock().unwrap().insert(transmit.destination);
        self.outside.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // One at a time, so that each can be lost.
        let (bufs, meta) = (&mut bufs[..1], &mut meta[..1]);
        loop {
            let received = std::task::ready!(self.outside.poll_recv(cx, bufs, meta))?;
            if self.spoken_to.lock().unwrap().contains(&meta[0].addr) {
                return Poll::Ready(Ok(received));
            }
        }
    }

    fn max_gro_segments(&self) -> usize {
        self.outside.max_gro_segments()
    }
}

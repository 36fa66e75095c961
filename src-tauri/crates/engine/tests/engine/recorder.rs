//! A runtime that remembers to whom datagrams were sent, and what was in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    io::{self, IoSliceMut},
    net::{SocketAddr, TcpListener, UdpSocket},
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

/// What was sent where. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<BTreeMap<SocketAddr, Vec<Vec<u8>>>>>);

impl Recorder {
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(Recording(self.clone()))
    }

    pub(crate) fn destinations(&self) -> BTreeSet<SocketAddr> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    /// How many datagrams had these bytes in them.
    pub(crate) fn containing(&self, bytes: &[u8]) -> usize {
        let sent = self.0.lock().unwrap();
        sent.values().flatten().filter(|datagram| datagram.windows(bytes.len()).any(|part| part == bytes)).count()
    }

    fn note(&self, destination: SocketAddr, datagram: &[u8]) {
        self.0.lock().unwrap().entry(destination).or_default().push(datagram.to_vec());
    }
}

#[derive(Debug)]
struct Recording(Recorder);

impl Runtime for Recording {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Socket { inner: TokioRuntime.wrap_udp_socket(socket)?, recorder: self.0.clone() }))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, address: SocketAddr) -> Pending<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.0.note(address, &[]);
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
    inner: Arc<dyn AsyncUdpSocket>,
    recorder: Recorder,
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.recorder.note(transmit.destination, transmit.contents);
        self.inner.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }
}

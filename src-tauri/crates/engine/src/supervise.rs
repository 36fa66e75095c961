//! Notices when the connection's own task ends, however it ends.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

/// Completes with an error when the connection's task is gone.
pub(crate) type Gone = tokio::sync::oneshot::Receiver<()>;

/// A runtime that watches the first task spawned on it, which is the connection's: a panic in there would otherwise leave
/// a connection behind that takes everything and does nothing.
#[derive(Debug)]
pub(crate) struct Supervised {
    inner: Arc<dyn Runtime>,
    taken: AtomicBool,
    gone: std::sync::Mutex<Option<tokio::sync::oneshot::Sender<()>>>,
}

impl Supervised {
    pub(crate) fn new(inner: Arc<dyn Runtime>) -> (Arc<Self>, Gone) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let gone = std::sync::Mutex::new(Some(sender));
        (Arc::new(Self { inner, taken: AtomicBool::new(false), gone }), receiver)
    }
}

impl Runtime for Supervised {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return self.inner.spawn(future);
        }
        let guard = self.gone.lock().ok().and_then(|mut gone| gone.take());
        self.inner.spawn(Box::pin(async move {
            // Dropped when the task returns, panics or is aborted, which is what the other end waits for.
            let _guard = guard;
            future.await;
        }))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.inner.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        address: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.inner.connect_tcp(address)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.inner.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.inner.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.inner.yield_now()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}

//! Notices when the connection's own task ends, however it ends.

use std::{
    io,
    net::UdpSocket,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;
use webrtc::runtime::{AsyncUdpSocket, JoinHandle, Runtime};

use crate::runtime::{Pending, forward_runtime};

/// Completes, with an error, when the connection's task is gone.
pub(crate) type Gone = oneshot::Receiver<()>;

/// A runtime that watches the first task spawned on it, which is the connection's: a panic in there would otherwise leave
/// a connection behind that takes everything and does nothing.
#[derive(Debug)]
pub(crate) struct Supervised {
    inner: Arc<dyn Runtime>,
    first: Mutex<Option<oneshot::Sender<()>>>,
}

impl Supervised {
    pub(crate) fn new(inner: Arc<dyn Runtime>) -> (Arc<Self>, Gone) {
        let (sender, gone) = oneshot::channel();
        (Arc::new(Self { inner, first: Mutex::new(Some(sender)) }), gone)
    }
}

impl Runtime for Supervised {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        let Some(guard) = self.first.lock().ok().and_then(|mut first| first.take()) else {
            return self.inner.spawn(future);
        };
        self.inner.spawn(Box::pin(async move {
            // Dropped when the task returns, panics or is aborted, which is what the other end waits for.
            let _guard = guard;
            future.await;
        }))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.inner.wrap_udp_socket(socket)
    }

    forward_runtime!();
}

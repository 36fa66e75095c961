//! TCP between peers (RFC 6544), for a stack that writes to it inside the task that moves all packets: what a slow
//! connection does not take is lost there, as on a slow path of datagrams, and holds nobody up.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use webrtc::runtime::{AsyncTcpListener, AsyncTcpStream};

use crate::runtime::Pending;

/// Frames that wait for a connection. The stack writes whole ones (RFC 4571 §2), so one that is lost is a datagram lost.
const QUEUE: usize = 128;
/// Connections that one listener has at a time. Whoever finds the port may connect; who has no ICE credentials gets
/// nothing else.
const ACCEPTED: usize = 8;
/// How long one that was accepted may take for something that the stack answers. It answers nothing but checks that know
/// the password of the session (RFC 8445 §7.3), so that nobody else keeps one of these places.
const PROOF: Duration = Duration::from_secs(5);
/// Ends a connection on which nothing comes: a path in use is probed several times a second.
const SILENCE: Duration = Duration::from_secs(15);
/// How long the last frames may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// When to look again whether one of them has ended, or whether the system has room for another.
const FULL: Duration = Duration::from_millis(500);

/// A listener whose connections never make the stack wait.
pub(super) fn listener(inner: Arc<dyn AsyncTcpListener>) -> io::Result<Arc<dyn AsyncTcpListener>> {
    Ok(Arc::new(Listener { inner, open: Arc::default() }))
}

/// A connection that never makes the stack wait.
pub(super) fn stream(inner: Arc<dyn AsyncTcpStream>) -> io::Result<Arc<dyn AsyncTcpStream>> {
    Ok(Arc::new(Stream::new(inner, None)))
}

#[derive(Debug)]
struct Listener {
    inner: Arc<dyn AsyncTcpListener>,
    open: Arc<AtomicUsize>,
}

impl AsyncTcpListener for Listener {
    fn accept<'a>(&'a self) -> Pending<'a, io::Result<(Arc<dyn AsyncTcpStream>, SocketAddr)>> {
        Box::pin(async move {
            while self.open.load(Relaxed) >= ACCEPTED {
                tokio::time::sleep(FULL).await;
            }
            let accepted = self.inner.accept().await;
            if accepted.is_err() {
                // A process that has too many files open finds the connection waiting again, and the stack asks at once.
                tokio::time::sleep(FULL).await;
            }
            let (stream, from) = accepted?;
            let place = Place::take(&self.open);
            Ok((Arc::new(Stream::new(stream, Some(place))) as Arc<dyn AsyncTcpStream>, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// Counts one connection of a listener, as long as it lives.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[derive(Debug)]
struct Stream {
    inner: Arc<dyn AsyncTcpStream>,
    queue: mpsc::Sender<Vec<u8>>,
    /// When it ends if nothing was answered on it; `None` for one of our own.
    proof_by: Option<Instant>,
    answered: AtomicBool,
    _alive: oneshot::Sender<()>,
    _place: Option<Place>,
}

impl Stream {
    fn new(inner: Arc<dyn AsyncTcpStream>, place: Option<Place>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (alive, gone) = oneshot::channel();
        tokio::spawn(write(Arc::clone(&inner), waiting, gone));
        let proof_by = place.as_ref().map(|_| Instant::now() + PROOF);
        Self { inner, queue, proof_by, answered: AtomicBool::new(false), _alive: alive, _place: place }
    }

    /// When it ends, as long as that is not a matter of silence.
    fn probation(&self) -> Option<Instant> {
        self.proof_by.filter(|_| !self.answered.load(Relaxed))
    }
}

/// Writes until the connection is dropped or breaks; reading tells the stack of the latter.
async fn write(stream: Arc<dyn AsyncTcpStream>, mut waiting: mpsc::Receiver<Vec<u8>>, gone: oneshot::Receiver<()>) {
    let writing = async {
        while let Some(frame) = waiting.recv().await {
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    let cut_off = async {
        // Ends with an error when the other half is dropped, which is what is waited for.
        let _dropped = gone.await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = writing => {}
        () = cut_off => {}
    }
}

impl AsyncTcpStream for Stream {
    fn read<'a, 'b>(&'a self, buf: &'b mut [u8]) -> Pending<'b, io::Result<usize>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            while let Some(end) = self.probation() {
                if Instant::now() >= end {
                    return Ok(0);
                }
                if let Ok(read) = timeout_at(end, self.inner.read(buf)).await {
                    return read;
                }
            }
            timeout(SILENCE, self.inner.read(buf)).await.unwrap_or(Ok(0))
        })
    }

    fn write_all<'a, 'b>(&'a self, buf: &'b [u8]) -> Pending<'b, io::Result<()>>
    where
        'a: 'b,
    {
        self.answered.store(true, Relaxed);
        let queued = match self.queue.try_send(buf.to_vec()) {
            // Lost.
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        };
        Box::pin(std::future::ready(queued))
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

    /// Of a process that has as many files open as it may.
    #[derive(Debug)]
    struct Exhausted;

    impl AsyncTcpListener for Exhausted {
        fn accept<'a>(&'a self) -> Pending<'a, io::Result<(Arc<dyn AsyncTcpStream>, SocketAddr)>> {
            Box::pin(std::future::ready(Err(io::Error::other("too many open files"))))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_fails_is_asked_again_after_a_while() {
        let listener = listener(Arc::new(Exhausted)).unwrap();
        let start = Instant::now();
        for n in 1..=3 {
            assert!(listener.accept().await.is_err());
            assert!(start.elapsed() >= FULL * n, "{:?}", start.elapsed());
        }
    }
}

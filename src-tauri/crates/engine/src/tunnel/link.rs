//! One connection to a TURN server, over TCP or TLS, that stands for a UDP socket's path to it.
//!
//! The connection is made when the stack first asks the server something, and again when it asks after the connection
//! broke. An allocation ends with its connection (RFC 8656 §7), so data alone is no reason to make one: it is thrown
//! away, ICE notices the silence and a restart asks anew.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use parlor_protocol::ice::{IceUrl, IceWay};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use webrtc::runtime::Runtime;

use super::{
    frame::{Deframer, frame, is_request},
    tls,
};

/// Datagrams that wait for the connection; beyond them, new ones are lost, as in a router. A tenth of a second at
/// 10 Mbit/s: what waits longer comes too late.
const QUEUE: usize = 128;
/// Bytes that the system keeps for the connection: more would be delay that nobody measures.
const SEND_BUFFER: u32 = 128 * 1024;
/// Bytes that are read at once, at most.
const READ: usize = 16 * 1024;
/// How long one of the server's addresses is tried before the next is.
const PER_ADDRESS: Duration = Duration::from_secs(3);
/// How long finding the server, connecting and the TLS handshake may take together.
const CONNECT: Duration = Duration::from_secs(8);
/// How long to wait after the first failed attempt; twice as long after each further one.
const BACKOFF: Duration = Duration::from_millis(500);
/// The longest wait.
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// How long the last datagrams, which release the allocation, may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A datagram from the server, with the address that stands for it.
pub(super) type Came = (SocketAddr, BytesMut);

/// A handle on a connection's task, which ends with it.
#[derive(Debug)]
pub(super) struct Link {
    queue: mpsc::Sender<Vec<u8>>,
    _alive: oneshot::Sender<()>,
}

/// What a connection is made with.
pub(super) struct Way {
    /// The server.
    pub(super) url: IceUrl,
    /// The address that stands for it.
    pub(super) stands_for: SocketAddr,
    /// Of the UDP socket: the connection leaves by the same interface.
    pub(super) local: IpAddr,
    /// Finds the server.
    pub(super) runtime: Arc<dyn Runtime>,
    /// Where its datagrams go. When it is full they are lost.
    pub(super) came: mpsc::Sender<Came>,
}

impl Link {
    /// Connects when there is something to ask. Must be called within a tokio runtime.
    pub(super) fn new(way: Way) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (alive, gone) = oneshot::channel();
        tokio::spawn(run(way, waiting, gone));
        Self { queue, _alive: alive }
    }

    /// Sends a datagram, or loses it.
    pub(super) fn send(&self, datagram: &[u8]) {
        if let Some(framed) = frame(datagram)
            && self.queue.try_send(framed).is_err()
        {
            tracing::trace!("a datagram for a relay was lost: its queue is full");
        }
    }
}

async fn run(way: Way, mut waiting: mpsc::Receiver<Vec<u8>>, mut gone: oneshot::Receiver<()>) {
    let mut backoff = BACKOFF;
    let mut told = false;
    while let Some(first) = waiting.recv().await {
        if !is_request(&first) {
            continue;
        }
        let connected = tokio::select! {
            connected = timeout(CONNECT, connect(&way)) => connected.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
            _ = &mut gone => return,
        };
        match connected {
            Ok(stream) => {
                (backoff, told) = (BACKOFF, false);
                let cut_off = async {
                    // Ends with an error when the other half is dropped, which is what is waited for.
                    let _dropped = (&mut gone).await;
                    sleep(LAST_WORDS).await;
                };
                tokio::select! {
                    end = carry(stream, first, &mut waiting, &way) => {
                        tracing::debug!(kind = ?end.err().map(|error| error.kind()), "a connection to a relay ended");
                    }
                    () = cut_off => return,
                }
                // What still waits was for a connection that nobody needs any more.
                if waiting.is_closed() {
                    return;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    // The kind alone: the text may name addresses.
                    tracing::warn!(kind = ?error.kind(), way = ?way.url.way, "a relay cannot be reached");
                }
                tokio::select! {
                    () = sleep(backoff) => backoff = (backoff * 2).min(MAX_BACKOFF),
                    _ = &mut gone => return,
                }
            }
        }
    }
}

/// What a connection is read from and written to.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(way: &Way) -> io::Result<Box<dyn Stream>> {
    let found = way.runtime.resolve_host(&way.url.authority()).await?;
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in found.into_iter().filter(|address| address.is_ipv4() == way.local.is_ipv4()) {
        match timeout(PER_ADDRESS, tcp(way.local, address)).await {
            Ok(Ok(stream)) => {
                return match way.url.way {
                    IceWay::TurnTls => Ok(Box::new(tls::connect(&way.url.host, stream).await?)),
                    IceWay::Stun | IceWay::TurnTcp | IceWay::TurnUdp => Ok(Box::new(stream)),
                };
            }
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed)
}

async fn tcp(local: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nodelay(true)?;
    if !local.is_unspecified() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(address).await
}

/// Carries datagrams both ways until either side ends.
async fn carry(
    stream: Box<dyn Stream>,
    first: Vec<u8>,
    waiting: &mut mpsc::Receiver<Vec<u8>>,
    way: &Way,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = async {
        let mut deframer = Deframer::default();
        loop {
            let buffer = deframer.buffer();
            buffer.reserve(READ);
            if reader.read_buf(buffer).await? == 0 {
                return Ok(());
            }
            while let Some(message) = deframer.next().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))? {
                if way.came.try_send((way.stands_for, message)).is_err() {
                    tracing::trace!("a datagram from a relay was lost: its queue is full");
                }
            }
        }
    };
    let writing = async {
        let mut next = Some(first);
        while let Some(framed) = next {
            writer.write_all(&framed).await?;
            writer.flush().await?;
            next = waiting.recv().await;
        }
        writer.shutdown().await
    };
    tokio::select! {
        read = reading => read,
        written = writing => written,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use webrtc::runtime::TokioRuntime;

    use super::*;

    /// Longer than it takes to write what there is room for.
    const BLOCKED: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_connection_that_breaks_after_its_socket_is_gone_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (alive, gone) = oneshot::channel();
        let way = Way {
            url: format!("turn:127.0.0.1:{port}?transport=tcp").parse().unwrap(),
            stands_for: SocketAddr::from(([0, 0, 0, 1], port)),
            local: IpAddr::from([127, 0, 0, 1]),
            runtime: Arc::new(TokioRuntime),
            came: mpsc::channel(1).0,
        };
        let task = tokio::spawn(run(way, waiting, gone));
        // Requests, so that each of them would have the server connected to.
        let mut request = vec![0, 1, 4, 0, 0x21, 0x12, 0xa4, 0x42];
        request.resize(20 + 1024, 7);
        queue.send(request.clone()).await.unwrap();
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        // The server does not read.
        while timeout(BLOCKED, queue.send(request.clone())).await.is_ok() {}
        drop((queue, alive));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!task.is_finished(), "it has some time for what is written");
        drop(stream);
        assert!(timeout(PATIENCE, task).await.unwrap().is_ok(), "it panicked");
    }
}

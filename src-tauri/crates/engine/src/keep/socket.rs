//! A socket that may be another's successor.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{State, lock};

/// Checks that are held back; each pair sends one.
const MAX_CHECKS: usize = 16;
/// Bytes of media that are held back: half a second of 8 Mbit/s.
const MAX_MEDIA: usize = 512 * 1024;
/// The longest datagram that is looked at for a check: one in a TURN server's wrapping, too.
const MAX_CHECK: usize = 640;
/// A binding success response (RFC 8489 §5).
const SUCCESS: [u8; 2] = [0x01, 0x01];

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    /// Where the stack believes it to be, and where it is.
    pub(super) known: SocketAddr,
    pub(super) real: SocketAddr,
    pub(super) inner: Arc<dyn AsyncUdpSocket>,
    /// The one where the stack believes it to be, for TURN servers.
    relays: Option<Arc<dyn AsyncUdpSocket>>,
    state: Arc<State>,
    held: Mutex<Held>,
}

/// What came and was not given to the stack yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    checks: VecDeque<(Vec<u8>, RecvMeta)>,
    media: VecDeque<(Vec<u8>, RecvMeta)>,
    /// Bytes in there.
    media_bytes: usize,
    /// The check that was given last. The side that nominates pairs does so when it is asked on one that it has proven: it
    /// would wait for its next turn else.
    last: Option<(Vec<u8>, RecvMeta)>,
    reader: Option<Waker>,
}

impl Socket {
    pub(super) fn new(
        known: SocketAddr,
        real: SocketAddr,
        inner: Arc<dyn AsyncUdpSocket>,
        relays: Option<Arc<dyn AsyncUdpSocket>>,
        state: Arc<State>,
        held: Held,
    ) -> Self {
        Self { known, real, inner, relays, state, held: Mutex::new(held) }
    }

    /// What is held back, for the socket that takes this one's place.
    pub(super) fn bequeath(&self) -> Held {
        std::mem::take(&mut *lock(&self.held))
    }

    pub(super) fn wake(&self) {
        if let Some(reader) = lock(&self.held).reader.take() {
            reader.wake();
        }
    }

    /// Keeps a copy of what is of a generation to come. The stack drops its own: it knows no such names.
    fn look(&self, datagrams: &[u8], meta: &RecvMeta) {
        let names = lock(&self.state.heard.names).clone();
        if names.is_empty() {
            return;
        }
        for datagram in datagrams.chunks(meta.stride.max(1)) {
            let is_it = !is_media(datagram)
                && datagram.len() <= MAX_CHECK
                && datagram.windows(names.len()).any(|part| part == names);
            if !is_it {
                continue;
            }
            let mut held = lock(&self.held);
            if held.checks.len() < MAX_CHECKS {
                let mut meta = *meta;
                (meta.len, meta.stride) = (datagram.len(), datagram.len());
                held.checks.push_back((datagram.to_vec(), meta));
            }
            self.state.heard.tell();
        }
    }

    /// What the stack may have now of what was held back.
    fn take(&self) -> Option<(Vec<u8>, RecvMeta)> {
        let mut held = lock(&self.held);
        if !self.state.heard.waits.load(Relaxed)
            && let Some(check) = held.checks.pop_front()
        {
            held.last = Some(check.clone());
            return Some(check);
        }
        if self.state.holds.load(Relaxed) {
            return None;
        }
        let media = held.media.pop_front()?;
        held.media_bytes -= media.0.len();
        Some(media)
    }

    /// Gives the stack the next of what was held back. Whether there was any.
    fn give(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> bool {
        if let (Some(buffer), Some(meta)) = (bufs.first_mut(), meta.first_mut())
            && let Some((datagrams, of)) = self.take()
            && let Some(room) = buffer.get_mut(..datagrams.len())
        {
            room.copy_from_slice(&datagrams);
            *meta = of;
            return true;
        }
        false
    }

    /// Reads both sockets.
    fn read(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match self.relays.as_ref().map(|relays| relays.poll_recv(cx, bufs, meta)) {
            Some(Poll::Ready(Ok(received))) => return Poll::Ready(Ok(received)),
            // It goes alone: the path does not depend on it.
            Some(Poll::Ready(Err(error))) => tracing::trace!(%error, "a socket could not be read"),
            Some(Poll::Pending) | None => {}
        }
        self.inner.poll_recv(cx, bufs, meta)
    }

    /// Keeps media until there is a pair again. False where it is not kept.
    fn hold(&self, datagrams: &[u8], meta: RecvMeta) -> bool {
        let mut held = lock(&self.held);
        let is_kept =
            held.media_bytes + datagrams.len() <= MAX_MEDIA && datagrams.chunks(meta.stride.max(1)).all(is_media);
        if is_kept {
            held.media_bytes += datagrams.len();
            held.media.push_back((datagrams.to_vec(), meta));
        } else if datagrams.starts_with(&SUCCESS)
            && let Some(check) = held.last.take()
        {
            held.checks.push_back(check);
        }
        is_kept
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.known)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let relays = self.relays.as_ref().filter(|_| is_turn(transmit.contents));
        relays.unwrap_or(&self.inner).poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.give(bufs, meta) {
            return Poll::Ready(Ok(1));
        }
        let holds = self.state.holds.load(Relaxed);
        // One at a time, so that each can be kept.
        let most = if holds { 1 } else { bufs.len().min(meta.len()) };
        let (bufs, meta) = (&mut bufs[..most], &mut meta[..most]);
        loop {
            let received = self.read(cx, bufs, meta);
            match &received {
                Poll::Ready(Ok(count)) => {
                    for (buffer, meta) in bufs.iter().zip(meta.iter()).take(*count) {
                        let datagrams = &buffer[..meta.len.min(buffer.len())];
                        if self.state.heard.waits.load(Relaxed) {
                            self.look(datagrams, meta);
                        }
                        if holds && self.hold(datagrams, *meta) {
                            continue;
                        }
                        return received;
                    }
                    if !holds || *count == 0 {
                        return received;
                    }
                }
                Poll::Pending => {
                    lock(&self.held).reader = Some(cx.waker().clone());
                    // What was let go just now would have found nobody to wake.
                    return if self.give(bufs, meta) { Poll::Ready(Ok(1)) } else { received };
                }
                Poll::Ready(Err(_)) => return received,
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

/// DTLS, RTP and RTCP, which cannot be taken for a check (RFC 7983 §7).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63 | 128..=191))
}

/// Channel data, and STUN of every method but Binding (RFC 8656 §17). Whom it goes to does not tell: a server may be asked for
/// the address of the path too, and has to see it come from there.
fn is_turn(datagram: &[u8]) -> bool {
    match datagram {
        [0x40..=0x4f, ..] => true,
        // Without the class (RFC 8489 §5).
        [high @ 0..=3, low, ..] => (high & 0x3e, low & 0xef) != (0, 1),
        _ => false,
    }
}

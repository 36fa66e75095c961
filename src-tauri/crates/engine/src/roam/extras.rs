//! Sockets that are read beside the one that the stack knows.
//!
//! Owns: which there are, and when one of them is broken: then it goes, and nothing else with it. Refuses: what is sent by
//! which of them.

use std::{
    io::IoSliceMut,
    sync::Arc,
    task::{Context, Poll},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta};

use super::socket::MAX_ERRORS;

/// Sockets that were moved away from and are still read: what is on its way to them is not lost.
const KEPT: usize = 2;

/// See the module. Newest last.
#[derive(Debug, Default)]
pub(super) struct Extras(Vec<Extra>);

#[derive(Debug)]
struct Extra {
    socket: Arc<dyn AsyncUdpSocket>,
    /// One after another.
    errors: u32,
}

impl Extras {
    /// Reads this socket too. The oldest is read no more where there are many, unless it is the one `in_use`.
    pub(super) fn add(&mut self, socket: Arc<dyn AsyncUdpSocket>, in_use: Option<&Arc<dyn AsyncUdpSocket>>) {
        let is_old = |extra: &Extra| in_use.is_none_or(|used| !Arc::ptr_eq(used, &extra.socket));
        if self.0.len() > KEPT
            && let Some(oldest) = self.0.iter().position(is_old)
        {
            self.0.remove(oldest);
        }
        self.0.push(Extra { socket, errors: 0 });
    }

    pub(super) fn remove(&mut self, socket: &Arc<dyn AsyncUdpSocket>) {
        self.0.retain(|extra| !Arc::ptr_eq(&extra.socket, socket));
    }

    pub(super) fn contains(&self, socket: &Arc<dyn AsyncUdpSocket>) -> bool {
        self.0.iter().any(|extra| Arc::ptr_eq(&extra.socket, socket))
    }

    /// How many datagrams came by one of them, the newest first. Pending also where one of them broke.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<usize> {
        for at in (0..self.0.len()).rev() {
            let extra = &mut self.0[at];
            while let Poll::Ready(received) = extra.socket.poll_recv(cx, bufs, meta) {
                match received {
                    Ok(count) => {
                        extra.errors = 0;
                        return Poll::Ready(count);
                    }
                    Err(error) => {
                        extra.errors += 1;
                        tracing::trace!(%error, "a socket could not be read");
                    }
                }
                if extra.errors > MAX_ERRORS {
                    tracing::debug!("a socket broke that a session had moved to, or was about to");
                    self.0.remove(at);
                    break;
                }
            }
        }
        Poll::Pending
    }
}

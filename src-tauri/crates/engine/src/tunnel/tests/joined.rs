//! Datagrams that are given to the system together.

use std::{
    io::{self, IoSliceMut},
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use webrtc::runtime::{RecvMeta, Transmit};

use super::*;
use crate::tunnel::{socket::Socket, ways::Ways};

/// A socket on a network adapter that may be unable to divide what it is given.
#[derive(Debug, Default)]
struct Adapter {
    divides: bool,
    unreachable: bool,
    sent: Mutex<Vec<Vec<u8>>>,
}

impl AsyncUdpSocket for Adapter {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.unreachable || (transmit.segment_size.is_some() && !self.divides) {
            return Poll::Ready(Err(io::Error::other("EIO")));
        }
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        self.sent.lock().unwrap().extend(transmit.contents.chunks(size).map(<[u8]>::to_vec));
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(&self, _: &mut Context<'_>, _: &mut [IoSliceMut<'_>], _: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn max_gso_segments(&self) -> usize {
        64
    }
}

/// Sends three datagrams at once, the last one shorter.
fn send(adapter: Adapter) -> (Arc<Adapter>, Poll<io::Result<usize>>) {
    let adapter = Arc::new(adapter);
    let ways = Arc::new(Ways::new(IcePolicy::All));
    let socket = Socket::wrap(adapter.clone(), Arc::new(TokioRuntime), ways).unwrap();
    assert!((2..16).contains(&socket.max_gso_segments()));
    let transmit = Transmit {
        destination: SocketAddr::from(([127, 0, 0, 1], 2)),
        ecn: None,
        contents: &[1, 1, 2, 2, 3],
        segment_size: Some(2),
        src_ip: None,
    };
    let sent = socket.poll_send(&mut Context::from_waker(Waker::noop()), &transmit);
    (adapter, sent)
}

#[test]
fn what_an_adapter_cannot_divide_is_sent_one_by_one_in_order() {
    for divides in [true, false] {
        let (adapter, sent) = send(Adapter { divides, ..Adapter::default() });
        assert!(matches!(sent, Poll::Ready(Ok(5))), "{sent:?}");
        assert_eq!(*adapter.sent.lock().unwrap(), [vec![1, 1], vec![2, 2], vec![3]]);
    }
}

#[test]
fn where_nothing_can_be_sent_that_is_said() {
    let (_, sent) = send(Adapter { unreachable: true, ..Adapter::default() });
    assert!(matches!(sent, Poll::Ready(Err(_))), "{sent:?}");
}

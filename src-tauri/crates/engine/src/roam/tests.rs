use std::{
    collections::VecDeque,
    io::IoSliceMut,
    sync::atomic::AtomicBool,
    task::{Context, Poll, Wake, Waker},
};

use rtc::stun::{
    attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY},
    message::{BINDING_REQUEST, Message, TransactionId},
};
use webrtc::runtime::{RecvMeta, TokioRuntime, Transmit};

use super::*;

const HERE: &str = "127.0.0.1:4000";
const THERE: &str = "127.0.0.1:5000";

/// A socket that does what a test says.
#[derive(Debug, Default)]
struct Fake {
    full: AtomicBool,
    broken: AtomicBool,
    /// Whom it wakes when it is not full any more.
    writer: Mutex<Option<Waker>>,
    sent: Mutex<Vec<Vec<u8>>>,
    coming: Mutex<VecDeque<Vec<u8>>>,
}

impl AsyncUdpSocket for Fake {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(HERE.parse().unwrap())
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.full.load(Relaxed) {
            *lock(&self.writer) = Some(cx.waker().clone());
            return Poll::Pending;
        }
        lock(&self.sent).push(transmit.contents.to_vec());
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.broken.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::NetworkDown.into()));
        }
        let Some(datagram) = lock(&self.coming).pop_front() else { return Poll::Pending };
        bufs[0][..datagram.len()].copy_from_slice(&datagram);
        (meta[0].addr, meta[0].len, meta[0].stride) = (THERE.parse().unwrap(), datagram.len(), datagram.len());
        Poll::Ready(Ok(1))
    }
}

/// Whoever the stack's task is; remembers whether it was woken.
#[derive(Default)]
struct Stack(AtomicBool);

impl Wake for Stack {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A session on a path of which everything is known that a check is made from.
fn session() -> (Roam, Arc<Fake>, Arc<Socket>) {
    let roam = Roam::new(Arc::new(TokioRuntime)).unwrap();
    let secret = |name: &str| Secret { ufrag: name.to_owned(), pwd: "a-password-of-22-chars".to_owned() };
    roam.agree(Some(Credentials { local: secret("ours"), remote: secret("theirs") }));
    let fake = Arc::new(Fake::default());
    let socket = Arc::new(Socket::new(fake.clone(), Arc::clone(&roam.0.keys)));
    lock(&roam.0.sockets).push(Arc::downgrade(&socket));
    let mut check = Message::new();
    check.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).unwrap();
    check.add(ATTR_ICE_CONTROLLING, &[1; 8]);
    check.add(ATTR_PRIORITY, &[2; 4]);
    for datagram in [media(), check.raw] {
        assert!(send(&socket, &datagram, Waker::noop()).is_ready());
    }
    lock(&fake.sent).clear();
    (roam, fake, socket)
}

/// DTLS.
fn media() -> Vec<u8> {
    vec![22; 32]
}

fn send(socket: &Socket, contents: &[u8], waker: &Waker) -> Poll<io::Result<usize>> {
    let destination = THERE.parse().unwrap();
    let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
    socket.poll_send(&mut Context::from_waker(waker), &transmit)
}

fn receive(socket: &Socket, waker: &Waker) -> Poll<io::Result<usize>> {
    let mut buffer = [0; 1500];
    let mut meta = [RecvMeta::default()];
    socket.poll_recv(&mut Context::from_waker(waker), &mut [IoSliceMut::new(&mut buffer)], &mut meta)
}

#[tokio::test]
async fn a_check_on_a_full_socket_does_not_take_the_stacks_place_there() {
    let (roam, fake, socket) = session();
    let stack = Arc::new(Stack::default());
    let waker = Waker::from(Arc::clone(&stack));
    fake.full.store(true, Relaxed);
    assert!(receive(&socket, &waker).is_pending());
    assert!(send(&socket, &media(), &waker).is_pending());

    let here = BTreeSet::from([HERE.parse::<SocketAddr>().unwrap().ip()]);
    let network = Network { addresses: here.clone(), preferred: here };
    let following = tokio::spawn(async move { roam.follow(&network, Duration::ZERO).await });
    let woken = async {
        while !stack.0.load(Relaxed) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), woken).await.expect("it asks the stack's task");
    assert!(lock(&fake.writer).as_ref().is_some_and(|writer| writer.will_wake(&waker)));

    fake.full.store(false, Relaxed);
    assert!(receive(&socket, &waker).is_pending());
    let sent = lock(&fake.sent).clone();
    assert!(!sent.is_empty() && sent.iter().all(|datagram| check::kind(datagram) == check::Kind::Request));
    following.abort();
}

#[tokio::test]
async fn checks_that_nobody_sends_do_not_pile_up() {
    let (_roam, fake, socket) = session();
    let by: Arc<dyn AsyncUdpSocket> = fake.clone();
    for n in 0..100 {
        socket.send(&by, THERE.parse().unwrap(), vec![n]);
    }
    assert!(receive(&socket, Waker::noop()).is_pending());
    assert_eq!(lock(&fake.sent).last(), Some(&vec![99]));
    assert_eq!(lock(&fake.sent).len(), 8);
}

#[tokio::test]
async fn a_socket_that_breaks_beside_the_stacks_own_goes_alone() {
    let (_roam, fake, socket) = session();
    let other = Arc::new(Fake::default());
    socket.listen(other.clone());
    socket.send_by(other.clone(), Moved::All);
    assert!(send(&socket, &media(), Waker::noop()).is_ready());
    assert_eq!((lock(&fake.sent).len(), lock(&other.sent).len()), (0, 1));

    other.broken.store(true, Relaxed);
    for _ in 0..3 {
        assert!(receive(&socket, Waker::noop()).is_pending());
    }
    assert!(send(&socket, &media(), Waker::noop()).is_ready());
    assert_eq!((lock(&fake.sent).len(), lock(&other.sent).len()), (1, 1));
    lock(&fake.coming).push_back(media());
    assert!(matches!(receive(&socket, Waker::noop()), Poll::Ready(Ok(1))));
}

#[tokio::test]
async fn the_stack_hears_of_its_own_socket_that_breaks() {
    let (_roam, fake, socket) = session();
    fake.broken.store(true, Relaxed);
    assert!(matches!(receive(&socket, Waker::noop()), Poll::Ready(Err(_))));
}

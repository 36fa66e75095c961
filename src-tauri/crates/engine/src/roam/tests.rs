use std::{
    collections::VecDeque,
    future::poll_fn,
    io::IoSliceMut,
    sync::atomic::AtomicBool,
    task::{Context, Poll, Wake, Waker},
};

use rtc::stun::{
    attributes::{ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USERNAME, AttrType},
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId},
};
use tokio::time::timeout;
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
    /// What comes at once from one address, and how long each datagram of it is.
    coming: Mutex<VecDeque<(SocketAddr, usize, Vec<u8>)>>,
}

impl Fake {
    fn comes(&self, from: &str, datagrams: &[&[u8]]) {
        let stride = datagrams.first().map_or(0, |datagram| datagram.len());
        lock(&self.coming).push_back((from.parse().unwrap(), stride, datagrams.concat()));
    }
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
        let Some((from, stride, datagrams)) = lock(&self.coming).pop_front() else { return Poll::Pending };
        bufs[0][..datagrams.len()].copy_from_slice(&datagrams);
        (meta[0].addr, meta[0].len, meta[0].stride) = (from, datagrams.len(), stride);
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
    roam.agree(Some(Credentials { local: secret("ours"), remote: secret("theirs") }));
    let fake = Arc::new(Fake::default());
    let socket = Arc::new(Socket::new(fake.clone(), Arc::clone(&roam.0.keys)));
    lock(&roam.0.sockets).push(Arc::downgrade(&socket));
    for datagram in [media(), unproven(ATTR_ICE_CONTROLLING, 1).raw] {
        assert!(send(&socket, &datagram, Waker::noop()).is_ready());
    }
    lock(&fake.sent).clear();
    (roam, fake, socket)
}

fn secret(name: &str) -> Secret {
    Secret { ufrag: name.to_owned(), pwd: "a-password-of-22-chars".to_owned() }
}

/// A check without a password.
fn unproven(role: AttrType, tiebreaker: u8) -> Message {
    let mut check = Message::new();
    check.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).unwrap();
    check.add(ATTR_USERNAME, b"ours:theirs");
    check.add(role, &[tiebreaker; 8]);
    check.add(ATTR_PRIORITY, &[2; 4]);
    check
}

/// One of the other side's, to a generation of ours.
fn proven(roam: &Roam, ours: &str, moved: Option<u64>) -> Vec<u8> {
    let template = check::Template::read(&unproven(ATTR_ICE_CONTROLLED, 1).raw).unwrap();
    let credentials = Credentials { local: secret("theirs"), remote: secret(ours) };
    template.check(&credentials, moved, roam.0.keys.crypto()).unwrap().1
}

/// DTLS.
fn media() -> Vec<u8> {
    vec![22; 32]
}

/// Sound.
fn rtp() -> Vec<u8> {
    [&[0x80, 111][..], &[0; 30]].concat()
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

/// What the stack gets.
fn received(socket: &Socket) -> Option<Vec<u8>> {
    let mut buffer = [0; 1500];
    let mut meta = [RecvMeta::default()];
    let mut cx = Context::from_waker(Waker::noop());
    match socket.poll_recv(&mut cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta) {
        Poll::Ready(received) => {
            assert_eq!(received.unwrap(), 1);
            Some(buffer[..meta[0].len].to_vec())
        }
        Poll::Pending => None,
    }
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
async fn a_socket_that_stays_full_holds_nobody_up() {
    let (_roam, fake, socket) = session();
    fake.full.store(true, Relaxed);
    let first = poll_fn(|cx| send(&socket, &media(), cx.waker()));
    let lost = timeout(Duration::from_millis(100), first).await.expect("it is given up");
    assert_eq!(lost.unwrap(), media().len());
    // Those behind it wait no more.
    assert!((0..50).all(|_| send(&socket, &media(), Waker::noop()).is_ready()));
    assert!(lock(&fake.sent).is_empty());

    fake.full.store(false, Relaxed);
    assert!(send(&socket, &media(), Waker::noop()).is_ready());
    assert_eq!(*lock(&fake.sent), [media()]);
    // Another time is another time.
    fake.full.store(true, Relaxed);
    assert!(send(&socket, &media(), Waker::noop()).is_pending());
}

#[tokio::test]
async fn nothing_is_lost_because_the_task_had_its_turn() {
    let roam = Roam::new(Arc::new(TokioRuntime)).unwrap();
    let [ours, theirs] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    theirs.set_nonblocking(true).unwrap();
    let destination = theirs.local_addr().unwrap();
    let socket = roam.runtime().wrap_udp_socket(ours).unwrap();
    for n in 0..200 {
        let contents = &[n];
        let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
        poll_fn(|cx| socket.poll_send(cx, &transmit)).await.unwrap();
    }
    let mut buffer = [0];
    let came: Vec<u8> = std::iter::from_fn(|| theirs.recv(&mut buffer).ok().map(|_| buffer[0])).collect();
    assert_eq!(came, (0..200).collect::<Vec<u8>>());
}

#[tokio::test]
async fn who_does_not_know_our_password_is_not_heard() {
    let (roam, fake, socket) = session();
    let forged = unproven(ATTR_ICE_CONTROLLING, 0xff).raw;
    fake.comes(THERE, &[&forged]);
    assert_eq!(received(&socket), None);
    // What came with it is.
    let beside = vec![0x80; forged.len()];
    fake.comes(THERE, &[&forged, &beside, &forged, &media()]);
    assert_eq!(received(&socket), Some([beside, media()].concat()));

    let check = proven(&roam, "ours", None);
    fake.comes(THERE, &[&check]);
    assert_eq!(received(&socket), Some(check));
    // A generation to come, before and after it is told of; there may have been many that came to nothing.
    fake.comes(THERE, &[&proven(&roam, "next", None)]);
    assert_eq!(received(&socket), None);
    for n in 0..20 {
        roam.say(secret(&format!("vain-{n}")));
    }
    roam.say(secret("next"));
    for ours in ["next", "ours"] {
        let check = proven(&roam, ours, None);
        fake.comes(THERE, &[&check]);
        assert_eq!(received(&socket), Some(check), "{ours}");
    }
}

#[tokio::test]
async fn the_other_side_is_sought_where_it_is_now() {
    const ELSEWHERE: &str = "127.0.0.1:6000";
    let (roam, fake, socket) = session();
    assert_eq!(socket.place(), THERE.parse().ok());
    moves(&roam, &fake, &socket, ELSEWHERE, 1);
    assert_eq!(socket.place(), ELSEWHERE.parse().ok());
}

#[tokio::test]
async fn another_port_is_no_other_way_and_another_address_is_whoever_takes_the_path_there() {
    let ends = |roam: &Roam| roam.way().map(|way| way.ends);
    let way = |there: &str| Some((HERE.parse::<SocketAddr>().unwrap().ip(), there.parse().unwrap()));
    let (roam, fake, socket) = session();
    assert_eq!(ends(&roam), way("127.0.0.1"));
    // A NAT that maps anew.
    moves(&roam, &fake, &socket, "127.0.0.1:6000", 1);
    assert_eq!(ends(&roam), way("127.0.0.1"));
    // Another network.
    moves(&roam, &fake, &socket, "127.0.0.2:6000", 2);
    assert_eq!(ends(&roam), way("127.0.0.2"));
    // A restart onto another pair, of which the sockets hear by what is sent.
    roam.agree(Some(Credentials { local: secret("next"), remote: secret("theirs") }));
    let (destination, contents) = ("127.0.0.3:7000".parse().unwrap(), &media()[..]);
    let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
    assert!(socket.poll_send(&mut Context::from_waker(Waker::noop()), &transmit).is_ready());
    assert_eq!(ends(&roam), way("127.0.0.3"));
    // Through a server, which knows where it goes on.
    assert!(send(&socket, &[0x40, 0, 0, 1, 7], Waker::noop()).is_ready());
    assert_eq!(ends(&roam), way("127.0.0.1"));
}

#[tokio::test]
async fn a_single_datagram_through_a_server_is_no_other_way() {
    const SERVER: &str = "127.0.0.9:3478";
    let (roam, _fake, socket) = session();
    let goes = |to: &str, contents: &[u8]| {
        let transmit =
            Transmit { destination: to.parse().unwrap(), ecn: None, contents, segment_size: None, src_ip: None };
        assert!(socket.poll_send(&mut Context::from_waker(Waker::noop()), &transmit).is_ready());
    };
    let mut taken = Taken::default();
    assert!(!taken.look(roam.way()));
    // A check of another pair, just before a look.
    goes(SERVER, &[0x40, 0, 0, 1, 7]);
    assert!(!taken.look(roam.way()));
    goes(THERE, &media());
    assert!(!taken.look(roam.way()));
    // Media goes there from now on.
    goes(SERVER, &[0x40, 0, 0, 1, 7]);
    assert!(!taken.look(roam.way()));
    goes(SERVER, &[0x40, 0, 0, 1, 7]);
    assert!(taken.look(roam.way()));
}

/// The other side comes to another address, and answers there.
fn moves(roam: &Roam, fake: &Fake, socket: &Socket, elsewhere: &str, number: u64) {
    fake.comes(elsewhere, &[&proven(roam, "ours", Some(number))]);
    assert!(received(socket).is_some());
    let asked = check::transaction(&lock(&fake.sent).pop().unwrap()).unwrap();
    let mut answer = Message::new();
    answer.build(&[Box::new(BINDING_SUCCESS), Box::new(asked)]).unwrap();
    let pwd = secret("theirs").pwd;
    MessageIntegrity::new_short_term_integrity_with_provider(pwd, roam.0.keys.crypto()).add_to(&mut answer).unwrap();
    fake.comes(elsewhere, &[&answer.raw]);
    assert_eq!(received(socket), None);
}

/// Whether the session falls silent while media goes there and comes from elsewhere.
async fn falls_silent(media_is: &[u8], with: impl FnOnce(&Roam, &Fake)) -> bool {
    let (roam, fake, socket) = session();
    for _ in 0..60 {
        fake.comes(THERE, &[&media()]);
    }
    with(&roam, &fake);
    while received(&socket).is_some() {}
    let end = std::time::Instant::now() + Duration::from_millis(1300);
    while std::time::Instant::now() < end {
        assert!(send(&socket, &rtp(), Waker::noop()).is_ready());
        fake.comes("127.0.0.1:6000", &[media_is]);
        while received(&socket).is_some() {}
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    *roam.silent().borrow()
}

#[tokio::test]
async fn the_other_side_may_send_by_another_pair() {
    let checked = |roam: &Roam, fake: &Fake| fake.comes("127.0.0.1:6000", &[&proven(roam, "ours", None)]);
    let report = [&[0x81, 201][..], &[0; 30]].concat();
    assert!(!falls_silent(&report, checked).await);
    // From there it says nothing of what is sent elsewhere.
    assert!(falls_silent(&rtp(), checked).await);
    assert!(falls_silent(&report, |_, _| {}).await);
}

#[tokio::test]
async fn a_session_that_is_over_keeps_no_socket_for_an_attempt() {
    let (roam, _fake, socket) = session();
    let there = BTreeSet::from([IpAddr::from([127, 0, 0, 2])]);
    assert!(!roam.follow(&Network { addresses: there.clone(), preferred: there }, Duration::ZERO).await);
    let fresh = Arc::downgrade(&socket.current());
    let begun = async {
        while Arc::strong_count(&socket) == 1 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), begun).await.expect("it asks on");
    roam.close();
    drop(socket);
    let gone = async {
        while fresh.strong_count() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_millis(800), gone).await.expect("nobody has it");
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
    fake.comes(THERE, &[&media()]);
    assert!(matches!(receive(&socket, Waker::noop()), Poll::Ready(Ok(1))));
}

#[tokio::test]
async fn the_stack_hears_of_its_own_socket_that_breaks() {
    let (_roam, fake, socket) = session();
    fake.broken.store(true, Relaxed);
    assert!(matches!(receive(&socket, Waker::noop()), Poll::Ready(Err(_))));
}

#[tokio::test]
async fn a_path_through_a_relay_that_has_a_socket_of_its_own_is_left_alone() {
    let (roam, _fake, direct) = session();
    let remote = || roam.in_use().and_then(|socket| socket.place());
    assert_eq!(remote(), THERE.parse().ok());
    let relays = Arc::new(Socket::new(Arc::new(Fake::default()), Arc::clone(&roam.0.keys)));
    lock(&roam.0.sockets).push(Arc::downgrade(&relays));
    assert!(send(&relays, &[0x40, 0, 0, 1, 7], Waker::noop()).is_ready());
    assert_eq!(remote(), None);
    assert!(send(&direct, &media(), Waker::noop()).is_ready());
    assert_eq!(remote(), THERE.parse().ok());
}

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener as Listener, TcpStream},
    time::Instant,
};
use webrtc::runtime::TokioRuntime;

use super::*;

mod closing;
mod joined;

/// A machine whose name service knows nothing under `.dead` and is slow about it, and that reaches nobody over TCP.
#[derive(Debug)]
struct Patchy {
    inner: Arc<dyn Runtime>,
}

/// What its name service takes where it answers.
const ANSWERS: Duration = Duration::from_millis(100);

impl Runtime for Patchy {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.inner.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, _: SocketAddr) -> Pending<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(std::future::pending())
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if host.contains(".dead") {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(ANSWERS).await;
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], 3478))])
        })
    }

    forward_timers!();
}

fn patchy() -> Arc<Tunnel> {
    Tunnel::new(Arc::new(Patchy { inner: Arc::new(TokioRuntime) }), IcePolicy::All)
}

fn stun(hosts: &[&str]) -> Vec<IceServer> {
    let server = |host: &&str| format!("stun:{host}").parse().unwrap();
    hosts.iter().map(server).collect()
}

/// A Binding request (RFC 8489 §5) with this in its transaction id.
fn request(n: u8) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.resize(20, n);
    message
}

/// ChannelData with so many bytes.
fn data(bytes: u8) -> Vec<u8> {
    let mut message = vec![0x40, 0, 0, bytes];
    message.resize(4 + usize::from(bytes), bytes);
    message
}

/// A socket, the address that stands for a server, and the server's listener.
async fn tunnel() -> (Arc<dyn AsyncUdpSocket>, SocketAddr, Listener) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tunnel = Tunnel::new(Arc::new(TokioRuntime), IcePolicy::All);
    let server = IceServer {
        urls: vec![format!("turn:127.0.0.1:{port}?transport=tcp")],
        username: Some("anna".into()),
        credential: Some("secret".into()),
    };
    let told = tunnel.servers(&[server]);
    let authority = told[0].urls[0].strip_prefix("turn:").unwrap().split('?').next().unwrap().to_owned();
    let stands_for = tunnel.resolve_host(&authority).await.unwrap()[0];
    let socket = tunnel.wrap_udp_socket(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    (socket, stands_for, listener)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("in time")
}

/// In a flood: the task that writes the connection is to get as far as it can.
async fn let_others_run(n: u32) {
    if n.is_multiple_of(100) {
        tokio::task::yield_now().await;
    }
}

async fn accept(listener: &Listener) -> TcpStream {
    soon(listener.accept()).await.unwrap().0
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    soon(stream.read_exact(&mut read)).await.unwrap();
    read
}

#[tokio::test]
async fn datagrams_go_over_a_connection_and_come_back() {
    let (socket, server, listener) = tunnel().await;
    socket.send_to(&request(1), server).await.unwrap();
    let mut stream = accept(&listener).await;
    assert_eq!(read(&mut stream, 20).await, request(1));
    socket.send_to(&data(5), server).await.unwrap();
    assert_eq!(read(&mut stream, 12).await, [data(5), vec![0; 3]].concat());

    stream.write_all(&[data(3), vec![0], request(2)].concat()).await.unwrap();
    let mut buffer = [0; 1500];
    assert_eq!(soon(socket.recv_from(&mut buffer)).await.unwrap(), (7, server));
    assert_eq!(buffer[..7], data(3));
    assert_eq!(soon(socket.recv_from(&mut buffer)).await.unwrap(), (20, server));
}

#[tokio::test]
async fn datagrams_to_others_are_datagrams() {
    let (socket, _, _listener) = tunnel().await;
    let other = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"hello", other.local_addr().unwrap()).await.unwrap();
    let mut buffer = [0; 64];
    let (_, from) = soon(other.recv_from(&mut buffer)).await.unwrap();
    other.send_to(b"hello, too", from).await.unwrap();
    assert_eq!(soon(socket.recv_from(&mut buffer)).await.unwrap(), (10, other.local_addr().unwrap()));
}

#[tokio::test]
async fn a_broken_connection_is_made_again_when_there_is_something_to_ask() {
    let (socket, server, listener) = tunnel().await;
    socket.send_to(&request(1), server).await.unwrap();
    drop(accept(&listener).await);
    // Data belongs to the allocation that went with the connection.
    let asked = async {
        for n in 2.. {
            socket.send_to(&data(4), server).await.unwrap();
            socket.send_to(&request(n), server).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = asked => unreachable!("it asks until it is heard"),
        mut stream = accept(&listener) => assert_eq!(read(&mut stream, 4).await, request(0)[..4], "a request is the first"),
    }
}

#[tokio::test]
async fn a_stream_of_something_else_ends_the_connection() {
    let (socket, server, listener) = tunnel().await;
    socket.send_to(&request(1), server).await.unwrap();
    let mut stream = accept(&listener).await;
    assert_eq!(read(&mut stream, 20).await, request(1));
    stream.write_all(&[0xff; 64]).await.unwrap();
    assert_eq!(soon(stream.read(&mut [0; 64])).await.unwrap_or(0), 0, "hung up");
}

#[tokio::test]
async fn what_was_said_last_arrives_although_the_socket_is_gone() {
    let (socket, server, listener) = tunnel().await;
    socket.send_to(&request(1), server).await.unwrap();
    let mut stream = accept(&listener).await;
    assert_eq!(read(&mut stream, 20).await, request(1));
    socket.send_to(&request(2), server).await.unwrap();
    drop(socket);
    assert_eq!(read(&mut stream, 20).await, request(2));
    assert_eq!(soon(stream.read(&mut [0; 64])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_nobody_up() {
    let (socket, server, listener) = tunnel().await;
    socket.send_to(&request(1), server).await.unwrap();
    let mut stream = accept(&listener).await;
    let flood = async {
        for n in 0..100_000 {
            socket.send_to(&data(200), server).await.unwrap();
            let_others_run(n).await;
        }
    };
    soon(flood).await;
    // What it says is heard although it does not listen.
    stream.write_all(&data(4)).await.unwrap();
    let mut buffer = [0; 64];
    assert_eq!(soon(socket.recv_from(&mut buffer)).await.unwrap(), (8, server));
}

#[tokio::test]
async fn tcp_between_peers_is_not_begun_where_relays_alone_are_allowed() {
    let tunnel = Tunnel::new(Arc::new(TokioRuntime), IcePolicy::Relay);
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let refused = tunnel.connect_tcp(listener.local_addr().unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn tcp_to_a_peer_that_does_not_read_holds_nobody_up() {
    let tunnel = Tunnel::new(Arc::new(TokioRuntime), IcePolicy::All);
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let stream = tunnel.connect_tcp(listener.local_addr().unwrap()).await.unwrap();
    let mut peer = accept(&listener).await;
    let flood = async {
        for n in 0..20_000 {
            stream.write_all(&[0; 1200]).await.unwrap();
            let_others_run(n).await;
        }
    };
    soon(flood).await;
    peer.write_all(&request(1)).await.unwrap();
    assert_eq!(soon(stream.read(&mut [0; 64])).await.unwrap(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_reached_over_tcp_is_given_up() {
    let start = Instant::now();
    let given_up = patchy().connect_tcp(SocketAddr::from(([192, 0, 2, 1], 1))).await.unwrap_err();
    assert_eq!((given_up.kind(), start.elapsed()), (io::ErrorKind::TimedOut, CONNECT));
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_side_by_side() {
    let tunnel = patchy();
    let start = Instant::now();
    tunnel.look_up(&stun(&["a.example", "b.example", "c.example", "192.0.2.9"])).await;
    assert_eq!(start.elapsed(), ANSWERS);
    tunnel.look_up(&stun(&["a.example", "b.example"])).await;
    assert_eq!(start.elapsed(), ANSWERS);
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_knows_hold_the_others_up_once_and_the_stack_never() {
    let tunnel = patchy();
    let start = Instant::now();
    tunnel.look_up(&stun(&["x.dead", "a.example", "y.dead", "b.example"])).await;
    assert_eq!(start.elapsed(), NAMES);
    for known in ["a.example:3478", "b.example:3478"] {
        assert!(tunnel.resolve_host(known).await.is_ok());
    }
    for unknown in ["x.dead:3478", "y.dead:3478", "later.example:3478"] {
        assert_eq!(tunnel.resolve_host(unknown).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
    tunnel.look_up(&stun(&["x.dead"])).await;
    assert_eq!(start.elapsed(), NAMES);
    // What comes late counts the next time.
    tokio::time::sleep(ANSWERS * 2).await;
    assert!(tunnel.resolve_host("later.example:3478").await.is_ok());
}

#[tokio::test]
async fn who_proves_nothing_over_tcp_keeps_no_place() {
    let tunnel = Tunnel::new(Arc::new(TokioRuntime), IcePolicy::All);
    let listener = tunnel.wrap_tcp_listener(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let mut peers = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..8 {
        peers.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        streams.push(soon(listener.accept()).await.unwrap().0);
    }
    // One is answered, one says something that is not, the others are silent.
    let (answered, talkative) = (streams.remove(0), streams.remove(0));
    answered.write_all(&request(1)).await.unwrap();
    assert_eq!(read(&mut peers[0], 20).await, request(1));
    let mut buffer = [0; 64];
    peers[1].write_all(&request(2)).await.unwrap();
    assert_eq!(soon(talkative.read(&mut buffer)).await.unwrap(), 20);
    peers[1].write_all(&request(3)).await.unwrap();

    tokio::time::pause();
    let start = Instant::now();
    for stream in &streams {
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
    }
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(talkative.read(&mut buffer).await.unwrap(), 0);
    assert!(timeout(Duration::from_secs(6), answered.read(&mut buffer)).await.is_err(), "it stays");
    tokio::time::resume();

    streams.clear();
    let _newcomer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    soon(listener.accept()).await.unwrap();
}

use tokio::time::timeout;
use webrtc::runtime::TokioRuntime;

use super::*;

const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_came_for_one_generation_says_nothing_of_the_next() {
    let keep = Keep::new(Arc::new(TokioRuntime));
    keep.expect("b1:a1");
    keep.0.heard.tell();
    keep.came().await;
    // Another pair's check, a moment later.
    keep.0.heard.tell();
    keep.expect("b2:a2");
    assert!(timeout(SOON, keep.came()).await.is_err());
    keep.0.heard.tell();
    assert!(timeout(SOON, keep.came()).await.is_ok());
}

/// One that the stack makes, and where it believes it to be.
fn bind(runtime: &Arc<dyn Runtime>) -> (SocketAddr, Arc<dyn AsyncUdpSocket>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    (socket.local_addr().unwrap(), runtime.wrap_udp_socket(socket).unwrap())
}

#[tokio::test]
async fn a_socket_is_kept_once_and_told_where_it_is() {
    let keep = Keep::new(Arc::new(TokioRuntime));
    let runtime = keep.runtime();
    let (real, before) = bind(&runtime);
    keep.begin();
    assert!(!keep.is_rebound());
    drop(before);
    let (known, after) = bind(&runtime);
    assert!(keep.is_rebound());
    keep.end();
    assert_eq!((after.local_addr().unwrap(), keep.real(known)), (known, real));
    let told = keep.told(&format!("candidate:1 1 udp 1 127.0.0.1 {} typ host", known.port()));
    assert_eq!(told, format!("candidate:1 1 udp 1 127.0.0.1 {} typ host", real.port()));
    // Without a restart a socket is a new one.
    let (other, another) = bind(&runtime);
    assert_eq!(keep.real(other), other);
    drop((after, another));
}

#[tokio::test]
async fn a_relay_is_spoken_to_from_another_port_in_each_generation() {
    let keep = Keep::new(Arc::new(TokioRuntime));
    let runtime = keep.runtime();
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = server.local_addr().unwrap();
    let allocate = [0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    let (real, mut socket) = bind(&runtime);
    let mut known = real;
    for _ in 0..3 {
        for (datagram, from) in [
            (&allocate[..], known),
            (&[0, 0x16, 0, 0], known),
            (&[0x40, 0, 0, 1, 7], known),
            // Binding: request and answer.
            (&[0, 1, 0, 0], real),
            (&[1, 1, 0, 0], real),
            (&[22, 0xfe, 0xfd], real),
            (&[0x80, 111], real),
        ] {
            socket.send_to(datagram, to).await.unwrap();
            let came = timeout(LONG, server.recv_from(&mut [0; 64])).await.unwrap().unwrap();
            assert_eq!(came, (datagram.len(), from), "{datagram:?}");
            server.send_to(datagram, from).await.unwrap();
            let back = timeout(LONG, socket.recv_from(&mut [0; 64])).await.unwrap().unwrap();
            assert_eq!(back, (datagram.len(), to), "{datagram:?}");
        }
        keep.begin();
        drop(socket);
        (known, socket) = bind(&runtime);
        keep.end();
        keep.release();
    }
}

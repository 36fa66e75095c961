//! What can go wrong between the WebSocket driver and a server, and how it is told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod common;

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc, time::Duration};

use common::{Proxy, credentials, room, soon};
use parlor_protocol::signal::{ErrorCode, Limits};
use parlor_server::{Config, Running, serve};
use parlor_signaling::{DownReason, Driver, DriverError, DriverEvent, WebsocketDriver, WebsocketTimings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

async fn server() -> Running {
    server_with(Limits::default()).await
}

async fn server_with(limits: Limits) -> Running {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    serve(Config { listen, limits, ..Config::default() }).await.unwrap()
}

fn quick() -> WebsocketTimings {
    WebsocketTimings {
        connect: Duration::from_millis(500),
        ping: Duration::from_millis(100),
        pong: Duration::from_millis(300),
        probe: Duration::from_millis(100),
    }
}

async fn join(driver: &mut WebsocketDriver) -> Result<(), DriverError> {
    soon(driver.join(&room(), &credentials(1, 1), &mut || None)).await.map(|_| ())
}

async fn fails(url: &str) -> DriverError {
    join(&mut WebsocketDriver::with_timings(url, quick())).await.unwrap_err()
}

/// Says something to each who connects, and hangs up after it heard something.
async fn says(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 1024];
            if stream.read(&mut heard).await.is_ok() {
                stream.write_all(words).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn what_is_no_address_is_told() {
    for url in ["", "nonsense", "https://127.0.0.1/v1/ws", "ws://", "parlor://127.0.0.1/studio"] {
        assert_eq!(fails(url).await, DownReason::BadAddress.into(), "{url}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_known_is_told() {
    // A label of more than 63 characters is in no name service (RFC 1035 §2.3.4), so none is asked.
    let url = format!("ws://{}.invalid/v1/ws", "a".repeat(64));
    assert_eq!(fails(&url).await, DownReason::UnknownHost.into());
}

#[tokio::test]
async fn nobody_listening_is_told() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(fails(&format!("ws://{address}/v1/ws")).await, DownReason::ConnectionRefused.into());
}

#[tokio::test]
async fn a_web_server_is_no_parlor_server() {
    let server = server().await;
    let address = server.address();
    assert_eq!(fails(&format!("ws://{address}/healthz")).await, DownReason::NotAServer.into());
    assert_eq!(fails(&format!("ws://{address}/elsewhere")).await, DownReason::NotAServer.into());
}

#[tokio::test]
async fn something_else_is_no_parlor_server() {
    let address = says(b"220 mail.example.org ESMTP\r\n").await;
    assert_eq!(fails(&format!("ws://{address}/v1/ws")).await, DownReason::NotAServer.into());
}

#[tokio::test]
async fn a_proxy_whose_server_is_away_is_told() {
    let address = says(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(fails(&format!("ws://{address}/v1/ws")).await, DownReason::Refused.into());
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let server = server().await;
    let address = server.address();
    assert_eq!(fails(&format!("wss://{address}/v1/ws")).await, DownReason::TlsFailed.into());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(fails(&format!("ws://{address}/v1/ws")).await, DownReason::TimedOut.into());
}

#[tokio::test]
async fn a_refusal_comes_with_its_code() {
    let server = server_with(Limits { room_peers: 1, ..Limits::default() }).await;
    let url = format!("ws://{}/v1/ws", server.address());
    let _inside = inside(&url, quick()).await;
    let mut second = WebsocketDriver::new(&url);
    let refused = soon(second.join(&room(), &credentials(2, 1), &mut || None)).await.unwrap_err();
    assert!(matches!(refused, DriverError::Denied { code: ErrorCode::RoomFull, .. }), "{refused:?}");
}

async fn inside(url: &str, timings: WebsocketTimings) -> WebsocketDriver {
    let mut driver = WebsocketDriver::with_timings(url, timings);
    join(&mut driver).await.unwrap();
    driver
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = server().await;
    let mut driver = inside(&format!("ws://{}/v1/ws", server.address()), quick()).await;
    server.stop().await;
    let refused = soon(driver.next()).await.unwrap();
    assert!(matches!(refused, DriverEvent::Refused { code: ErrorCode::ServerStopping, .. }));
    assert_eq!(soon(driver.next()).await, Err(DownReason::ServerStopping.into()));
}

#[tokio::test]
async fn a_connection_that_went_silent_is_noticed() {
    let server = server().await;
    let proxy = Proxy::start(server.address()).await;
    let mut driver = inside(&proxy.url(), quick()).await;
    proxy.freeze();
    assert_eq!(soon(driver.next()).await, Err(DownReason::NoAnswer.into()));
}

#[tokio::test]
async fn a_probe_notices_before_the_usual_time() {
    let server = server().await;
    let proxy = Proxy::start(server.address()).await;
    let hour = Duration::from_hours(1);
    let mut driver = inside(&proxy.url(), WebsocketTimings { ping: hour, pong: hour, ..quick() }).await;
    proxy.freeze();
    driver.probe();
    assert_eq!(soon(driver.next()).await, Err(DownReason::NoAnswer.into()));
}

#[tokio::test]
async fn a_probe_of_a_connection_that_works_changes_nothing() {
    let server = server().await;
    let mut driver = inside(&format!("ws://{}/v1/ws", server.address()), WebsocketTimings::default()).await;
    driver.probe();
    assert!(timeout(Duration::from_millis(300), driver.next()).await.is_err(), "it goes on waiting");
}

#[tokio::test]
async fn pings_keep_a_connection_from_idling_out() {
    let server = server_with(Limits { idle_seconds: 1, ..Limits::default() }).await;
    let mut driver = inside(&format!("ws://{}/v1/ws", server.address()), quick()).await;
    assert!(timeout(Duration::from_millis(2500), driver.next()).await.is_err(), "nothing comes, and no end");
}

/// A server with TLS for `localhost`: its own certificate is written to `file`.
async fn secure_server(file: &Path) -> (Running, SocketAddr) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(file, cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let (acceptor, server) = (TlsAcceptor::from(Arc::new(config)), server().await);
    let (plain, listener) = (server.address(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust the certificate hangs up in the middle of the handshake.
                let Ok(mut near) = acceptor.accept(stream).await else { return };
                let mut far = TcpStream::connect(plain).await.unwrap();
                let _ended = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (server, address)
}

/// Run by the next two tests in a process of their own, because the environment says what is trusted.
#[tokio::test]
#[ignore = "needs an address in the environment"]
async fn secure_client() {
    let url = std::env::var("PARLOR_TEST_URL").unwrap();
    let expected = std::env::var("PARLOR_TEST_EXPECTED").unwrap();
    let mut driver = WebsocketDriver::new(url);
    let found = match join(&mut driver).await {
        Ok(()) => "welcome".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected);
}

async fn secure_client_finds(trusted: &Path, url: String, expected: &'static str) {
    let mut client = Command::new(std::env::current_exe().unwrap());
    client.args(["--exact", "secure_client", "--ignored"]);
    client.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    client.env("PARLOR_TEST_URL", url).env("PARLOR_TEST_EXPECTED", expected);
    let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn a_trusted_certificate_is_a_secure_connection() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    let (_server, address) = secure_server(&file).await;
    secure_client_finds(&file, format!("wss://localhost:{}/v1/ws", address.port()), "welcome").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("trusted.pem"), folder.path().join("other.pem"));
    let (_server, address) = secure_server(&file).await;
    let (_other_server, _) = secure_server(&other).await;
    secure_client_finds(&other, format!("wss://localhost:{}/v1/ws", address.port()), "tls-failed").await;
    secure_client_finds(&file, format!("wss://127.0.0.1:{}/v1/ws", address.port()), "tls-failed").await;
}

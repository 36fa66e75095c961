//! Makes a WebSocket to a server, and tells in one word why it could not.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::OnceCell,
    time::timeout,
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Error, protocol::WebSocketConfig},
};
use url::{Host, Url};

use crate::DownReason;

/// How long one of a host's addresses is tried before the next is.
const PER_ADDRESS: Duration = Duration::from_secs(3);
/// Bytes that a server may say at once: more than any limit, and a bound.
const MOST: usize = 1024 * 1024;

/// A connection to a server, with or without TLS.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// TLS as this machine trusts it. Kept: reading the certificates takes a while.
static TLS: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Connects. Dropping the future gives the attempt up.
pub(crate) async fn connect(url: &str) -> Result<Socket, DownReason> {
    let (secure, host, port) = parse(url).ok_or(DownReason::BadAddress)?;
    let stream = tcp(&host, port).await?;
    let connector = if secure { Connector::Rustls(tls().await?) } else { Connector::Plain };
    let config = WebSocketConfig::default().max_message_size(Some(MOST)).max_frame_size(Some(MOST));
    let connected = client_async_tls_with_config(url, stream, Some(config), Some(connector)).await;
    connected.map(|(socket, _)| socket).map_err(|error| {
        let reason = reason(&error, secure);
        tracing::debug!(%error, %reason, "no connection to the server");
        reason
    })
}

/// The address of this machine that a connection is bound to.
pub(crate) fn local_address(socket: &Socket) -> Option<IpAddr> {
    stream(socket)?.local_addr().ok().map(|address| address.ip())
}

/// Has a connection end without a word when it is dropped. One whose address is gone would otherwise say its end for
/// minutes, and the server hear it once the address is back: just before the client is, as if it were lost again.
pub(crate) fn end_silently(socket: &Socket) {
    if let Some(Err(error)) = stream(socket).map(TcpStream::set_zero_linger) {
        tracing::debug!(%error, "a connection ends with a word");
    }
}

fn stream(socket: &Socket) -> Option<&TcpStream> {
    match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => Some(stream),
        MaybeTlsStream::Rustls(stream) => Some(stream.get_ref().0),
        _ => None,
    }
}

fn parse(url: &str) -> Option<(bool, Host<String>, u16)> {
    let url = Url::parse(url).ok()?;
    let secure = match url.scheme() {
        "ws" => false,
        "wss" => true,
        _ => return None,
    };
    Some((secure, url.host()?.to_owned(), url.port_or_known_default()?))
}

async fn tcp(host: &Host<String>, port: u16) -> Result<TcpStream, DownReason> {
    let addresses: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![(*address, port).into()],
        Host::Ipv6(address) => vec![(*address, port).into()],
        Host::Domain(name) => {
            let found = lookup_host((name.as_str(), port)).await;
            found.map_err(|_| DownReason::UnknownHost)?.collect()
        }
    };
    let mut reason = DownReason::UnknownHost;
    for address in addresses {
        match timeout(PER_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages, each of which somebody waits for.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "messages will be held back a little");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => reason = reach(&error),
            Err(_) => reason = DownReason::TimedOut,
        }
    }
    Err(reason)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the system has many more, and gets new ones")]
fn reach(error: &io::Error) -> DownReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DownReason::ConnectionRefused,
        io::ErrorKind::TimedOut => DownReason::TimedOut,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => DownReason::ConnectionLost,
        _ => DownReason::Unreachable,
    }
}

async fn tls() -> Result<Arc<ClientConfig>, DownReason> {
    let config = TLS.get_or_try_init(|| async {
        let made = tokio::task::spawn_blocking(client_config).await;
        made.unwrap_or_else(|error| Err(error.to_string()))
    });
    config.await.cloned().map_err(|error| {
        tracing::warn!(%error, "no secure connections");
        DownReason::TlsFailed
    })
}

fn client_config() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        return Err(format!("this machine trusts no certificates: {:?}", found.errors));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn reason(error: &Error, secure: bool) -> DownReason {
    match error {
        Error::Tls(_) => DownReason::TlsFailed,
        Error::Io(error) if secure && is_about_tls(error) => DownReason::TlsFailed,
        Error::Io(_) => DownReason::ConnectionLost,
        Error::Url(_) => DownReason::BadAddress,
        // A proxy whose server is away says so.
        Error::Http(response) if response.status().is_server_error() => DownReason::Refused,
        Error::Http(_)
        | Error::HttpFormat(_)
        | Error::Protocol(_)
        | Error::Capacity(_)
        | Error::Utf8(_)
        | Error::AttackAttempt
        | Error::WriteBufferFull(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => DownReason::NotAServer,
    }
}

/// rustls reports its own errors as data that is not valid, and a peer that hangs up on it as an early end.
fn is_about_tls(error: &io::Error) -> bool {
    [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof].contains(&error.kind())
}

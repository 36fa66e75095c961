//! The driver to a Parlor server: JSON over one WebSocket.

use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use parlor_protocol::{
    RoomName, VERSION,
    signal::{Address, ErrorCode, ToClient, ToServer, Welcome},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{
    Credentials, DownReason, Driver, DriverError, DriverEvent, Greeting,
    connect::{Socket, connect, end_silently, local_address},
};

/// How long one message may take to go out.
const WRITE: Duration = Duration::from_secs(10);
/// How long a goodbye may take; a person waits for it.
const GOODBYE: Duration = Duration::from_millis(250);

/// The times of a connection to a server.
#[derive(Debug, Clone, Copy)]
pub struct WebsocketTimings {
    /// When to give up an attempt to connect and enter.
    pub connect: Duration,
    /// When to send the next ping, which also keeps the server from closing an idle connection.
    pub ping: Duration,
    /// When to give up a connection on which nothing came since a ping.
    pub pong: Duration,
    /// The same after [`Driver::probe`].
    pub probe: Duration,
}

impl Default for WebsocketTimings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            ping: Duration::from_secs(10),
            pong: Duration::from_secs(10),
            probe: Duration::from_secs(1),
        }
    }
}

/// A driver to the server at one address.
pub struct WebsocketDriver {
    url: String,
    timings: WebsocketTimings,
    connection: Option<Connection>,
}

impl WebsocketDriver {
    /// Not connected yet. The address is that of [`parlor_protocol::RoomLink::websocket_url`].
    pub fn new(url: impl Into<String>) -> Self {
        Self::with_timings(url, WebsocketTimings::default())
    }

    /// With times of one's own.
    pub fn with_timings(url: impl Into<String>, timings: WebsocketTimings) -> Self {
        Self { url: url.into(), timings, connection: None }
    }

    fn connection(&mut self) -> Result<&mut Connection, DriverError> {
        self.connection.as_mut().ok_or_else(|| DownReason::ConnectionLost.into())
    }
}

#[async_trait]
impl Driver for WebsocketDriver {
    async fn join(
        &mut self,
        room: &RoomName,
        credentials: &Credentials,
        greeting: Greeting<'_>,
    ) -> Result<Welcome, DriverError> {
        let entered = timeout(self.timings.connect, enter(&self.url, room, credentials, greeting)).await;
        let (socket, welcome) = entered.map_err(|_| DownReason::TimedOut)??;
        self.connection = Some(Connection::new(socket, self.timings));
        Ok(welcome)
    }

    async fn send(&mut self, to: Option<Address>, data: Bytes) -> Result<(), DriverError> {
        let relay = ToServer::Relay { to, data: STANDARD.encode(data) };
        self.connection()?.send(&relay).await
    }

    async fn next(&mut self) -> Result<DriverEvent, DriverError> {
        let connection = self.connection()?;
        let event = std::future::poll_fn(|cx| connection.poll_next(cx)).await;
        if event.is_err() {
            self.connection = None;
        }
        event
    }

    async fn ask_for_ice_servers(&mut self) -> Result<(), DriverError> {
        self.connection()?.send(&ToServer::IceServers).await
    }

    fn probe(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.probe();
        }
    }

    fn abandon(&mut self) {
        if let Some(connection) = self.connection.take() {
            end_silently(&connection.socket);
        }
    }

    fn local_address(&self) -> Option<IpAddr> {
        local_address(&self.connection.as_ref()?.socket)
    }

    async fn leave(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let goodbye = async {
            connection.send(&ToServer::Leave).await?;
            // The server closes when it has heard it. Closing first, with something unread, could take it back.
            while connection.socket.next().await.is_some_and(|message| message.is_ok()) {}
            Ok::<_, DriverError>(())
        };
        // A server that does not answer will see the end of the connection.
        let _unheard = timeout(GOODBYE, goodbye).await;
    }
}

/// Connects, answers the challenge, greets, and waits to be let in.
async fn enter(
    url: &str,
    room: &RoomName,
    credentials: &Credentials,
    greeting: Greeting<'_>,
) -> Result<(Socket, Welcome), DriverError> {
    let mut socket = connect(url).await?;
    let ToClient::Challenge { v, nonce } = answer(&mut socket).await? else {
        return Err(DownReason::NotAServer.into());
    };
    if v != VERSION {
        let message = "The server speaks another version of the protocol.".into();
        return Err(DriverError::Denied { code: ErrorCode::UnsupportedVersion, message });
    }
    let nonce = decode_nonce(&nonce).ok_or(DownReason::NotAServer)?;
    let join = ToServer::Join {
        v: VERSION,
        room: room.clone(),
        key: credentials.identity.public_key(),
        instance: credentials.instance,
        signature: credentials.identity.sign_join(&nonce, room, credentials.instance),
    };
    // The server takes one message after the other: whoever is refused has greeted nobody.
    let relay = greeting().map(|data| ToServer::Relay { to: None, data: STANDARD.encode(data) });
    for said in std::iter::once(join).chain(relay) {
        socket.feed(message(&said)).await.map_err(|error| lost(&error))?;
    }
    socket.flush().await.map_err(|error| lost(&error))?;
    let ToClient::Welcome(welcome) = answer(&mut socket).await? else {
        return Err(DownReason::NotAServer.into());
    };
    if welcome.peer != credentials.identity.peer_id() {
        return Err(DownReason::NotAServer.into());
    }
    Ok((socket, welcome))
}

/// The server's next message, while nothing else than one certain message or a refusal may come.
async fn answer(socket: &mut Socket) -> Result<ToClient, DriverError> {
    loop {
        let message = socket.next().await.ok_or(DownReason::ConnectionLost)?.map_err(|error| lost(&error))?;
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(ToClient::Error { code, message }) => return Err(DriverError::Denied { code, message }),
                Ok(message) => return Ok(message),
                Err(_) => return Err(DownReason::NotAServer.into()),
            },
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Binary(_) => return Err(DownReason::NotAServer.into()),
            Message::Close(_) => return Err(DownReason::ConnectionLost.into()),
        }
    }
}

/// A challenge is 32 bytes, so that nobody can have us sign something else.
fn decode_nonce(text: &str) -> Option<[u8; 32]> {
    // The one type of 32 bytes in hexadecimal that the protocol has a reader for.
    text.parse::<parlor_protocol::PublicKey>().ok().map(|nonce| nonce.0)
}

fn message(message: &ToServer) -> Message {
    Message::text(serde_json::to_string(message).expect("our own messages have no keys but texts"))
}

fn lost(error: &Error) -> DownReason {
    tracing::debug!(%error, "the connection to the server broke");
    DownReason::ConnectionLost
}

/// A connection in a room.
struct Connection {
    socket: Socket,
    timings: WebsocketTimings,
    ping: Interval,
    pings: u32,
    /// A ping is due that could not go out yet.
    due: bool,
    /// Runs from a ping to whatever comes next.
    silence: Option<Pin<Box<Sleep>>>,
    /// Why it will end, if the server said so.
    ending: DownReason,
}

impl Connection {
    fn new(socket: Socket, timings: WebsocketTimings) -> Self {
        let mut ping = interval_at(Instant::now() + timings.ping, timings.ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { socket, timings, ping, pings: 0, due: false, silence: None, ending: DownReason::ConnectionLost }
    }

    async fn send(&mut self, what: &ToServer) -> Result<(), DriverError> {
        let sent = timeout(WRITE, self.socket.send(message(what))).await;
        sent.map_err(|_| DownReason::NoAnswer)?.map_err(|error| lost(&error).into())
    }

    fn probe(&mut self) {
        self.due = true;
        self.silence = Some(Box::pin(sleep(self.timings.probe)));
    }

    /// Pings, flushes and reads. Whatever was begun stays begun when nobody polls any more.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<DriverEvent, DriverError>> {
        if self.ping.poll_tick(cx).is_ready() {
            self.due = true;
            let pong = self.timings.pong;
            self.silence.get_or_insert_with(|| Box::pin(sleep(pong)));
            // Registers the next tick.
            let _pending = self.ping.poll_tick(cx);
        }
        if self.due
            && let Poll::Ready(room) = self.socket.poll_ready_unpin(cx)
        {
            self.due = false;
            self.pings = self.pings.wrapping_add(1);
            let ping = message(&ToServer::Ping { n: self.pings });
            room.and_then(|()| self.socket.start_send_unpin(ping)).map_err(|error| lost(&error))?;
        }
        if let Poll::Ready(Err(error)) = self.socket.poll_flush_unpin(cx) {
            // What the server said last may still be there to be read.
            tracing::debug!(%error, "cannot write to the server");
        }
        loop {
            match self.socket.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    self.silence = None;
                    if let Some(event) = self.event(message) {
                        return Poll::Ready(Ok(event));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    lost(&error);
                    return Poll::Ready(Err(self.ending.into()));
                }
                Poll::Ready(None) => return Poll::Ready(Err(self.ending.into())),
                Poll::Pending => break,
            }
        }
        let Some(silence) = &mut self.silence else { return Poll::Pending };
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Err(DownReason::NoAnswer.into()))
    }

    /// What a message means; nothing, where it is none that has a place here.
    fn event(&mut self, message: Message) -> Option<DriverEvent> {
        let Message::Text(text) = message else { return None };
        let parsed = serde_json::from_str(&text);
        Some(match parsed {
            Ok(ToClient::IceServers(ice)) => DriverEvent::IceServers(ice),
            Ok(ToClient::PeerJoined { peer }) => DriverEvent::PeerJoined(peer),
            Ok(ToClient::PeerLeft { peer, reason }) => DriverEvent::PeerLeft { address: peer, reason },
            Ok(ToClient::PeerBack { peer }) => DriverEvent::PeerBack(peer),
            Ok(ToClient::Relay { from, broadcast, data }) => {
                // Bytes that are none reach the opener as nothing, which it refuses by name of the sender.
                let data = STANDARD.decode(data).unwrap_or_default().into();
                DriverEvent::Relay { from, broadcast, data }
            }
            Ok(ToClient::Error { code, message }) => {
                if code == ErrorCode::ServerStopping {
                    self.ending = DownReason::ServerStopping;
                }
                DriverEvent::Refused { code, message }
            }
            Ok(ToClient::Pong { .. }) => return None,
            Ok(ToClient::Challenge { .. } | ToClient::Welcome(_)) | Err(_) => {
                tracing::debug!("the server said something that has no place here");
                return None;
            }
        })
    }
}

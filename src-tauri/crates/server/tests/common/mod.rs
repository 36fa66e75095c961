//! A client that says exactly what it is told to.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use parlor_identity::{Identity, ProfileSecret};
use parlor_protocol::{
    InstanceId, RoomName, VERSION,
    signal::{Address, ErrorCode, ToClient, ToServer, Welcome},
};
use parlor_server::{Config, Running, serve};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// Longer than anything takes on a busy machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn server() -> Running {
    server_with(Config::default()).await
}

pub(crate) async fn server_with(config: Config) -> Running {
    serve(Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..config }).await.unwrap()
}

pub(crate) fn room() -> RoomName {
    "studio".parse().unwrap()
}

pub(crate) fn identity(n: u8) -> Identity {
    ProfileSecret::from_bytes([n; 32]).identity(&room())
}

pub(crate) fn address(n: u8) -> Address {
    Address { peer: identity(n).peer_id(), instance: InstanceId([n; 16]) }
}

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let (socket, _) = connect_async(format!("ws://{server}/v1/ws")).await.unwrap();
        Self { socket }
    }

    /// Connects and takes the challenge.
    pub(crate) async fn challenged(server: SocketAddr) -> (Self, Vec<u8>) {
        let mut client = Self::connect(server).await;
        let ToClient::Challenge { v: VERSION, nonce } = client.next().await else { panic!("no challenge") };
        (client, hex::decode(nonce).unwrap())
    }

    /// In the room as peer n, whose welcome is taken.
    pub(crate) async fn inside(server: SocketAddr, n: u8) -> Self {
        Self::welcomed(server, n).await.0
    }

    pub(crate) async fn welcomed(server: SocketAddr, n: u8) -> (Self, Welcome) {
        let (mut client, nonce) = Self::challenged(server).await;
        client.say(&join(n, &nonce)).await;
        match client.next().await {
            ToClient::Welcome(welcome) => (client, welcome),
            other => panic!("{other:?} is no welcome"),
        }
    }

    pub(crate) async fn say(&mut self, message: &ToServer) {
        self.text(serde_json::to_string(message).unwrap()).await;
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.raw(Message::text(text.into())).await;
    }

    pub(crate) async fn raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// As [`Client::raw`], where the server may have hung up.
    pub(crate) async fn try_raw(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }

    pub(crate) async fn next(&mut self) -> ToClient {
        self.try_next().await.expect("the connection is there")
    }

    /// None at the end of the connection.
    pub(crate) async fn try_next(&mut self) -> Option<ToClient> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("something comes or ends")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Binary(bytes)) => panic!("{bytes:?}"),
                Ok(Message::Close(_)) | Err(_) => return None,
            }
        }
    }

    pub(crate) async fn refused(&mut self) -> ErrorCode {
        match self.next().await {
            ToClient::Error { code, message } => {
                assert!(message.ends_with('.'), "{message} is a sentence");
                code
            }
            other => panic!("{other:?} is no refusal"),
        }
    }

    /// The next message is the answer to a ping: nothing else came before it.
    pub(crate) async fn nothing_came(&mut self) {
        self.say(&ToServer::Ping { n: 4711 }).await;
        assert_eq!(self.next().await, ToClient::Pong { n: 4711 });
    }
}

pub(crate) fn join(n: u8, nonce: &[u8]) -> ToServer {
    let (identity, instance) = (identity(n), InstanceId([n; 16]));
    let signature = identity.sign_join(nonce, &room(), instance);
    ToServer::Join { v: VERSION, room: room(), key: identity.public_key(), instance, signature }
}

pub(crate) fn relay(to: Option<Address>, data: &str) -> ToServer {
    ToServer::Relay { to, data: data.into() }
}

//! One client's connection: challenge, entry, its messages, its end.

use std::{
    error::Error as _,
    future::Future,
    pin::pin,
    time::{Duration, Instant, SystemTime},
};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::FusedFuture,
    stream::{SplitSink, SplitStream},
};
use parlor_identity::{peer_id, verify_join};
use parlor_protocol::{
    RoomName, VERSION,
    signal::{Address, ErrorCode, LeaveReason, Member, ToClient, ToServer},
};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    config::Config,
    gate::Pass,
    hub::Hub,
    outbox::{Waiting, WeakOutbox, outbox, text},
    pace::{Pace, Seldom},
    rooms::Ticket,
    turn,
};

/// How long one message may take to go out before its client counts as lost.
const WRITE: Duration = Duration::from_secs(10);
/// How long the last words to a client may take, and then the client's own goodbye.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often a client that is too fast is told so: every time would be a flood of our own.
const TOO_FAST_EVERY: Duration = Duration::from_secs(1);

/// A goodbye is shorter.
const LEAVE_BYTES: usize = 64;

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// One client's connection, before it is run.
pub(crate) struct Connection<S> {
    config: Config,
    hub: Hub,
    stop: S,
}

/// Why a client did not get in.
enum Outside {
    /// It went away.
    Gone,
    /// We do not want it.
    Refused(ErrorCode),
}

/// A client that is in a room.
struct Inside {
    ticket: Ticket,
    outbox: WeakOutbox,
    waiting: Waiting,
}

impl<S: Future<Output = ()>> Connection<S> {
    /// A connection that gives up entering when `stop` ends.
    pub(crate) fn new(config: Config, hub: Hub, stop: S) -> Self {
        Self { config, hub, stop }
    }

    /// Runs it to its end. The pass, if there is one, is held until then.
    pub(crate) async fn run(self, socket: WebSocket, pass: Option<Pass>) {
        let Self { config, hub, stop } = self;
        let (mut sink, mut stream) = socket.split();
        let entry = async {
            if pass.is_none() {
                return Err(Outside::Refused(ErrorCode::TooManyConnections));
            }
            tokio::select! {
                () = stop => Err(Outside::Refused(ErrorCode::ServerStopping)),
                entered = timeout(config.handshake, enter(&config, &hub, &mut sink, &mut stream)) => {
                    entered.unwrap_or(Err(Outside::Refused(ErrorCode::HandshakeTimeout)))
                }
            }
        };
        match entry.await {
            Ok(inside) => stay(&config, &hub, inside, sink, &mut stream).await,
            Err(Outside::Gone) => return,
            Err(Outside::Refused(code)) => {
                tracing::debug!(?code, "a client was refused");
                let words = [Message::Text(text(&refusal(code))), Message::Close(None)];
                let mut words = futures_util::stream::iter(words.map(Ok));
                // Whether it hears them is up to the client.
                let _heard = timeout(LAST_WORDS, sink.send_all(&mut words)).await;
            }
        }
        drain(&mut stream).await;
    }
}

/// Waits for the client's own goodbye: a socket closed with something unread would take our last words back (RFC 9293
/// §3.6.1).
async fn drain(stream: &mut Stream) {
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    // A client that says no goodbye is left without.
    let _rude = timeout(LAST_WORDS, rest).await;
}

/// Challenges the client and lets it into the room it asks for.
async fn enter(config: &Config, hub: &Hub, sink: &mut Sink, stream: &mut Stream) -> Result<Inside, Outside> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Outside::Refused(ErrorCode::ServerStopping)
    })?;
    let challenge = ToClient::Challenge { v: VERSION, nonce: hex::encode(nonce) };
    sink.send(Message::Text(text(&challenge))).await.map_err(|_| Outside::Gone)?;
    let (room, member) = join(&first(stream).await?, &nonce).map_err(Outside::Refused)?;
    let (outbox, waiting) = outbox();
    let weak = outbox.downgrade();
    let ice = turn::ice_servers(config, member.address.peer, SystemTime::now());
    let ticket = hub.enter(room, member, ice, outbox).await.map_err(Outside::Refused)?;
    tracing::debug!("a client entered a room");
    Ok(Inside { ticket, outbox: weak, waiting })
}

/// The client's first text.
async fn first(stream: &mut Stream) -> Result<Utf8Bytes, Outside> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text),
            Some(Ok(Message::Binary(_))) => return Err(Outside::Refused(ErrorCode::BadMessage)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(error)) if is_too_large(&error) => return Err(Outside::Refused(ErrorCode::MessageTooLarge)),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Outside::Gone),
        }
    }
}

/// Checks the answer to the challenge.
fn join(text: &str, nonce: &[u8]) -> Result<(RoomName, Member), ErrorCode> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }

    // Looked at first: a join of another version need not be one that can be read.
    if serde_json::from_str(text).is_ok_and(|Versioned { v }| v != VERSION) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    match serde_json::from_str(text) {
        Ok(ToServer::Join { v: _, room, key, instance, signature }) => {
            verify_join(&key, nonce, &room, instance, &signature).map_err(|_| ErrorCode::BadSignature)?;
            Ok((room, Member { address: Address { peer: peer_id(&key), instance }, key }))
        }
        Ok(ToServer::IceServers | ToServer::Relay { .. } | ToServer::Leave | ToServer::Ping { .. }) | Err(_) => {
            Err(ErrorCode::BadMessage)
        }
    }
}

/// Reads and writes until either ends.
async fn stay(config: &Config, hub: &Hub, inside: Inside, sink: Sink, stream: &mut Stream) {
    let Inside { ticket, outbox, waiting } = inside;
    let mut writer = pin!(write(sink, waiting).fuse());
    let reason = tokio::select! {
        () = &mut writer => LeaveReason::Lost,
        reason = read(config, hub, &ticket, &outbox, stream) => reason,
    };
    // This drops the outbox, if that has not been done yet: the writer ends when it has said what waits.
    hub.gone(ticket, reason).await;
    // A client that does not take its last words goes without.
    if !writer.is_terminated() {
        let _said = timeout(LAST_WORDS, writer).await;
    }
    tracing::debug!(?reason, "a client is gone");
}

async fn write(mut sink: Sink, mut waiting: Waiting) {
    while let Some(text) = waiting.next().await {
        match timeout(WRITE, sink.send(Message::Text(text))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    // The connection may be gone already.
    let _closed = timeout(LAST_WORDS, sink.send(Message::Close(None))).await;
}

/// Does what the client says until it says no more.
async fn read(config: &Config, hub: &Hub, ticket: &Ticket, outbox: &WeakOutbox, stream: &mut Stream) -> LeaveReason {
    let limits = config.limits;
    let idle = Duration::from_secs(limits.idle_seconds.into());
    let mut pace = Pace::new(limits.messages_per_second, limits.burst, Instant::now());
    let mut too_fast = Seldom::new(TOO_FAST_EVERY);
    loop {
        let message = match timeout(idle, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) if is_too_large(&error) => {
                tell(outbox, &refusal(ErrorCode::MessageTooLarge));
                return LeaveReason::Lost;
            }
            Ok(Some(Err(_)) | None) => return LeaveReason::Lost,
            Err(_) => {
                tell(outbox, &refusal(ErrorCode::Idle));
                return LeaveReason::Lost;
            }
        };
        let now = Instant::now();
        // A goodbye costs nothing and frees a place: it is heard however fast it came.
        let answer = if pace.take(now) || is_leave(&message) {
            match step(message, config, ticket, hub).await {
                Step::Answer(answer) => answer,
                Step::Done => continue,
                Step::End(reason) => return reason,
            }
        } else if too_fast.take(now) {
            refusal(ErrorCode::TooFast)
        } else {
            continue;
        };
        if !tell(outbox, &answer) {
            return LeaveReason::Lost;
        }
    }
}

/// What follows from a message.
enum Step {
    Answer(ToClient),
    Done,
    End(LeaveReason),
}

async fn step(message: Message, config: &Config, ticket: &Ticket, hub: &Hub) -> Step {
    let text = match message {
        Message::Text(text) => text,
        Message::Binary(_) => return Step::Answer(refusal(ErrorCode::BadMessage)),
        Message::Ping(_) | Message::Pong(_) => return Step::Done,
        Message::Close(_) => return Step::End(LeaveReason::Lost),
    };
    if text.len() > config.limits.message_bytes as usize {
        return Step::Answer(refusal(ErrorCode::MessageTooLarge));
    }
    match serde_json::from_str(&text) {
        Ok(ToServer::Leave) => Step::End(LeaveReason::Left),
        Ok(ToServer::Ping { n }) => Step::Answer(ToClient::Pong { n }),
        Ok(ToServer::IceServers) => {
            let ice = turn::ice_servers(config, ticket.address().peer, SystemTime::now());
            Step::Answer(ToClient::IceServers(ice))
        }
        Ok(ToServer::Relay { to, data }) if is_base64(&data) => {
            let relay = ToClient::Relay { from: ticket.address(), broadcast: to.is_none(), data };
            hub.relay(ticket.clone(), to, crate::outbox::text(&relay)).await;
            Step::Done
        }
        Ok(ToServer::Relay { .. } | ToServer::Join { .. }) | Err(_) => Step::Answer(refusal(ErrorCode::BadMessage)),
    }
}

fn is_leave(message: &Message) -> bool {
    let Message::Text(text) = message else { return false };
    text.len() < LEAVE_BYTES && matches!(serde_json::from_str(text), Ok(ToServer::Leave))
}

/// False when the client has been let go, or is too slow for another message.
fn tell(outbox: &WeakOutbox, message: &ToClient) -> bool {
    outbox.upgrade().is_some_and(|outbox| outbox.put(message).is_ok())
}

fn is_too_large(error: &axum::Error) -> bool {
    let source = error.source().and_then(|error| error.downcast_ref());
    source.is_some_and(|error| matches!(error, tungstenite::Error::Capacity(_)))
}

/// Whether a text has the form of standard base64 with padding (RFC 4648 §4); what it says is not ours to know.
fn is_base64(text: &str) -> bool {
    let bytes = text.trim_end_matches('=');
    let digit = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    !bytes.is_empty() && text.len().is_multiple_of(4) && text.len() - bytes.len() < 3 && bytes.bytes().all(digit)
}

/// A refusal in words.
pub(crate) fn refusal(code: ErrorCode) -> ToClient {
    let message = match code {
        ErrorCode::BadMessage => "This is not a message that this server understands.",
        ErrorCode::BadSignature => "The signature does not fit the key, the challenge, the room and the instance.",
        ErrorCode::HandshakeTimeout => "The challenge was not answered in time.",
        ErrorCode::Idle => "Nothing was heard for too long.",
        ErrorCode::MessageTooLarge => "The message is larger than this server allows.",
        ErrorCode::NoSuchPeer => "The receiver is not in the room.",
        ErrorCode::Replaced => "You joined this room from another window or device.",
        ErrorCode::RoomFull => "The room is full.",
        ErrorCode::ServerStopping => "The server is stopping.",
        ErrorCode::TooFast => "Messages come faster than this server allows; some were dropped.",
        ErrorCode::TooManyConnections => "There are too many connections from your address.",
        ErrorCode::UnsupportedVersion => "This server speaks another version of the protocol.",
    };
    ToClient::Error { code, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_told_by_its_form() {
        for good in ["AAAA", "AA==", "AAA=", "a+/9AAAA"] {
            assert!(is_base64(good), "{good}");
        }
        for bad in ["", "=", "====", "A===", "AAA", "AA A", "AA-_", "ÄÄ", "AA=A"] {
            assert!(!is_base64(bad), "{bad}");
        }
    }
}

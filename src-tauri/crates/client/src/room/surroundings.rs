//! What comes to a room from outside its sessions: the room server's word, and changes of the machine's network.

use std::time::{Duration, Instant};

use parlor_call::{Input, SignalingInput};
use parlor_engine::{Network, SessionCommand};
use parlor_protocol::signal::{ErrorCode, IceServers};
use parlor_signaling::SignalingEvent;

use super::{Room, RoomEvent, SignalingNews};
use crate::network::{NetworkChange, NetworkWatch};

/// How often sessions that run are given other servers; those made meanwhile have the newest.
const SERVERS_EVERY: Duration = Duration::from_secs(1);

impl Room {
    pub(super) fn signaling(&mut self, event: SignalingEvent) {
        let input = match event {
            SignalingEvent::Down { reason, retry_in } => {
                let reason = reason.to_string();
                self.news.push(RoomEvent::Signaling(SignalingNews::Down { reason }));
                SignalingInput::Down { retry_in }
            }
            SignalingEvent::Greeted(hello) => SignalingInput::Greeted(hello),
            SignalingEvent::Ignored { from, why } => {
                tracing::debug!(%why, "a message was ignored");
                SignalingInput::Ignored { from }
            }
            SignalingEvent::Message { from, broadcast, message } => {
                SignalingInput::Message { from, broadcast, message }
            }
            SignalingEvent::IceServers(ice) => return self.told(ice),
            SignalingEvent::PeerBack(address) => SignalingInput::PeerBack(address),
            SignalingEvent::PeerJoined(member) => SignalingInput::PeerJoined(member),
            SignalingEvent::PeerLeft { address, reason } => SignalingInput::PeerLeft { address, reason },
            SignalingEvent::Refused { code, message, fatal } => {
                self.news.push(RoomEvent::Signaling(SignalingNews::Refused { code, message }));
                if !fatal && !keeps_out(code) {
                    return;
                }
                SignalingInput::Refused { code }
            }
            SignalingEvent::Unreadable { from, why } => {
                tracing::debug!(%why, "a message could not be opened");
                SignalingInput::Unreadable { from }
            }
            SignalingEvent::Unsupported { from, version } => {
                tracing::debug!(version, "a message of another version");
                SignalingInput::Unsupported { from }
            }
            SignalingEvent::Up(welcome) => {
                self.told(welcome.ice);
                self.news.push(RoomEvent::Signaling(SignalingNews::Up { peer: welcome.peer }));
                SignalingInput::Up { peer: welcome.peer, roster: welcome.roster }
            }
        };
        self.input(Input::Signaling(input));
    }

    /// The room server named STUN and TURN servers, perhaps the same with fresh credentials.
    pub(super) fn told(&mut self, ice: IceServers) {
        let rested = self.handed_on.is_none_or(|at| at.elapsed() >= SERVERS_EVERY);
        if self.relays.told(ice.ice_servers) && rested {
            self.handed_on = Some(Instant::now());
            self.hand_on();
        }
    }

    /// Gives the servers that there are now to the sessions that run.
    pub(super) fn hand_on(&self) {
        for live in self.sessions.values() {
            if let Err(error) = live.session.command(SessionCommand::IceServers(self.relays.servers())) {
                tracing::debug!(%error, "a session keeps the servers that it has");
            }
        }
    }

    pub(super) fn network_changed(&mut self, change: &NetworkChange) {
        tracing::info!(addresses = change.addresses.len(), woke = change.woke, "the network is another one");
        if let Some(signaling) = &self.signaling {
            signaling.network_changed(change.addresses.clone());
        }
        self.input(Input::NetworkChanged);
    }

    /// The network, for a session that is to follow it.
    pub(super) fn around(&self) -> Network {
        let now = self.watch.as_ref().map(NetworkWatch::now);
        now.map(|now| Network { addresses: now.addresses, preferred: now.preferred }).unwrap_or_default()
    }
}

/// Whether it is we who are refused, until something changes on the server, and not something that we said.
fn keeps_out(code: ErrorCode) -> bool {
    match code {
        ErrorCode::BadSignature | ErrorCode::Replaced | ErrorCode::RoomFull | ErrorCode::UnsupportedVersion => true,
        ErrorCode::BadMessage
        | ErrorCode::HandshakeTimeout
        | ErrorCode::Idle
        | ErrorCode::MessageTooLarge
        | ErrorCode::NoSuchPeer
        | ErrorCode::ServerStopping
        | ErrorCode::TooFast
        | ErrorCode::TooManyConnections => false,
    }
}

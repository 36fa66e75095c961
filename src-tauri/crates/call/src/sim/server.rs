//! A model of the room server, and of each client's connection to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use parlor_protocol::{
    PeerId,
    peer::PeerBody,
    signal::{Address, LeaveReason, Member},
};

use crate::SignalingInput;

/// Messages that a client keeps while it is not connected.
const BUFFER: usize = 256;

/// What a client says to the server.
#[derive(Debug, Clone)]
pub(super) enum ToServer {
    Join(Member),
    Relay { to: Option<Address>, body: PeerBody },
    Leave,
}

/// What the server says, and to which node.
pub(super) type Said = Vec<(usize, SignalingInput)>;

/// The room.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Who is in the room, and on which node.
    members: BTreeMap<PeerId, (Member, usize)>,
    /// Runs whose connection broke: their return is no news.
    held: BTreeSet<Address>,
}

impl Server {
    pub(super) fn receive(&mut self, node: usize, message: ToServer) -> Said {
        match message {
            ToServer::Join(member) => self.join(node, member),
            ToServer::Relay { to, body } => self.relay(node, to, body),
            ToServer::Leave => self.gone(node, LeaveReason::Left),
        }
    }

    /// A connection ended.
    pub(super) fn gone(&mut self, node: usize, reason: LeaveReason) -> Said {
        let Some((member, _)) = self.members.values().find(|(_, there)| *there == node).copied() else {
            return Vec::new();
        };
        self.members.remove(&member.address.peer);
        if reason == LeaveReason::Lost {
            self.held.insert(member.address);
        }
        self.to_all(None, |_| SignalingInput::PeerLeft { address: member.address, reason })
    }

    /// The server starts anew and knows nobody.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn join(&mut self, node: usize, member: Member) -> Said {
        let roster = self.members.values().filter(|(_, there)| *there != node).map(|(member, _)| *member).collect();
        let was = self.members.insert(member.address.peer, (member, node)).map(|(member, _)| member.address);
        let back = self.held.remove(&member.address) || was == Some(member.address);
        let peer = member.address.peer;
        let mut said = vec![(node, SignalingInput::Up { peer, roster })];
        said.extend(self.to_all(Some(node), |_| match back {
            true => SignalingInput::PeerBack(member.address),
            false => SignalingInput::PeerJoined(member),
        }));
        said
    }

    fn relay(&mut self, node: usize, to: Option<Address>, body: PeerBody) -> Said {
        let Some((sender, _)) = self.members.values().find(|(_, there)| *there == node).copied() else {
            return Vec::new();
        };
        let message = SignalingInput::Message { from: sender.address, message: body.into() };
        let Some(to) = to else { return self.to_all(Some(node), |_| message.clone()) };
        let receiver = self.members.get(&to.peer).filter(|(member, _)| member.address == to);
        receiver.map(|(_, there)| (*there, message)).into_iter().collect()
    }

    fn to_all(&self, except: Option<usize>, say: impl Fn(usize) -> SignalingInput) -> Said {
        let nodes = self.members.values().map(|(_, node)| *node).filter(|node| Some(*node) != except);
        nodes.map(|node| (node, say(node))).collect()
    }
}

/// A client's connection to the server: in order, with a delay, and again after a while when it breaks.
#[derive(Debug)]
pub(super) struct Wire {
    /// Counts connections: what was said on an older one is lost.
    pub(super) number: u64,
    pub(super) up: bool,
    pub(super) tries: u32,
    pub(super) waiting: VecDeque<ToServer>,
    pub(super) last_in: Instant,
    pub(super) last_out: Instant,
}

impl Wire {
    pub(super) fn new(now: Instant) -> Self {
        Self { number: 0, up: false, tries: 0, waiting: VecDeque::new(), last_in: now, last_out: now }
    }

    /// Keeps a message until the connection is back.
    pub(super) fn keep(&mut self, message: ToServer) {
        if self.waiting.len() == BUFFER {
            self.waiting.pop_front();
        }
        self.waiting.push_back(message);
    }

    /// The first attempt at once, then slower and slower.
    pub(super) fn backoff(&self) -> Duration {
        match self.tries {
            0 => Duration::ZERO,
            tries => Duration::from_secs(1 << (tries - 1).min(4)),
        }
    }
}

//! A model of the room server, and of each client's connection to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use parlor_protocol::{
    PeerId,
    peer::{Hello, PeerBody},
    signal::{Address, LeaveReason, Member},
};

use crate::SignalingInput;

/// Messages that a client keeps while it is not connected.
const BUFFER: usize = 256;

/// Messages to everybody that a server records.
const RECORDED: usize = 64;
/// The longest wait between two attempts to reach the server.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(16);

/// What a client says to the server.
#[derive(Debug, Clone)]
pub(super) enum ToServer {
    Join(Member),
    Relay { to: Option<Address>, body: PeerBody },
    Leave,
}

/// What the server says, and to which node.
pub(super) type Said = Vec<(usize, Saying)>;

/// Something that the server says.
#[derive(Debug, Clone)]
pub(super) struct Saying {
    pub(super) input: SignalingInput,
    /// What a member sealed opens once for each receiver, by its number.
    pub(super) sealed: Option<u64>,
}

impl From<SignalingInput> for Saying {
    fn from(input: SignalingInput) -> Self {
        Self { input, sealed: None }
    }
}

/// The room.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Who is in the room, and on which node.
    members: BTreeMap<PeerId, (Member, usize)>,
    /// Runs whose connection broke: their return is no news.
    held: BTreeSet<Address>,
    sealed: u64,
    /// The number of each node's connection: what is said to an older one does not arrive.
    connections: BTreeMap<usize, u64>,
    /// What members said to everybody, for a server that lies.
    recorded: Vec<(Member, Saying)>,
}

impl Server {
    /// The number of a node's connection, as far as the server knows.
    pub(super) fn connection(&self, node: usize) -> Option<u64> {
        self.connections.get(&node).copied()
    }

    pub(super) fn receive(&mut self, node: usize, connection: u64, message: ToServer) -> Said {
        match message {
            ToServer::Join(member) => {
                self.connections.insert(node, connection);
                self.join(node, member)
            }
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
        self.to_all(None, &SignalingInput::PeerLeft { address: member.address, reason }.into())
    }

    /// The server starts anew and knows nobody.
    pub(super) fn forget(&mut self) {
        let (sealed, recorded) = (self.sealed, std::mem::take(&mut self.recorded));
        *self = Self { sealed, recorded, ..Self::default() };
    }

    /// What was said to everybody by runs that are not here any more.
    pub(super) fn recordings(&self) -> Vec<(Member, Saying)> {
        let here = |member: &Member| self.members.values().any(|(there, _)| there.address == member.address);
        self.recorded.iter().filter(|(member, _)| !here(member)).cloned().collect()
    }

    fn join(&mut self, node: usize, member: Member) -> Said {
        let roster = self.members.values().filter(|(_, there)| *there != node).map(|(member, _)| *member).collect();
        let was = self.members.insert(member.address.peer, (member, node)).map(|(member, _)| member.address);
        let back = self.held.remove(&member.address) || was == Some(member.address);
        let peer = member.address.peer;
        let news = match back {
            true => SignalingInput::PeerBack(member.address),
            false => SignalingInput::PeerJoined(member),
        };
        let mut said = vec![(node, SignalingInput::Up { peer, roster }.into())];
        said.extend(self.to_all(Some(node), &news.into()));
        said
    }

    fn relay(&mut self, node: usize, to: Option<Address>, body: PeerBody) -> Said {
        let Some((sender, _)) = self.members.values().find(|(_, there)| *there == node).copied() else {
            return Vec::new();
        };
        let broadcast = to.is_none();
        let input = SignalingInput::Message { from: sender.address, broadcast, message: body.into() };
        self.sealed += 1;
        let saying = Saying { input, sealed: Some(self.sealed) };
        let Some(to) = to else {
            if self.recorded.len() < RECORDED {
                self.recorded.push((sender, saying.clone()));
            }
            return self.to_all(Some(node), &saying);
        };
        let receiver = self.members.get(&to.peer).filter(|(member, _)| member.address == to);
        receiver.map(|(_, there)| (*there, saying)).into_iter().collect()
    }

    fn to_all(&self, except: Option<usize>, saying: &Saying) -> Said {
        let nodes = self.members.values().map(|(_, node)| *node).filter(|node| Some(*node) != except);
        nodes.map(|node| (node, saying.clone())).collect()
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
    /// What was said to everybody on entering.
    pub(super) greeting: Option<Hello>,
    pub(super) last_in: Instant,
    pub(super) last_out: Instant,
}

impl Wire {
    pub(super) fn new(now: Instant) -> Self {
        Self { number: 0, up: false, tries: 0, waiting: VecDeque::new(), greeting: None, last_in: now, last_out: now }
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
            tries => Duration::from_secs(1 << (tries - 1).min(4)).min(LONGEST_BACKOFF),
        }
    }
}

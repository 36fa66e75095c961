//! Who is in the room, in the server's word, and whom of them we have understood.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parlor_protocol::{InstanceId, PeerId, peer::Hello, signal::Address};

use crate::words::shown_name;

/// Members that are kept; the server allows fewer.
const MAX_MEMBERS: usize = 64;
/// How often somebody who has not said who they are is told again who we are.
const MAX_ASKS: u32 = 4;

/// Everybody else in the room.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<PeerId, Member>,
    /// Somebody was understood once: our key is the room's.
    understood: bool,
}

#[derive(Debug)]
struct Member {
    instance: InstanceId,
    /// There before us.
    early: bool,
    hello: Option<Hello>,
    unreadable: bool,
    outdated: bool,
    told: Option<Instant>,
    /// Told alone, not only with everybody else.
    greeted: bool,
    asks: u32,
    ask_at: Option<Instant>,
}

/// What a message that cannot be opened means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Nothing new.
    Known,
    /// Somebody has another key.
    News,
    /// Nobody who was here before us can be understood: it is we who have another key.
    WrongKey,
}

impl Roster {
    /// Somebody is here. Whether that run was not, and there was room for it. `early`: it was there before us.
    pub(crate) fn add(&mut self, address: Address, early: bool, ask_at: Instant) -> bool {
        let known = self.members.get(&address.peer).map(|member| member.instance);
        if known == Some(address.instance) || (known.is_none() && self.members.len() >= MAX_MEMBERS) {
            return false;
        }
        let member = Member {
            instance: address.instance,
            early,
            hello: None,
            unreadable: false,
            outdated: false,
            told: None,
            greeted: false,
            asks: 0,
            ask_at: Some(ask_at),
        };
        self.members.insert(address.peer, member);
        true
    }

    /// A run is gone. Whether it was here.
    pub(crate) fn remove(&mut self, address: Address) -> bool {
        let here = self.contains(address);
        if here {
            self.members.remove(&address.peer);
        }
        here
    }

    /// The run of a peer that is here.
    pub(crate) fn address(&self, peer: PeerId) -> Option<Address> {
        self.members.get(&peer).map(|member| Address { peer, instance: member.instance })
    }

    pub(crate) fn contains(&self, address: Address) -> bool {
        self.address(address.peer) == Some(address)
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.members.iter().map(|(peer, member)| Address { peer: *peer, instance: member.instance }).collect()
    }

    /// They were told who we are, `alone` or with everybody else.
    pub(crate) fn told(&mut self, address: Address, alone: bool, now: Instant) {
        if let Some(member) = self.member(address) {
            member.told = Some(now);
            member.greeted |= alone;
        }
    }

    /// Whether to tell them who we are, so that they answer: it is not known yet that they are there.
    pub(crate) fn is_to_be_asked(&self, address: Address, patience: Duration, now: Instant) -> bool {
        self.get(address).is_some_and(|member| !member.greeted || is_due(member.told, patience, now))
    }

    /// They said who they are, to us alone or as a `broadcast`. Whether they should be told who we are: we have not, or it
    /// seems to have been lost, or they want to know whether we are there.
    pub(crate) fn heard(
        &mut self,
        address: Address,
        hello: &Hello,
        broadcast: bool,
        patience: Duration,
        now: Instant,
    ) -> bool {
        self.understood = true;
        let Some(member) = self.member(address) else { return false };
        let hello = Hello { name: shown_name(&hello.name), capabilities: Vec::new(), ..*hello };
        let again = member.hello.replace(hello).is_some();
        member.ask_at = None;
        let wanted = !broadcast && !member.greeted;
        wanted || member.told.is_none() || (again && is_due(member.told, patience, now))
    }

    /// Who a member says it is.
    pub(crate) fn hello(&self, address: Address) -> Option<&Hello> {
        self.get(address)?.hello.as_ref()
    }

    /// Something could be opened.
    pub(crate) fn understood(&mut self) {
        self.understood = true;
    }

    /// Something of theirs does not open with our key.
    pub(crate) fn unreadable(&mut self, address: Address) -> Unreadable {
        let Some(member) = self.member(address) else { return Unreadable::Known };
        if member.hello.is_some() || std::mem::replace(&mut member.unreadable, true) {
            return Unreadable::Known;
        }
        member.ask_at = None;
        let mut early = self.members.values().filter(|member| member.early).peekable();
        if !self.understood && early.peek().is_some() && early.all(|member| member.unreadable) {
            return Unreadable::WrongKey;
        }
        Unreadable::News
    }

    /// They speak another version. Whether that is news.
    pub(crate) fn outdated(&mut self, address: Address) -> bool {
        let Some(member) = self.member(address) else { return false };
        member.ask_at = None;
        !std::mem::replace(&mut member.outdated, true)
    }

    /// When to come back, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.members.values().filter_map(|member| member.ask_at).min().map(|at| (at, "ask-hello"))
    }

    /// Who is due to be told once more who we are, having not said who they are.
    pub(crate) fn take_due(&mut self, patience: Duration, now: Instant) -> Vec<Address> {
        let due = self.members.iter_mut().filter(|(_, member)| member.ask_at.is_some_and(|at| at <= now));
        due.map(|(peer, member)| {
            member.asks += 1;
            member.ask_at = (member.asks < MAX_ASKS).then(|| now + patience * 2u32.pow(member.asks));
            Address { peer: *peer, instance: member.instance }
        })
        .collect()
    }

    fn get(&self, address: Address) -> Option<&Member> {
        self.members.get(&address.peer).filter(|member| member.instance == address.instance)
    }

    fn member(&mut self, address: Address) -> Option<&mut Member> {
        self.members.get_mut(&address.peer).filter(|member| member.instance == address.instance)
    }
}

/// Whether it was long enough ago, if ever.
fn is_due(told: Option<Instant>, patience: Duration, now: Instant) -> bool {
    told.is_none_or(|told| now.saturating_duration_since(told) >= patience)
}

//! The messages, in their one order, and which runs they come from.

use std::collections::BTreeMap;

use parlor_protocol::{
    InstanceId, MessageId, PeerId,
    chat::{ChatBody, SignedChat},
    signal::Address,
    ui::Delivery,
};

/// Messages that are kept, and bytes of them; beyond, the oldest are forgotten.
const MAX_MESSAGES: usize = 2000;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Runs that are kept; beyond, one that is not here and has been silent for longest is forgotten. With all of them a
/// `have` fits the channel.
const MAX_RUNS: usize = 512;

/// By (Lamport clock, author); the id decides between an author's own.
type Order = (u64, PeerId, MessageId);

/// A message whose author is proven.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) signed: SignedChat,
    pub(super) body: ChatBody,
    pub(super) author: PeerId,
    pub(super) history: bool,
    pub(super) delivery: Delivery,
}

/// All messages that are kept.
#[derive(Debug, Default)]
pub(super) struct Store {
    messages: BTreeMap<Order, Message>,
    runs: BTreeMap<InstanceId, Run>,
    bytes: usize,
    clock: u64,
}

/// The messages of one run of an author's client.
#[derive(Debug)]
struct Run {
    author: PeerId,
    /// The author is proven by more than a message that claims the run.
    bound: bool,
    /// The author is here, or it is we.
    here: bool,
    /// Everything up to this number is had, or given up.
    floor: u32,
    numbers: BTreeMap<u32, Order>,
}

impl Run {
    fn new(author: PeerId) -> Self {
        Self { author, bound: false, here: false, floor: 0, numbers: BTreeMap::new() }
    }

    /// The place of its last message.
    fn last(&self) -> Option<Order> {
        self.numbers.values().max().copied()
    }

    /// The highest number without a gap before it.
    fn up_to(&self) -> u32 {
        let mut up_to = self.floor;
        for number in self.numbers.range(up_to.saturating_add(1)..).map(|(number, _)| *number) {
            if number != up_to + 1 {
                break;
            }
            up_to = number;
        }
        up_to
    }

    /// Everything up to here and not beyond is had, given up, or not given away: where the run begins for whoever is
    /// given it from `first` on.
    fn floor_below(&self, first: u32) -> u32 {
        let before = self.numbers.range(..first).next_back().map_or(0, |(number, _)| *number);
        before.max(self.floor).min(first - 1)
    }
}

impl Store {
    /// The highest Lamport clock that was seen.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// How many runs are known.
    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Whether it is had.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.runs.get(&id.instance).is_some_and(|run| run.numbers.contains_key(&id.n))
    }

    /// Takes a message; whether it did.
    pub(super) fn insert(&mut self, message: Message) -> bool {
        let id = message.body.id;
        let order = (message.body.clock, message.author, id);
        let run = self.runs.entry(id.instance).or_insert_with(|| Run::new(message.author));
        if run.author != message.author || run.numbers.contains_key(&id.n) {
            return false;
        }
        run.numbers.insert(id.n, order);
        self.clock = self.clock.max(message.body.clock);
        self.bytes += message.signed.body.len();
        self.messages.insert(order, message);
        self.prune();
        // One that is older than all that fit is gone again.
        self.messages.contains_key(&order)
    }

    /// This run is this peer's, who is here. Whether something that somebody else put under it was thrown away. Who
    /// proved first that a run is theirs keeps it.
    pub(super) fn bind(&mut self, address: Address) -> bool {
        let Address { peer, instance } = address;
        let run = self.runs.get(&instance);
        if run.is_some_and(|run| run.bound && run.author != peer) {
            return false;
        }
        let forged = run.is_some_and(|run| run.author != peer);
        if forged {
            self.forget(instance);
        }
        let run = self.runs.entry(instance).or_insert_with(|| Run::new(peer));
        (run.bound, run.here) = (true, true);
        self.prune();
        forged
    }

    /// This run is not here any more.
    pub(super) fn depart(&mut self, address: Address) {
        if let Some(run) = self.runs.get_mut(&address.instance)
            && run.author == address.peer
        {
            run.here = false;
            if run.numbers.is_empty() {
                self.runs.remove(&address.instance);
            }
        }
    }

    /// What we have, by run.
    pub(super) fn have(&self) -> BTreeMap<InstanceId, u32> {
        let had = self.runs.iter().map(|(instance, run)| (*instance, run.up_to()));
        had.filter(|(_, up_to)| *up_to > 0).collect()
    }

    /// What somebody who has this lacks, in order, and for the first message of a run where the run begins if that is
    /// not 1. Of runs that they know nothing of, the last messages.
    pub(super) fn lacking(
        &self,
        has: &BTreeMap<InstanceId, u32>,
        history: usize,
        oldest_ms: u64,
    ) -> Vec<(&Message, Option<u32>)> {
        let recent = self.messages.len().saturating_sub(history);
        let wanted = |(index, message): &(usize, &Message)| match has.get(&message.body.id.instance) {
            Some(up_to) => message.body.id.n > *up_to,
            None => *index >= recent && message.body.sent_ms >= oldest_ms,
        };
        let mut begun = BTreeMap::new();
        let lacking = self.messages.values().enumerate().filter(wanted).map(|(_, message)| message);
        lacking
            .map(|message| {
                let MessageId { instance, n } = message.body.id;
                let first = begun.insert(instance, ()).is_none();
                let known = has.get(&instance).copied().unwrap_or(0);
                let floor = self.runs.get(&instance).filter(|_| first).map(|run| match has.get(&instance) {
                    // Of what they know something of, only what is forgotten here is no gap.
                    Some(_) => run.floor.min(n.saturating_sub(1)),
                    None => run.floor_below(n),
                });
                (message, floor.filter(|floor| *floor > known))
            })
            .collect()
    }

    /// What lies below is not given away any more. Only believed below a proven message of the same run that came with
    /// it.
    pub(super) fn raise_floor(&mut self, instance: InstanceId, floor: u32, lowest: u32) {
        if let Some(run) = self.runs.get_mut(&instance)
            && floor < lowest
            && run.numbers.contains_key(&lowest)
        {
            run.floor = run.floor.max(floor);
        }
    }

    pub(super) fn set_delivery(&mut self, id: MessageId, delivery: Delivery) {
        let order = self.runs.get(&id.instance).and_then(|run| run.numbers.get(&id.n));
        if let Some(message) = order.and_then(|order| self.messages.get_mut(order)) {
            message.delivery = delivery;
        }
    }

    /// What waited of our own run is on its way; whether there was any.
    pub(super) fn mark_sent(&mut self, mine: InstanceId) -> bool {
        self.mark(mine, u32::MAX, |delivery| match delivery {
            Delivery::Queued => Some(Delivery::Sent),
            Delivery::Sent | Delivery::Delivered => None,
        })
    }

    /// Everybody has our own run up to this number; whether that is news.
    pub(super) fn mark_delivered(&mut self, mine: InstanceId, up_to: u32) -> bool {
        self.mark(mine, up_to, |delivery| match delivery {
            Delivery::Queued | Delivery::Sent => Some(Delivery::Delivered),
            Delivery::Delivered => None,
        })
    }

    fn mark(&mut self, mine: InstanceId, up_to: u32, next: impl Fn(Delivery) -> Option<Delivery>) -> bool {
        let Some(run) = self.runs.get(&mine) else { return false };
        let mut changed = false;
        // The newest are the ones that wait: most of the run need not be looked at.
        for order in run.numbers.range(..=up_to).rev().map(|(_, order)| order) {
            let Some(message) = self.messages.get_mut(order) else { continue };
            if message.delivery == Delivery::Delivered {
                break;
            }
            if let Some(delivery) = next(message.delivery) {
                message.delivery = delivery;
                changed = true;
            }
        }
        changed
    }

    fn prune(&mut self) {
        while self.messages.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            let Some((_, message)) = self.messages.pop_first() else { return };
            self.bytes -= message.signed.body.len();
            let MessageId { instance, n } = message.body.id;
            if let Some(run) = self.runs.get_mut(&instance) {
                run.numbers.remove(&n);
                run.floor = run.floor.max(n);
                if run.numbers.is_empty() && !run.here {
                    self.runs.remove(&instance);
                }
            }
        }
        while self.runs.len() > MAX_RUNS {
            let away = self.runs.iter().filter(|(_, run)| !run.here);
            let Some(instance) = away.min_by_key(|(_, run)| run.last()).map(|(instance, _)| *instance) else { return };
            self.forget(instance);
        }
    }

    /// Everything of a run.
    fn forget(&mut self, instance: InstanceId) {
        let run = self.runs.remove(&instance);
        for order in run.iter().flat_map(|run| run.numbers.values()) {
            self.bytes -= self.messages.remove(order).map_or(0, |message| message.signed.body.len());
        }
    }
}

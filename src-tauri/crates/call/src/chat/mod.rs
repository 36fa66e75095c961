//! The chat: one order for all, nothing lost, nothing twice.
//!
//! Every author numbers the messages of its run from 1 and signs them, so that anybody can hand them on. Peers tell each
//! other what they have without a gap (`have`) when their channel opens, after each message, and now and then; whoever
//! has more answers with it. `have` is thereby also the acknowledgement.
//! Owns: the messages, who has which, unread and delivery. Refuses: sessions; a [`Link`] is all it knows of one.

mod link;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_identity::{Identity, Purpose, peer_id, verify};
use parlor_protocol::{
    InstanceId, MessageId, PeerId, RoomName,
    chat::{ChatBody, ChatWire, MAX_BYTES, MAX_TEXT_BYTES, SignedChat},
    signal::Address,
    ui::{self, Delivery},
};

use crate::{dropped::Why, error::Refusal, words::shown_name};
use link::Link;
use store::{Message, Store};

/// Messages that a late joiner is given at most, and how old they may be.
const HISTORY_MESSAGES: usize = 200;
const HISTORY_AGE: Duration = Duration::from_secs(4 * 60 * 60);
/// When to acknowledge, so that a burst is acknowledged once.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(200);
/// When to look for what somebody told only others before they were gone.
const COMPARE_AFTER: Duration = Duration::from_millis(500);
/// Bytes of one message on the channel that are filled with chat messages.
const BATCH_BYTES: usize = 40 * 1024;
/// Messages on the channel in answer to one `have`; the next `have` asks for the rest.
const MAX_BATCHES: usize = 16;
/// The latest moment that a `Date` in a window can hold (ECMA-262 §21.4.1.1), in milliseconds since 1970.
const MAX_SENT_MS: u64 = 8_640_000_000_000_000;
/// How far a message's clock may be ahead of all that was seen: nobody can wear the clock out.
const MAX_CLOCK_LEAP: u64 = 10_000_000;
/// How far two clocks that are both right may differ in milliseconds, rounding included: what was written just before we
/// came is still history.
const CLOCK_SLACK_MS: u64 = 100;
/// How wrong a clock may be for what its owner wrote to count as news, if they were listed after we came.
const MAX_CLOCK_ERROR_MS: u64 = 10 * 60 * 1000;
/// Runs of which is kept how far they were when we first heard of them.
const MAX_BEGINNINGS: usize = 512;

/// The chat of one call.
#[derive(Debug)]
pub(crate) struct Chat {
    me: Address,
    identity: Keys,
    room: RoomName,
    /// Our wall clock when we came: what was written earlier is history.
    came_ms: u64,
    /// The same moment.
    came: Instant,
    store: Store,
    /// How far each run was when somebody first told us what they have: what lies above was written while we were here,
    /// whatever its author's clock says.
    before: BTreeMap<InstanceId, u32>,
    /// Runs that were listed after we came. Most of them began then, and some only came back.
    listed_later: BTreeSet<InstanceId>,
    links: BTreeMap<PeerId, Link>,
    said: u32,
    unread: u32,
    sync_every: Duration,
    sync_at: Option<Instant>,
    /// Whom the next comparison now and then is with.
    turn: usize,
    outputs: VecDeque<Output>,
}

struct Keys(Identity);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// What the chat wants done.
#[derive(Debug)]
pub(crate) enum Output {
    Changed,
    Dropped(Why),
    Said { peer: PeerId, id: MessageId, text: String, history: bool },
    Send { peer: PeerId, data: Bytes },
}

/// Who we are, where, and when it is.
pub(crate) struct Setup {
    pub(crate) me: Address,
    pub(crate) identity: Identity,
    pub(crate) room: RoomName,
    /// The wall clock now, in milliseconds since 1970.
    pub(crate) wall_ms: u64,
    pub(crate) sync_every: Duration,
}

impl Chat {
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let mut store = Store::default();
        store.bind(setup.me);
        Self {
            me: setup.me,
            identity: Keys(setup.identity),
            room: setup.room,
            came_ms: setup.wall_ms,
            came: now,
            store,
            before: BTreeMap::new(),
            listed_later: BTreeSet::new(),
            links: BTreeMap::new(),
            said: 0,
            unread: 0,
            sync_every: setup.sync_every,
            sync_at: None,
            turn: 0,
            outputs: VecDeque::new(),
        }
    }

    /// A peer's channel can be used.
    pub(crate) fn open(&mut self, peer: PeerId, now: Instant) {
        self.links.insert(peer, Link::new());
        self.tell_have(peer);
        self.sync_at.get_or_insert(now + self.sync_every);
        self.outputs.push_back(Output::Changed);
    }

    /// A peer's channel is gone. What it told only others can still be had from them.
    pub(crate) fn close(&mut self, peer: PeerId, now: Instant) {
        if self.links.remove(&peer).is_none() {
            return;
        }
        for link in self.links.values_mut() {
            link.have_by(now + COMPARE_AFTER);
        }
        self.settle();
        self.outputs.push_back(Output::Changed);
    }

    /// The path to a peer went silent, or is back: until then nothing more is put on it, and then what was missed is.
    pub(crate) fn set_healthy(&mut self, peer: PeerId, healthy: bool, now: Instant) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        if link.set_healthy(healthy) {
            self.tell_have(peer);
            self.fill(peer, now);
        }
    }

    /// A message was not sent to a peer: what was meant for it is sent again later.
    pub(crate) fn refused(&mut self, peer: PeerId, now: Instant) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.refused(now);
        }
    }

    /// This run is this peer's, who proved it and is here: nobody else can have written under it.
    pub(crate) fn bind(&mut self, address: Address) {
        if self.store.bind(address) {
            self.outputs.push_back(Output::Changed);
        }
    }

    /// This run is not here any more.
    pub(crate) fn depart(&mut self, address: Address) {
        self.store.depart(address);
    }

    /// This run was listed after we came.
    pub(crate) fn listed_later(&mut self, instance: InstanceId) {
        if self.listed_later.len() < MAX_BEGINNINGS {
            self.listed_later.insert(instance);
        }
    }

    /// Says something to all.
    ///
    /// # Errors
    /// When there is nothing in it, or too much.
    pub(crate) fn say(&mut self, text: String, name: &str, now: Instant) -> Result<(), Refusal> {
        if text.trim().is_empty() {
            return Err(Refusal::EmptyMessage);
        }
        let id = MessageId { instance: self.me.instance, n: self.said + 1 };
        let body =
            ChatBody { id, clock: self.store.clock() + 1, sent_ms: self.wall_ms(now), name: name.to_owned(), text };
        let json_body = serde_json::to_string(&body).map_err(|_| Refusal::MessageTooLong)?;
        let fields: [&[u8]; 2] = [self.room.as_str().as_bytes(), json_body.as_bytes()];
        let signature = self.identity.0.sign(Purpose::Chat, &fields);
        let signed = SignedChat { key: self.identity.0.public_key(), body: json_body, signature };
        let wire =
            ChatWire::Messages { messages: vec![signed.clone()], fill: true, floor: [(id.instance, id.n)].into() };
        // Quotation marks and the like grow when JSON is put inside JSON: what counts is the size on the channel.
        if body.text.len() > MAX_TEXT_BYTES || json(&wire).is_none_or(|data| data.len() > MAX_BYTES) {
            return Err(Refusal::MessageTooLong);
        }
        self.said = id.n;
        self.accept(signed.clone(), body, self.me.peer, false);
        self.tell_all(id, signed, now);
        Ok(())
    }

    /// A message on a peer's channel.
    pub(crate) fn receive(&mut self, peer: PeerId, data: &[u8], now: Instant) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        if data.len() > MAX_BYTES {
            return self.outputs.push_back(Output::Dropped(Why::Oversized));
        }
        if !link.may_speak(now) {
            return self.outputs.push_back(Output::Dropped(Why::Flood));
        }
        let Ok(wire) = serde_json::from_slice(data) else {
            return self.outputs.push_back(Output::Dropped(Why::Malformed));
        };
        // What was said before the other end was open may be lost: its first word says that it is open now.
        if link.is_first() {
            self.tell_have(peer);
        }
        let Some(link) = self.links.get_mut(&peer) else { return };
        match wire {
            ChatWire::Have { up_to } => {
                let told: Vec<_> = up_to.iter().map(|(instance, n)| (*instance, *n)).collect();
                link.heard_have(up_to);
                for (instance, n) in told {
                    self.note_beginning(instance, n);
                }
                self.fill(peer, now);
                self.settle();
            }
            ChatWire::Messages { messages, fill, floor } => {
                let mut lowest = BTreeMap::new();
                let mut news = false;
                for signed in messages {
                    if let Some((id, new)) = self.receive_signed(peer, signed, fill) {
                        news |= new;
                        let least = lowest.entry(id.instance).or_insert(id.n);
                        *least = id.n.min(*least);
                    }
                }
                for (instance, floor) in floor.into_iter().filter(|_| fill) {
                    if let Some(lowest) = lowest.get(&instance) {
                        self.store.raise_floor(instance, floor, *lowest);
                    }
                }
                if news && let Some(link) = self.links.get_mut(&peer) {
                    link.have_by(now + ACKNOWLEDGE_AFTER);
                }
            }
        }
    }

    /// Nothing is unread any more.
    pub(crate) fn read(&mut self) {
        if std::mem::take(&mut self.unread) > 0 {
            self.outputs.push_back(Output::Changed);
        }
    }

    /// What is shown.
    pub(crate) fn view(&self) -> ui::Chat {
        let line = |message: &Message| ui::ChatLine {
            id: message.body.id,
            peer: message.author,
            instance: message.body.id.instance,
            name: message.body.name.clone(),
            mine: message.author == self.me.peer,
            history: message.history,
            sent_ms: message.body.sent_ms,
            text: message.body.text.clone(),
            delivery: message.delivery,
        };
        ui::Chat { messages: self.store.iter().map(line).collect(), unread: self.unread, open: !self.links.is_empty() }
    }

    /// Runs that are known, our own included.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> usize {
        self.store.runs()
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let links = self.links.values().filter_map(Link::next_have).map(|at| (at, "chat-have"));
        let sync = self.sync_at.filter(|_| !self.links.is_empty()).map(|at| (at, "chat-sync"));
        links.chain(sync).min()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<PeerId> =
            self.links.iter_mut().filter_map(|(peer, link)| link.take_due(now).then_some(*peer)).collect();
        for peer in due {
            self.tell_have(peer);
            self.fill(peer, now);
        }
        if self.sync_at.is_some_and(|at| at <= now) && !self.links.is_empty() {
            self.sync_at = Some(now + self.sync_every);
            self.turn = (self.turn + 1) % self.links.len();
            if let Some(peer) = self.links.keys().nth(self.turn).copied() {
                self.tell_have(peer);
            }
        }
    }

    /// The message's id if it is proven, and whether it is new.
    fn receive_signed(&mut self, from: PeerId, signed: SignedChat, fill: bool) -> Option<(MessageId, bool)> {
        let Ok(body) = serde_json::from_str::<ChatBody>(&signed.body) else {
            self.outputs.push_back(Output::Dropped(Why::Malformed));
            return None;
        };
        let id = body.id;
        if self.store.contains(id) {
            return Some((id, false));
        }
        let author = peer_id(&signed.key);
        // What somebody says now is their own; only what is handed on may be somebody else's.
        let foreign = (!fill && author != from) || (id.instance == self.me.instance && author != self.me.peer);
        let leaps = body.clock > self.store.clock().saturating_add(MAX_CLOCK_LEAP);
        let endless = body.sent_ms > MAX_SENT_MS;
        if foreign || leaps || endless || id.n == 0 || body.text.len() > MAX_TEXT_BYTES {
            self.outputs.push_back(Output::Dropped(Why::Malformed));
            return None;
        }
        let fields: [&[u8]; 2] = [self.room.as_str().as_bytes(), signed.body.as_bytes()];
        if verify(&signed.key, Purpose::Chat, &fields, &signed.signature).is_err() {
            self.outputs.push_back(Output::Dropped(Why::Forged));
            return None;
        }
        let history = fill && self.is_history(&body);
        Some((id, self.accept(signed, body, author, history)))
    }

    /// Whether it was written before we came.
    fn is_history(&self, body: &ChatBody) -> bool {
        let instance = &body.id.instance;
        let before = self.before.get(instance).is_none_or(|before| body.id.n <= *before);
        // Who was listed later may have a clock that is slow, or may have been here before and come back.
        let came_ms = match self.listed_later.contains(instance) {
            true => self.came_ms.saturating_sub(MAX_CLOCK_ERROR_MS),
            false => self.came_ms + CLOCK_SLACK_MS,
        };
        before && body.sent_ms < came_ms
    }

    fn note_beginning(&mut self, instance: InstanceId, n: u32) {
        if self.before.len() < MAX_BEGINNINGS {
            self.before.entry(instance).or_insert(n);
        }
    }

    /// Takes a proven message; whether it is new.
    fn accept(&mut self, signed: SignedChat, body: ChatBody, author: PeerId, history: bool) -> bool {
        let mine = author == self.me.peer;
        let (id, text) = (body.id, body.text.clone());
        let delivery = if id.instance == self.me.instance { Delivery::Queued } else { Delivery::Delivered };
        let body = ChatBody { name: shown_name(&body.name), ..body };
        if !self.store.insert(Message { signed, body, author, history, delivery }) {
            return false;
        }
        if !mine && !history {
            self.unread = self.unread.saturating_add(1);
        }
        self.outputs.push_back(Output::Said { peer: author, id, text, history });
        self.outputs.push_back(Output::Changed);
        true
    }

    /// Our new message to everybody who can hear it now.
    fn tell_all(&mut self, id: MessageId, signed: SignedChat, now: Instant) {
        let wire = ChatWire::Messages { messages: vec![signed], fill: false, floor: BTreeMap::new() };
        let Some(data) = json(&wire) else { return };
        let mut told = false;
        for (peer, link) in self.links.iter_mut().filter(|(_, link)| link.is_healthy()) {
            link.sent_next(id, now);
            self.outputs.push_back(Output::Send { peer: *peer, data: data.clone() });
            told = true;
        }
        if told {
            self.store.set_delivery(id, Delivery::Sent);
        }
    }

    fn tell_have(&mut self, peer: PeerId) {
        if let Some(data) = json(&ChatWire::Have { up_to: self.store.have() }) {
            self.outputs.push_back(Output::Send { peer, data });
        }
    }

    /// What a peer lacks, in order.
    fn fill(&mut self, peer: PeerId, now: Instant) {
        let wall_ms = self.wall_ms(now);
        let Some(link) = self.links.get_mut(&peer) else { return };
        let Some(wanted) = link.wanted(now) else { return };
        let oldest_ms = wall_ms.saturating_sub(millis(HISTORY_AGE));
        let lacking = self.store.lacking(&wanted, HISTORY_MESSAGES, oldest_ms);
        let mut batches = Batches::default();
        for (message, floor) in lacking {
            if !batches.add(message.signed.clone(), message.body.id.instance, floor) {
                break;
            }
            link.sent(message.body.id, now);
        }
        for wire in batches.finish() {
            if let Some(data) = json(&wire) {
                self.outputs.push_back(Output::Send { peer, data });
            }
        }
        if self.store.mark_sent(self.me.instance) {
            self.outputs.push_back(Output::Changed);
        }
    }

    /// Marks what everybody who is connected has.
    fn settle(&mut self) {
        let mine = |link: &Link| link.has_up_to(self.me.instance);
        let Some(everybody) = self.links.values().map(mine).min() else { return };
        if self.store.mark_delivered(self.me.instance, everybody) {
            self.outputs.push_back(Output::Changed);
        }
    }

    fn wall_ms(&self, now: Instant) -> u64 {
        self.came_ms + millis(now.saturating_duration_since(self.came))
    }
}

/// Chat messages in as few messages on the channel as they fit in.
#[derive(Default)]
struct Batches {
    full: Vec<ChatWire>,
    messages: Vec<SignedChat>,
    floor: BTreeMap<InstanceId, u32>,
    bytes: usize,
}

impl Batches {
    /// Whether it still fitted. `floor`: where the run begins, for its first message.
    fn add(&mut self, signed: SignedChat, instance: InstanceId, floor: Option<u32>) -> bool {
        let size = json(&ChatWire::Messages { messages: vec![signed.clone()], fill: true, floor: BTreeMap::new() })
            .map_or(0, |data| data.len());
        if self.bytes + size > BATCH_BYTES {
            self.flush();
        }
        if self.full.len() == MAX_BATCHES {
            return false;
        }
        self.bytes += size;
        self.messages.push(signed);
        if let Some(floor) = floor {
            self.floor.insert(instance, floor);
        }
        true
    }

    fn finish(mut self) -> Vec<ChatWire> {
        self.flush();
        self.full
    }

    fn flush(&mut self) {
        self.bytes = 0;
        if self.messages.is_empty() {
            return;
        }
        let messages = std::mem::take(&mut self.messages);
        let floor = std::mem::take(&mut self.floor);
        self.full.push(ChatWire::Messages { messages, fill: true, floor });
    }
}

fn json(wire: &ChatWire) -> Option<Bytes> {
    match serde_json::to_vec(wire) {
        Ok(json) => Some(json.into()),
        Err(error) => {
            tracing::error!(%error, "a chat message has no JSON form");
            None
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "../tests/chat/mod.rs"]
mod tests;

//! Chats with each other, their channels played by the test.

mod delivering;
mod history;
mod hostile;

use parlor_identity::ProfileSecret;

use super::*;
use crate::tests::origin;

/// Chats in a room, and the channels between them, which deliver at once.
struct Room {
    chats: Vec<Chat>,
    open: Vec<(usize, usize)>,
    now: Instant,
    /// What each was told happened: author, text, history.
    said: Vec<Vec<(PeerId, String, bool)>>,
    dropped: Vec<Why>,
    /// Messages with chat messages that went over channels.
    sent: usize,
}

fn setup(n: u8, wall_ms: u64) -> Setup {
    let room: RoomName = "room".parse().unwrap();
    let identity = ProfileSecret::from_bytes([n + 1; 32]).identity(&room);
    let me = Address { peer: identity.peer_id(), instance: InstanceId([n + 1; 16]) };
    Setup { me, identity, room, wall_ms, sync_every: Duration::from_secs(15) }
}

impl Room {
    fn new(people: u8) -> Self {
        Self {
            chats: (0..people).map(|n| Chat::new(setup(n, 1_000_000), origin())).collect(),
            open: Vec::new(),
            now: origin(),
            said: vec![Vec::new(); people.into()],
            dropped: Vec::new(),
            sent: 0,
        }
    }

    fn peer(&self, n: usize) -> PeerId {
        self.chats[n].me.peer
    }

    fn open(&mut self, a: usize, b: usize) {
        let (peer_a, peer_b, now) = (self.peer(a), self.peer(b), self.now);
        self.open.push((a, b));
        self.chats[a].open(peer_b, now);
        self.chats[b].open(peer_a, now);
        self.settle();
    }

    fn close(&mut self, a: usize, b: usize) {
        let (peer_a, peer_b, now) = (self.peer(a), self.peer(b), self.now);
        self.open.retain(|pair| *pair != (a, b) && *pair != (b, a));
        self.chats[a].close(peer_b, now);
        self.chats[b].close(peer_a, now);
        self.settle();
    }

    fn say(&mut self, n: usize, text: &str) {
        self.chats[n].say(text.to_owned(), "N", self.now).unwrap();
        self.settle();
    }

    /// Delivers until nobody has anything more to say.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for n in 0..self.chats.len() {
                while let Some(output) = self.chats[n].poll_output() {
                    quiet = false;
                    self.output(n, output);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn output(&mut self, n: usize, output: Output) {
        match output {
            Output::Changed => {}
            Output::Dropped(why) => self.dropped.push(why),
            Output::Said { peer, text, history, .. } => self.said[n].push((peer, text, history)),
            Output::Send { peer, data } => {
                let to = (0..self.chats.len()).find(|to| self.peer(*to) == peer).unwrap();
                if self.open.contains(&(n, to)) || self.open.contains(&(to, n)) {
                    self.sent += usize::from(data.starts_with(br#"{"type":"messages""#));
                    let (from, now) = (self.peer(n), self.now);
                    self.chats[to].receive(from, &data, now);
                }
            }
        }
    }

    fn later(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) =
            self.chats.iter().filter_map(|chat| chat.poll_timeout().map(|(at, _)| at)).min().filter(|at| *at <= until)
        {
            self.now = self.now.max(at);
            let now = self.now;
            self.chats.iter_mut().for_each(|chat| chat.handle_timeout(now));
            self.settle();
        }
        self.now = until;
    }

    fn texts(&self, n: usize) -> Vec<String> {
        self.chats[n].view().messages.into_iter().map(|line| line.text).collect()
    }

    fn delivery(&self, n: usize) -> Vec<Delivery> {
        self.chats[n].view().messages.into_iter().map(|line| line.delivery).collect()
    }
}

/// A message signed by somebody, with whatever in it.
fn sign(author: &Setup, n: u32, clock: u64, text: &str) -> SignedChat {
    sign_at(author, n, clock, 1, text)
}

fn sign_at(author: &Setup, n: u32, clock: u64, sent_ms: u64, text: &str) -> SignedChat {
    let id = MessageId { instance: author.me.instance, n };
    let body = ChatBody { id, clock, sent_ms, name: "N".to_owned(), text: text.to_owned() };
    let body = serde_json::to_string(&body).unwrap();
    let fields: [&[u8]; 2] = [author.room.as_str().as_bytes(), body.as_bytes()];
    let signature = author.identity.sign(Purpose::Chat, &fields);
    SignedChat { key: author.identity.public_key(), body, signature }
}

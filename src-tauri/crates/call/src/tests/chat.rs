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

#[test]
fn everybody_sees_one_order() {
    let mut room = Room::new(3);
    room.open(0, 1);
    room.open(1, 2);
    room.open(0, 2);
    // Written in the same instant, before anybody heard of the others'.
    for n in 0..3 {
        room.chats[n].say(format!("at once {n}"), "N", room.now).unwrap();
    }
    room.settle();
    room.say(1, "after");
    assert_eq!(room.texts(0).last().unwrap(), "after");
    assert_eq!(room.texts(0), room.texts(1));
    assert_eq!(room.texts(0), room.texts(2));
}

#[test]
fn what_is_written_to_nobody_arrives_when_somebody_comes() {
    let mut room = Room::new(2);
    room.say(0, "one");
    room.say(0, "two");
    assert_eq!(room.delivery(0), [Delivery::Queued; 2]);
    room.open(0, 1);
    assert_eq!(room.texts(1), ["one", "two"]);
    room.later(1);
    assert_eq!(room.delivery(0), [Delivery::Delivered; 2]);
}

#[test]
fn a_message_is_delivered_when_everybody_has_it() {
    let mut room = Room::new(3);
    room.open(0, 1);
    room.open(0, 2);
    room.say(0, "one");
    assert_eq!(room.delivery(0), [Delivery::Sent]);
    room.later(1);
    assert_eq!(room.delivery(0), [Delivery::Delivered]);
}

#[test]
fn what_was_missed_is_made_up_once_and_in_order() {
    let mut room = Room::new(2);
    room.open(0, 1);
    room.say(0, "one");
    room.later(1);
    room.close(0, 1);
    room.say(0, "two");
    room.say(1, "three");
    room.open(0, 1);
    room.later(30);
    assert_eq!(room.texts(0), room.texts(1));
    assert_eq!(room.said[1].len(), 3);
    assert_eq!(room.said[0].len(), 3);
}

#[test]
fn a_silent_path_is_not_piled_upon_and_gets_all_when_it_is_back() {
    let mut room = Room::new(2);
    room.open(0, 1);
    room.later(1);
    let (peer, now) = (room.peer(1), room.now);
    room.chats[0].set_healthy(peer, false, now);
    let sent = room.sent;
    room.say(0, "one");
    room.say(0, "two");
    assert_eq!((room.sent, room.delivery(0)), (sent, vec![Delivery::Queued; 2]));
    room.chats[0].set_healthy(peer, true, now);
    room.settle();
    assert_eq!(room.texts(1), ["one", "two"]);
}

#[test]
fn a_third_peer_closes_the_gap_that_an_author_left() {
    let mut room = Room::new(3);
    room.open(0, 1);
    room.open(1, 2);
    room.say(0, "only 1 heard this");
    assert!(room.texts(2).is_empty());
    room.close(0, 1);
    room.later(2);
    assert_eq!(room.texts(2), ["only 1 heard this"]);
    assert_eq!(room.said[2][0].0, room.peer(0));
}

#[test]
fn somebody_who_never_met_the_author_gets_it_now_and_then_even_if_nobody_leaves() {
    let mut room = Room::new(3);
    room.open(0, 1);
    room.open(1, 2);
    room.say(0, "one");
    room.later(60);
    assert_eq!(room.texts(2), ["one"]);
}

#[test]
fn a_late_joiner_gets_the_last_two_hundred_as_history() {
    let mut room = Room::new(2);
    for n in 1..=250 {
        room.say(0, &n.to_string());
    }
    room.now += Duration::from_secs(60);
    room.chats[1] = Chat::new(setup(1, 1_060_000), room.now);
    room.open(0, 1);
    room.say(0, "new");
    let texts = room.texts(1);
    assert_eq!((texts.len(), texts[0].as_str(), texts[200].as_str()), (201, "51", "new"));
    assert!(room.said[1][..200].iter().all(|(_, _, history)| *history));
    assert!(!room.said[1][200].2);
    assert_eq!(room.chats[1].view().unread, 1);
}

#[test]
fn the_beginning_that_a_late_joiner_is_not_given_is_no_gap() {
    let mut room = Room::new(2);
    for n in 1..=250 {
        room.say(0, &n.to_string());
    }
    room.open(0, 1);
    room.later(1);
    let sent = room.sent;
    room.later(120);
    assert_eq!(room.sent, sent);
    assert_eq!(room.delivery(0), [Delivery::Delivered; 250]);
}

#[test]
fn what_is_older_than_four_hours_is_no_history() {
    let mut room = Room::new(2);
    room.say(0, "old");
    room.now += Duration::from_secs(4 * 60 * 60 + 1);
    room.say(0, "new");
    room.open(0, 1);
    assert_eq!(room.texts(1), ["new"]);
}

#[test]
fn what_is_said_after_one_came_is_news_whatever_the_clocks_say() {
    let mut room = Room::new(2);
    room.say(0, "before");
    // An hour ahead of the other.
    room.chats[1] = Chat::new(setup(1, 4_600_000), room.now);
    room.open(0, 1);
    room.close(0, 1);
    room.say(0, "after");
    room.open(0, 1);
    let heard: Vec<_> = room.said[1].iter().map(|(_, text, history)| (text.as_str(), *history)).collect();
    assert_eq!(heard, [("before", true), ("after", false)]);
}

/// What Ben makes of Anna's hello when she was listed after him, and his clock is so far ahead.
fn heard_of_one_listed_later(ahead_ms: u64) -> bool {
    let mut room = Room::new(2);
    let instance = room.chats[0].me.instance;
    room.chats[1] = Chat::new(setup(1, 1_000_000 + ahead_ms), room.now);
    room.chats[1].listed_later(instance);
    room.say(0, "hello");
    room.open(0, 1);
    let [(_, _, history)] = room.said[1][..] else { panic!("{:?}", room.said[1]) };
    history
}

#[test]
fn what_one_says_who_came_later_is_news_although_a_clock_is_wrong() {
    assert!(!heard_of_one_listed_later(5 * 60 * 1000));
}

#[test]
fn what_one_said_long_ago_who_was_only_listed_later_is_history() {
    assert!(heard_of_one_listed_later(60 * 60 * 1000));
}

#[test]
fn what_was_written_while_somebody_was_away_is_news_to_them() {
    let mut room = Room::new(2);
    room.open(0, 1);
    room.close(0, 1);
    room.now += Duration::from_secs(5);
    room.say(0, "meanwhile");
    room.open(0, 1);
    assert_eq!(room.said[1], [(room.peer(0), "meanwhile".to_owned(), false)]);
}

#[test]
fn a_long_history_comes_in_pieces_that_fit_the_channel() {
    let mut room = Room::new(2);
    let long = "x".repeat(MAX_TEXT_BYTES);
    for _ in 0..60 {
        room.say(0, &long);
    }
    room.open(0, 1);
    room.later(10);
    assert_eq!(room.texts(1).len(), 60);
    assert!(room.dropped.is_empty(), "{:?}", room.dropped);
}

#[test]
fn memory_is_bounded_and_the_newest_stay() {
    let mut room = Room::new(1);
    for n in 1..=2100 {
        room.say(0, &n.to_string());
    }
    let texts = room.texts(0);
    assert_eq!((texts.len(), texts[0].as_str()), (2000, "101"));
}

#[test]
fn nobody_can_speak_under_anothers_name() {
    let mut room = Room::new(3);
    room.open(0, 1);
    let mut signed = sign(&setup(2, 0), 1, 1, "I am 2");
    // Somebody else's words as one's own.
    let live = ChatWire::Messages { messages: vec![signed.clone()], fill: false, floor: BTreeMap::new() };
    let (from, now) = (room.peer(0), room.now);
    room.chats[1].receive(from, &json(&live).unwrap(), now);
    // Words that were changed on the way.
    signed.body = signed.body.replace("I am 2", "I am 3");
    let fill = ChatWire::Messages { messages: vec![signed], fill: true, floor: BTreeMap::new() };
    room.chats[1].receive(from, &json(&fill).unwrap(), now);
    room.settle();
    assert!(room.texts(1).is_empty());
    assert_eq!(room.dropped, [Why::Malformed, Why::Forged]);
}

#[test]
fn nobody_can_take_anothers_run() {
    let mut room = Room::new(2);
    room.open(0, 1);
    let victim = setup(2, 0);
    let mut thief = setup(0, 0);
    thief.me.instance = victim.me.instance;
    let stolen = ChatWire::Messages { messages: vec![sign(&thief, 1, 1, "x")], fill: true, floor: BTreeMap::new() };
    let (from, now) = (room.peer(0), room.now);
    room.chats[1].receive(from, &json(&stolen).unwrap(), now);
    assert_eq!(room.texts(1), ["x"]);
    room.chats[1].bind(victim.me);
    assert!(room.texts(1).is_empty());
    room.chats[1].receive(from, &json(&stolen).unwrap(), now);
    assert!(room.texts(1).is_empty());
    let real = ChatWire::Messages { messages: vec![sign(&victim, 1, 1, "y")], fill: true, floor: BTreeMap::new() };
    room.chats[1].receive(from, &json(&real).unwrap(), now);
    assert_eq!(room.texts(1), ["y"]);
}

#[test]
fn nobody_can_wear_the_clock_out() {
    let mut room = Room::new(2);
    room.open(0, 1);
    let evil =
        ChatWire::Messages { messages: vec![sign(&setup(0, 0), 1, u64::MAX, "x")], fill: true, floor: BTreeMap::new() };
    let (from, now) = (room.peer(0), room.now);
    room.chats[1].receive(from, &json(&evil).unwrap(), now);
    room.say(1, "still here");
    assert_eq!(room.texts(0), ["still here"]);
}

#[test]
fn a_floor_is_believed_only_below_a_message_that_came_with_it() {
    let mut room = Room::new(2);
    room.open(0, 1);
    let author = setup(2, 0);
    let floor = BTreeMap::from([(author.me.instance, 100)]);
    let lie = ChatWire::Messages { messages: vec![sign(&author, 3, 3, "c")], fill: true, floor };
    let (from, now) = (room.peer(0), room.now);
    room.chats[1].receive(from, &json(&lie).unwrap(), now);
    let rest = ChatWire::Messages {
        messages: vec![sign(&author, 1, 1, "a"), sign(&author, 2, 2, "b")],
        fill: true,
        floor: BTreeMap::new(),
    };
    room.chats[1].receive(from, &json(&rest).unwrap(), now);
    assert_eq!(room.texts(1), ["a", "b", "c"]);
    assert_eq!(room.chats[1].store.have()[&author.me.instance], 3);
}

#[test]
fn reading_clears_the_count() {
    let mut room = Room::new(2);
    room.open(0, 1);
    room.say(0, "one");
    room.say(1, "two");
    assert_eq!(room.chats[1].view().unread, 1);
    room.chats[1].read();
    assert_eq!(room.chats[1].view().unread, 0);
}

#[test]
fn an_idle_chat_repeats_nothing() {
    let mut room = Room::new(3);
    room.open(0, 1);
    room.open(1, 2);
    room.open(0, 2);
    room.say(0, "one");
    room.later(5);
    let sent = room.sent;
    room.later(300);
    assert_eq!(room.sent, sent);
}

/// Peer n, who has never been here.
fn stranger(n: u16) -> Address {
    let [high, low] = n.to_be_bytes();
    Address { peer: PeerId([9; 16]), instance: InstanceId([0xf0, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }
}

/// Hands somebody's message on to peer 1, as peer 0.
fn hand_on(room: &mut Room, signed: SignedChat) {
    let fill = ChatWire::Messages { messages: vec![signed], fill: true, floor: BTreeMap::new() };
    let (from, now) = (room.peer(0), room.now);
    room.chats[1].receive(from, &json(&fill).unwrap(), now);
    room.settle();
}

#[test]
fn a_moment_that_no_window_can_show_is_refused() {
    let mut room = Room::new(2);
    room.open(0, 1);
    for (n, sent_ms) in [(1, 8_640_000_000_000_001), (2, u64::MAX), (3, 8_640_000_000_000_000)] {
        let signed = sign_at(&setup(2, 0), n, n.into(), sent_ms, &n.to_string());
        hand_on(&mut room, signed);
    }
    assert_eq!(room.texts(1), ["3"]);
    assert_eq!(room.dropped, [Why::Malformed; 2]);
}

#[test]
fn whoever_is_gone_and_said_nothing_takes_no_place() {
    let mut room = Room::new(2);
    room.open(0, 1);
    for n in 0..600 {
        room.chats[1].bind(stranger(n));
        room.chats[1].depart(stranger(n));
    }
    hand_on(&mut room, sign(&setup(2, 0), 1, 1, "from somebody new"));
    room.say(1, "mine");
    assert_eq!(room.texts(1), ["from somebody new", "mine"]);
}

#[test]
fn whoever_is_here_keeps_a_place_however_many_are() {
    let mut room = Room::new(2);
    room.open(0, 1);
    let silent = setup(2, 0);
    room.chats[1].bind(silent.me);
    (0..600).for_each(|n| room.chats[1].bind(stranger(n)));
    hand_on(&mut room, sign(&silent, 1, 1, "at last"));
    room.say(1, "mine");
    assert_eq!(room.texts(1), ["at last", "mine"]);
}

#[test]
fn of_too_many_who_are_gone_the_one_who_was_silent_for_longest_is_forgotten() {
    let mut room = Room::new(2);
    room.open(0, 1);
    // As many as are kept, beside ourselves and the one who hands them on.
    for n in 0..512u16 {
        let mut author = setup(2, 0);
        author.me = Address { peer: author.me.peer, instance: stranger(n).instance };
        room.now += Duration::from_secs(1);
        hand_on(&mut room, sign(&author, 1, u64::from(n) + 1, &n.to_string()));
    }
    let texts = room.texts(1);
    assert_eq!((texts.len(), texts[0].as_str(), texts[510].as_str()), (511, "1", "511"));
}

#[test]
fn whoever_proved_a_run_first_keeps_it() {
    let mut room = Room::new(2);
    room.open(0, 1);
    let (victim, thief) = (setup(2, 0), Address { peer: PeerId([9; 16]), ..setup(2, 0).me });
    room.chats[1].bind(victim.me);
    hand_on(&mut room, sign(&victim, 1, 1, "mine"));
    room.chats[1].bind(thief);
    assert_eq!(room.texts(1), ["mine"]);
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

//! What nobody may do to the chat.

use super::*;

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

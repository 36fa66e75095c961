//! What is said arrives: everywhere, once, in one order.

use super::*;

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

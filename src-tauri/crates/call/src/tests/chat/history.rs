//! What was said before somebody came, and what is news to them.

use super::*;

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

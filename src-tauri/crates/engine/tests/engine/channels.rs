//! Data channels.

use bytes::Bytes;
use parlor_engine::{SessionCommand, SessionEvent};

use crate::pair::{Pair, Who};

fn send(label: &str, text: &str) -> SessionCommand {
    SessionCommand::Send { label: label.to_owned(), data: Bytes::copy_from_slice(text.as_bytes()) }
}

#[tokio::test]
async fn messages_arrive_on_the_channel_they_were_sent_on() {
    let mut pair = Pair::connected().await;
    pair.until("chat is open", |pair| pair.a.opened("chat") && pair.b.opened("chat")).await;
    for (label, text) in [("ctrl", "{\"a\":1}"), ("chat", "grüße")] {
        for who in [Who::A, Who::B] {
            pair.side(who).command(send(label, text));
            pair.until("the message is there", |pair| pair.side(who.other()).messages(label) == [text]).await;
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn many_messages_arrive_in_order() {
    let mut pair = Pair::connected().await;
    let texts: Vec<String> = (0..200).map(|n| format!("{n}")).collect();
    for text in &texts {
        pair.a.command(send("ctrl", text));
    }
    pair.until("all are there", |pair| pair.b.messages("ctrl").len() == texts.len()).await;
    assert_eq!(pair.b.messages("ctrl"), texts);
    pair.close().await;
}

#[tokio::test]
async fn either_side_opens_and_closes_channels_by_label() {
    let mut pair = Pair::connected().await;
    for (who, label) in [(Who::A, "file/1"), (Who::B, "file/2")] {
        pair.side(who).command(SessionCommand::OpenChannel { label: label.to_owned() });
        pair.until("it is open", |pair| pair.a.opened(label) && pair.b.opened(label)).await;
        for from in [Who::A, Who::B] {
            pair.side(from).command(send(label, "x"));
            pair.until("a message is there", |pair| pair.side(from.other()).messages(label) == ["x"]).await;
        }
        pair.side(who.other()).command(SessionCommand::CloseChannel { label: label.to_owned() });
        let closed = SessionEvent::ChannelClosed { label: label.to_owned() };
        pair.until("it is closed", |pair| pair.a.seen.contains(&closed) && pair.b.seen.contains(&closed)).await;
    }
    pair.close().await;
}

#[tokio::test]
async fn a_label_in_use_is_not_opened_again() {
    let mut pair = Pair::connected().await;
    pair.a.command(SessionCommand::OpenChannel { label: "ctrl".to_owned() });
    let refused = SessionEvent::ChannelClosed { label: "ctrl".to_owned() };
    pair.until("it is refused", |pair| pair.a.seen.contains(&refused)).await;
    pair.a.command(send("ctrl", "still here"));
    pair.until("ctrl works", |pair| pair.b.messages("ctrl") == ["still here"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_message_for_a_channel_that_is_not_open_is_refused() {
    let mut pair = Pair::new();
    for label in ["ctrl", "nothing"] {
        pair.a.command(send(label, "x"));
        let refused = SessionEvent::SendRefused { label: label.to_owned() };
        pair.until("it is refused", |pair| pair.a.seen.contains(&refused)).await;
    }
    pair.close().await;
}

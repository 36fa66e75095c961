//! Connecting, channels, closing.

use std::time::Instant;

use bytes::Bytes;
use parlor_engine::SessionCommand;
use parlor_protocol::media::TrackRole;

use crate::pair::{Pair, Who, number, packet};

#[tokio::test]
async fn two_sessions_connect_and_open_ctrl_and_chat() {
    let start = Instant::now();
    let mut pair = Pair::new();
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    println!("connected after {:?}", start.elapsed());
    pair.until("the channels are open", |pair| {
        ["ctrl", "chat"].iter().all(|label| pair.a.opened(label) && pair.b.opened(label))
    })
    .await;
    println!("channels after {:?}", start.elapsed());
    pair.close().await;
}

#[tokio::test]
async fn messages_arrive_on_the_channel_they_were_sent_on() {
    let mut pair = Pair::connected().await;
    pair.until("chat is open", |pair| pair.a.opened("chat") && pair.b.opened("chat")).await;
    for (label, text) in [("ctrl", "{\"a\":1}"), ("chat", "grüße")] {
        for who in [Who::A, Who::B] {
            let data = Bytes::copy_from_slice(text.as_bytes());
            pair.side(who).command(SessionCommand::Send { label: label.to_owned(), data });
            pair.until("the message is there", |pair| pair.side(who.other()).messages(label) == [text]).await;
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn every_track_arrives_in_its_role_both_ways() {
    let mut pair = Pair::connected().await;
    for who in [Who::A, Who::B] {
        for role in TrackRole::ALL {
            for n in 0..20 {
                assert!(pair.side(who).session.send_rtp(role, packet(role, n)));
            }
            let other = who.other();
            pair.until("the packets are there", |pair| pair.side(other).received(role) == 20).await;
            let numbers = pair.side(other).packets.iter().filter(|(of, _)| *of == role).map(|(_, p)| number(role, p));
            assert_eq!(numbers.collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        }
    }
    pair.close().await;
}

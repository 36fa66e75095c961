//! What people write to each other.

use parlor_protocol::ui::{Delivery, UiCommand};
use parlor_tests::{Peer, Setup, TestServer};

fn say(peer: &Peer, text: &str) {
    peer.client.ui(UiCommand::SendChat { text: text.into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_goes_both_ways_and_is_told_delivered() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.connected(1).await;
    say(&a, "hello, Ben");
    b.chat("hello, Ben").await;
    say(&b, "hello, Anna");
    let (author, history) = a.chat("hello, Anna").await;
    assert_eq!((author, history), (b.id().await, false));
    a.see("delivered", |snapshot| {
        let lines = &snapshot.room.as_ref()?.chat.messages;
        lines.iter().any(|line| line.mine && line.delivery == Delivery::Delivered).then_some(())
    })
    .await;
    b.see("one unread message", |snapshot| (snapshot.room.as_ref()?.chat.unread == 1).then_some(())).await;
    b.client.ui(UiCommand::ChatRead);
    b.see("none unread", |snapshot| (snapshot.room.as_ref()?.chat.unread == 0).then_some(())).await;
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_gets_what_was_said_in_the_same_order() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.connected(1).await;
    for n in 0..5 {
        say(&a, &format!("a{n}"));
        b.chat(&format!("a{n}")).await;
        say(&b, &format!("b{n}"));
        a.chat(&format!("b{n}")).await;
    }
    let mut c = Peer::join(Setup::silent("Chloe"), &server.link("studio"));
    let (_, history) = c.chat("b4").await;
    assert!(history);
    let texts = c.see("all ten", |snapshot| {
        let lines = &snapshot.room.as_ref()?.chat.messages;
        (lines.len() == 10).then(|| lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>())
    });
    assert_eq!(texts.await, ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"]);
    assert_eq!(c.snapshot.as_ref().unwrap().room.as_ref().unwrap().chat.unread, 0);
    for peer in [a, b, c] {
        peer.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_an_empty_room_reaches_who_comes() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    a.id().await;
    say(&a, "is anybody here?");
    a.chat("is anybody here?").await;
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    b.chat("is anybody here?").await;
    a.leave().await;
    b.leave().await;
}

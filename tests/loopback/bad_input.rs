//! What people and networks get wrong, and what is said about it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use parlor_protocol::{
    LinkKey, RoomLink,
    headless::{EventLine, HeadlessEvent},
    ui::{DeviceTrouble, Screen, Signaling, UiCommand},
};
use parlor_tests::{Peer, Setup, TestServer};

fn problem(screen: &Screen) -> Option<(String, bool)> {
    match screen {
        Screen::Lobby { problem: Some(problem), busy, .. } => Some((problem.code.clone(), *busy)),
        Screen::Lobby { .. } | Screen::Call | Screen::Ended { .. } => None,
    }
}

/// A link to a server that is not there yet, and where it is to be: a port taken for a moment, then free.
fn dead_link() -> (SocketAddr, RoomLink) {
    let address = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().local_addr().unwrap();
    let (authority, room) = (address.to_string(), "late".parse().unwrap());
    (address, RoomLink { authority, room, plain: true, key: LinkKey([7; 16]) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_link_is_said_and_changes_nothing() {
    let mut a = Peer::start(Setup::silent("Anna"));
    a.client.ui(UiCommand::Join { link: "https://example.org/cats".into() });
    assert_eq!(a.see("a problem", |snapshot| problem(&snapshot.screen)).await, ("bad-link".into(), false));
    a.client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_up_late_is_joined_when_it_does() {
    let (address, link) = dead_link();
    let mut a = Peer::join(Setup::silent("Anna"), &link);
    let (code, busy) = a.see("a problem", |snapshot| problem(&snapshot.screen)).await;
    assert_eq!((code.as_str(), busy), ("connection-refused", true));
    let server = TestServer::start_at(address).await;
    a.id().await;
    a.see("the call", |snapshot| {
        (snapshot.screen == Screen::Call && snapshot.room.as_ref()?.signaling == Signaling::Up).then_some(())
    })
    .await;
    a.leave().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_link_ends_the_wait_for_a_server() {
    let (address, link) = dead_link();
    let mut a = Peer::join(Setup::silent("Anna"), &link);
    a.wait("signaling-down", |event| matches!(event, HeadlessEvent::SignalingDown { .. }).then_some(())).await;
    let mut other = link.clone();
    other.room = "other".parse().unwrap();
    a.client.open_link(other.to_string());
    a.wait("left", |event| matches!(event, HeadlessEvent::Left { .. }).then_some(())).await;
    let offered = |snapshot: &parlor_protocol::ui::Snapshot| match &snapshot.screen {
        Screen::Lobby { link: Some(link), busy: false, .. } if *link == other.to_string() => Some(()),
        Screen::Lobby { .. } | Screen::Call | Screen::Ended { .. } => None,
    };
    a.see("the other link", offered).await;
    // Whoever still tried would be back within a second, the first time between two attempts.
    let server = TestServer::start_at(address).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    a.drain();
    assert!(!a.log.iter().any(|line| matches!(line.event, HeadlessEvent::Joined { .. })), "{}", a.story());
    a.client.close().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_said_as_such_and_shows_no_tile_to_the_others() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    a.id().await;
    let mut wrong = server.link("studio");
    wrong.key = LinkKey([8; 16]);
    let mut b = Peer::join(Setup::silent("Ben"), &wrong);
    let reason = b.wait("left", |event| match event {
        HeadlessEvent::Left { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "wrong-key");
    let (code, busy) = b.see("the problem", |snapshot| problem(&snapshot.screen)).await;
    assert_eq!((code.as_str(), busy), ("wrong-key", false));
    a.drain();
    assert!(a.snapshot.as_ref().unwrap().room.as_ref().unwrap().tiles.is_empty());
    a.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_camera_is_said_and_keeps_nobody_out() {
    let server = TestServer::start().await;
    let devices = ("device:/dev/video77", "none", "none".into());
    let mut a = Peer::join(Setup { devices, ..Setup::silent("Anna") }, &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.connected(1).await;
    let trouble = a.see("a camera's trouble", |snapshot| snapshot.devices.camera.problem.clone()).await;
    assert_eq!(trouble.code, DeviceTrouble::Missing);
    // Longer than a picture may be missing: nothing is to happen, so that there is no event to wait for.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    b.drain();
    let frozen = |line: &EventLine| matches!(&line.event, HeadlessEvent::SessionState(event) if event.frozen);
    assert!(!b.log.iter().any(frozen), "{}", b.story());
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_as_camera_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not.y4m");
    std::fs::write(&path, b"this is no film").unwrap();
    let mut a = Peer::start(Setup { devices: ("none", "none", "none".into()), ..Setup::silent("Anna") });
    let server = TestServer::start().await;
    a.client.ui(UiCommand::Join { link: server.link("studio").to_string() });
    a.id().await;
    a.client.ui(UiCommand::ChooseDevice {
        kind: parlor_protocol::device::DeviceKind::Camera,
        spec: format!("file:{}", path.display()),
    });
    a.see("a camera's trouble", |snapshot| snapshot.devices.camera.problem.clone()).await;
    a.leave().await;
}

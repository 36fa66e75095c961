//! Pictures that stop while the connection stays up.

use std::time::Duration;

use parlor_client::DeviceOverrides;
use parlor_protocol::{
    headless::HeadlessEvent,
    ui::{Snapshot, UiCommand},
};
use parlor_tests::{Peer, Setup, TestServer};

/// Longer than pictures may be missing before a tile says so.
const LONGER_THAN_A_STALL: Duration = Duration::from_secs(4);

fn frozen(wanted: bool) -> impl Fn(&Snapshot) -> Option<()> {
    move |snapshot| (snapshot.room.as_ref()?.tiles.first()?.frozen == wanted).then_some(())
}

fn was_frozen(peer: &Peer) -> bool {
    peer.log.iter().any(|line| matches!(&line.event, HeadlessEvent::SessionState(event) if event.frozen))
}

fn camera(spec: &str) -> DeviceOverrides {
    DeviceOverrides { camera: Some(spec.parse().unwrap()), ..DeviceOverrides::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_gives_nothing_freezes_its_tile_although_sound_goes_on() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.stats("pictures", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    a.client.use_devices(camera("device:/dev/video77"));
    b.see("a frozen tile", frozen(true)).await;
    b.stats("sound", |stats| stats.sessions.iter().any(|s| s.audio_in.level_dbfs > -40.0)).await;
    a.client.use_devices(camera("pattern:640x360@30"));
    b.see("a tile that moves", frozen(false)).await;
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_frozen_who_sends_nothing_on_purpose() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.stats("pictures", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    a.client.ui(UiCommand::SetCamera { on: false });
    a.client.ui(UiCommand::SetMicrophone { on: false });
    // Nothing is to happen: there is no event to wait for.
    tokio::time::sleep(LONGER_THAN_A_STALL).await;
    a.client.ui(UiCommand::SetCamera { on: true });
    b.stats("pictures again", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    a.drain();
    assert!(!was_frozen(&a) && !was_frozen(&b), "{}\n{}", a.story(), b.story());
    a.leave().await;
    b.leave().await;
}

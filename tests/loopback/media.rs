//! Pictures and sound from one end to the other, measured where they come out.

use std::time::{Duration, Instant};

use parlor_client::DeviceOverrides;
use parlor_media::{
    audio::measure,
    video::{Picture, pattern},
};
use parlor_protocol::{
    headless::HeadlessEvent,
    media::TrackRole,
    ui::{Snapshot, UiCommand},
};
use parlor_tests::{PATIENCE, Peer, Setup, TestServer};
use tokio::time;

use crate::diagnostics::{only, report};

/// What the test tone is played at: its peaks are at −12 dBFS.
const TONE_DBFS: f32 = -15.0;
/// When pictures of a camera that is turned on again have to be there.
const BACK_WITHIN: Duration = Duration::from_millis(1500);

/// The counter in the newest picture of a peer's only tile.
async fn counter(peer: &mut Peer) -> u32 {
    let tile = peer.see("a tile", |snapshot| Some(snapshot.room.as_ref()?.tiles.first()?.tile)).await;
    let read = async {
        loop {
            if let Some((header, planes)) = peer.pictures.newest(tile)
                && let Ok(picture) =
                    Picture::from_data(header.width.into(), header.height.into(), planes, Instant::now())
                && let Some(counter) = pattern::read_counter(&picture)
            {
                return counter;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(PATIENCE, read).await.expect("a readable counter")
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_arrive_as_pixels_and_move() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::synthetic("Ben"), &server.link("studio"));
    for peer in [&mut a, &mut b] {
        let size = peer.wait("a first frame", |event| match event {
            HeadlessEvent::FirstFrame { track: TrackRole::Camera, width, height, .. } => Some((*width, *height)),
            _ => None,
        });
        assert_eq!(size.await, (640, 360));
        let first = counter(peer).await;
        let moved = async { while counter(peer).await <= first {} };
        time::timeout(PATIENCE, moved).await.expect("a later picture");
        peer.stats("30 frames a second", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 24.0)).await;
    }
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_turns_out_not_to_decode_gets_pixels() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let window = Setup { decode: parlor_client::Decode::Window, ..Setup::silent("Ben") };
    let mut b = Peer::join(window, &server.link("studio"));
    a.connected(1).await;
    let tile = b.see("a picture", |snapshot| {
        let tile = snapshot.room.as_ref()?.tiles.first()?;
        tile.picture.then_some(tile.tile)
    });
    let tile = tile.await;
    assert!(b.pictures.newest(tile).is_none(), "no pixels before they are asked for");
    b.client.ui(UiCommand::SetRawPictures { on: true });
    counter(&mut b).await;
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tone_is_heard_as_it_was_played() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let devices = ("none", "none", format!("file:{}", path.display()));
    let mut b = Peer::join(Setup { devices, ..Setup::silent("Ben") }, &server.link("studio"));
    a.connected(1).await;
    b.wait("first sound", |event| matches!(event, HeadlessEvent::FirstAudio { .. }).then_some(())).await;
    for _ in 0..4 {
        b.stats("sound", |stats| stats.sessions.iter().any(|s| s.audio_in.level_dbfs > -40.0)).await;
    }
    b.leave().await;
    a.leave().await;
    let (samples, rate) = measure::wav(&path).unwrap();
    // The middle: the call was still coming up before, and going down after.
    let second = rate as usize;
    let middle = samples.len() / 2;
    let heard = measure::tone(&samples[middle - second / 2..middle + second / 2], rate).unwrap();
    assert!((heard.hz - 440.0).abs() < 2.0, "{heard:?}");
    assert!((heard.dbfs - TONE_DBFS).abs() < 3.0, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_played_as_loud_as_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let devices = ("none", "none", format!("file:{}", path.display()));
    let mut b = Peer::join(Setup { devices, ..Setup::silent("Ben") }, &server.link("studio"));
    a.connected(1).await;
    b.stats("sound", |stats| stats.sessions.iter().any(|s| s.audio_in.level_dbfs > -40.0)).await;
    let anna = b.see("Anna's tile", |snapshot| Some(snapshot.room.as_ref()?.tiles.first()?.peer)).await;
    // More than there is counts as the most.
    for (asked, percent) in [(50, Some(50)), (0, Some(0)), (65_535, Some(200)), (100, None)] {
        b.client.ui(UiCommand::SetVolume { peer: anna, percent: asked });
        let told = |snapshot: &Snapshot| {
            let volumes = &snapshot.room.as_ref()?.volumes;
            (volumes.iter().find(|volume| volume.peer == anna).map(|volume| volume.percent) == percent).then_some(())
        };
        b.see("the volume", told).await;
        time::sleep(Duration::from_secs(2)).await;
    }
    b.leave().await;
    a.leave().await;
    let (samples, rate) = measure::wav(&path).unwrap();
    let second = rate as usize;
    let end = samples.len();
    // Seconds from the end: the middle of each stretch, whatever leaving took.
    let level =
        |back: usize| measure::level_dbfs(&samples[end - back * second / 2 - second / 2..end - back * second / 2]);
    let (loud, silent, half) = (level(5), level(9), level(13));
    let tone = measure::tone(&samples[end - 2 * second..end - second], rate).unwrap().dbfs;
    println!("half {half}, silent {silent}, loud {loud}, then a tone of {tone} dBFS");
    assert!(silent < -80.0, "{silent} dBFS while Anna is not to be heard");
    assert!((loud - half - 12.0).abs() < 1.5, "{half} dBFS at half and {loud} at twice of how she sounds");
    assert!((tone - TONE_DBFS).abs() < 3.0, "{tone} dBFS as she sounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_peers_see_and_hear_each_other() {
    let server = TestServer::start().await;
    let small = |name| Setup { devices: ("pattern:320x180@15", "tone:440", "none".into()), ..Setup::silent(name) };
    let names = ["Anna", "Ben", "Chloe", "Dev"];
    let mut peers: Vec<_> = names.into_iter().map(|name| Peer::join(small(name), &server.link("four"))).collect();
    for peer in &mut peers {
        peer.connected(3).await;
        let stats = peer.stats("three moving, sounding peers", |stats| {
            let alive =
                |s: &&parlor_protocol::headless::SessionStats| s.video_in.fps > 8.0 && s.audio_in.level_dbfs > -40.0;
            stats.sessions.iter().filter(alive).count() == 3
        });
        assert_eq!(stats.await.encoders, 1, "one encoder, however many peers");
    }
    for peer in peers {
        peer.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_turned_off_and_on_is_told_and_comes_back() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    b.stats("pictures", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    a.client.ui(UiCommand::SetCamera { on: false });
    b.wait_new("track-removed", |event| {
        matches!(event, HeadlessEvent::TrackRemoved { track: TrackRole::Camera, .. }).then_some(())
    })
    .await;
    b.stats("no pictures", |stats| stats.sessions.iter().all(|s| s.video_in.fps < 1.0)).await;
    let tile =
        |picture| move |snapshot: &Snapshot| (snapshot.room.as_ref()?.tiles.first()?.picture == picture).then_some(());
    b.see("a tile without a picture", tile(false)).await;
    a.client.ui(UiCommand::SetCamera { on: true });
    b.wait_new("track-added", |event| {
        matches!(event, HeadlessEvent::TrackAdded { track: TrackRole::Camera, .. }).then_some(())
    })
    .await;
    b.stats("pictures again", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    b.see("a tile with a picture", tile(true)).await;
    a.connected(1).await;
    a.leave().await;
    b.leave().await;
}

async fn track(peer: &mut Peer, role: TrackRole, added: bool) {
    let said = |event: &HeadlessEvent| match event {
        HeadlessEvent::TrackAdded { track, .. } => (*track == role && added).then_some(()),
        HeadlessEvent::TrackRemoved { track, .. } => (*track == role && !added).then_some(()),
        _ => None,
    };
    peer.wait_new("a track", said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_turned_off_and_on_again_and_again_is_back_at_once_each_time() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    b.stats("pictures", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    let tile = b.see("a tile", |snapshot| Some(snapshot.room.as_ref()?.tiles.first()?.tile)).await;
    for turn in 1..=20 {
        a.client.ui(UiCommand::SetCamera { on: false });
        track(&mut b, TrackRole::Camera, false).await;
        b.pictures.quiet(tile).await;
        let started = Instant::now();
        a.client.ui(UiCommand::SetCamera { on: true });
        let back = async {
            while b.pictures.newest(tile).is_none() {
                time::sleep(Duration::from_millis(5)).await;
            }
        };
        time::timeout(PATIENCE, back).await.expect("pictures again");
        assert!(started.elapsed() < BACK_WITHIN, "{:?} in turn {turn}", started.elapsed());
        track(&mut b, TrackRole::Camera, true).await;
    }
    for peer in [&mut a, &mut b] {
        peer.connected(1).await;
        let history = only(&report(peer, false).await.0).history;
        assert_eq!((history.sessions, history.restarts, history.gaps), (1, 0, 0));
    }
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_with_nothing_adds_a_camera_and_a_microphone_in_the_call() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.connected(1).await;
    b.drain();
    let sent = |line: &parlor_protocol::headless::EventLine| matches!(line.event, HeadlessEvent::TrackAdded { .. });
    assert!(!b.log.iter().any(sent), "{}", b.story());
    let camera = Some("pattern:640x360@30".parse().unwrap());
    a.client.use_devices(DeviceOverrides { camera, ..DeviceOverrides::default() });
    track(&mut b, TrackRole::Camera, true).await;
    let first = counter(&mut b).await;
    let moved = async { while counter(&mut b).await <= first {} };
    time::timeout(PATIENCE, moved).await.expect("a later picture");
    let microphone = Some("tone:440".parse().unwrap());
    a.client.use_devices(DeviceOverrides { microphone, ..DeviceOverrides::default() });
    track(&mut b, TrackRole::Microphone, true).await;
    b.stats("both", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0 && s.audio_in.level_dbfs > -40.0))
        .await;
    for peer in [&mut a, &mut b] {
        let history = only(&report(peer, false).await.0).history;
        assert_eq!((history.sessions, history.restarts, history.gaps), (1, 0, 0));
    }
    a.leave().await;
    b.leave().await;
}

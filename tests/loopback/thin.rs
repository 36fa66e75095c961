//! A link that is too thin for pictures.

use std::time::Duration;

use parlor_engine::netem::Netem;
use parlor_media::audio::measure;
use parlor_protocol::headless::Stats;
use parlor_tests::{Peer, Setup, TestServer};

/// Bits a second: sound needs half of them, headers included, and pictures as large as the camera's several times as many.
const LINK: u64 = 160_000;
/// What waits before the link at most.
const QUEUE: Duration = Duration::from_millis(800);
/// Seconds in which the link's rate is found out.
const SETTLES: usize = 10;
/// Seconds in which all sound has to arrive.
const LISTENED: usize = 15;

#[tokio::test(flavor = "multi_thread")]
async fn all_sound_arrives_where_pictures_starve() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let server = TestServer::start().await;
    let netem = Netem::new(8);
    netem.link(LINK, QUEUE);
    let mut a =
        Peer::join(Setup { network: Some(netem.runtime()), ..Setup::synthetic("Anna") }, &server.link("studio"));
    let devices = ("none", "none", format!("file:{}", path.display()));
    let mut b = Peer::join(Setup { devices, ..Setup::silent("Ben") }, &server.link("studio"));
    b.connected(1).await;
    let sounds = |stats: &Stats| stats.sessions.iter().any(|session| session.audio_in.level_dbfs > -40.0);
    b.stats("sound", sounds).await;
    for _ in 0..SETTLES {
        b.stats("figures", |_| true).await;
    }
    let before = b.stats("figures", |_| true).await.sessions[0].clone();
    let mut gaps = Vec::new();
    for _ in 0..LISTENED {
        let session = b.stats("sound", sounds).await.sessions[0].clone();
        gaps.push(session.audio_in.gap_ms);
    }
    let after = b.stats("figures", |_| true).await.sessions[0].clone();
    let lost = after.audio_in.lost - before.audio_in.lost;
    let frames = after.video_in.frames - before.video_in.frames;
    println!(
        "lost {lost}, gaps {gaps:?}, {frames} pictures, {:?} {:?}, {:?}",
        after.video_in,
        after.audio_in,
        netem.counts()
    );
    assert_eq!(lost, 0, "packets of sound in {LISTENED} s");
    assert!(gaps.iter().all(|gap| *gap < 300), "{gaps:?}");
    assert!(
        after.video_in.width <= 320 || frames < 15 * LISTENED as u64,
        "pictures do not starve: {:?}",
        after.video_in
    );
    a.drain();
    b.leave().await;
    a.leave().await;
    let (samples, rate) = measure::wav(&path).unwrap();
    let second = rate as usize;
    let heard = &samples[samples.len() - (LISTENED + 1) * second..samples.len() - second];
    assert!(measure::longest_hole(heard, -40.0) < second / 50, "a hole of {}", measure::longest_hole(heard, -40.0));
}

//! Who is sent which pictures: what is shown decides, and what is not shown costs nothing.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use parlor_client::{Decode, FrameSink};
use parlor_protocol::{
    frame::FrameHeader,
    headless::{HeadlessEvent, SessionStats, Stats},
    media::{Extent, Showing},
    ui::{TileReport, UiCommand},
};
use parlor_tests::{PATIENCE, Peer, Setup, TestServer};
use tokio::time;

/// When a picture that is shown again has to be there: far above a round trip on loopback.
const BACK_WITHIN: Duration = Duration::from_millis(1500);
/// Longer than pictures may be missing before a tile says so.
const LONGER_THAN_A_STALL: Duration = Duration::from_secs(4);

/// So long a crowd asks for key frames.
const ASKS_FOR: Duration = Duration::from_secs(3);

/// The number of the tile with a picture.
async fn tile(peer: &mut Peer) -> u32 {
    peer.see("a picture", |snapshot| {
        let tiles = &snapshot.room.as_ref()?.tiles;
        tiles.iter().find(|tile| tile.picture).map(|tile| tile.tile)
    })
    .await
}

/// Says what a window shows of a tile; out of sight where there is no size.
fn show(peer: &Peer, tile: u32, size: Option<(u32, u32)>) {
    let (width, height) = size.unwrap_or_default();
    let report = TileReport { tile, painted: 0, errors: 0, want_key: false, width, height, hidden: size.is_none() };
    peer.client.ui(UiCommand::TileReports { reports: vec![report] });
}

fn wide(width: u32) -> impl Fn(&Stats) -> bool {
    move |stats| stats.sessions.iter().any(|session| session.video_in.width == width && session.video_in.fps > 10.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gets_the_size_that_it_shows_and_each_size_is_encoded_once() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("sizes"));
    let mut others: Vec<_> =
        ["Ben", "Chloe", "Dev"].map(|name| Peer::join(Setup::silent(name), &server.link("sizes"))).into();
    a.connected(3).await;
    for other in &mut others {
        other.stats("the whole picture, of which nobody has said how large it is shown", wide(640)).await;
    }
    assert_eq!(a.stats("figures", |stats| stats.sessions.len() == 3).await.encoders, 1);
    for other in &mut others[..2] {
        let tile = tile(other).await;
        show(other, tile, Some((240, 135)));
    }
    for (other, width) in others.iter_mut().zip([320, 320, 640]) {
        other.stats("the size that is shown", wide(width)).await;
    }
    a.stats("two encoders for three others", |stats| stats.encoders == 2).await;
    for peer in others {
        peer.leave().await;
    }
    a.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_nobody_sees_is_not_encoded_and_is_back_at_once() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    b.stats("pictures", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    let tile = tile(&mut b).await;
    show(&b, tile, Some((640, 360)));
    show(&b, tile, None);
    a.stats("no encoder", |stats| stats.encoders == 0).await;
    b.pictures.quiet(tile).await;
    // Nothing is to happen: there is no event to wait for.
    time::sleep(LONGER_THAN_A_STALL).await;
    b.stats("no pause", |stats| stats.sessions.iter().all(|s| s.video_in.gap_ms == 0)).await;
    let started = Instant::now();
    show(&b, tile, Some((640, 360)));
    let back = async {
        while b.pictures.newest(tile).is_none() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(PATIENCE, back).await.expect("pictures again");
    assert!(started.elapsed() < BACK_WITHIN, "{:?}", started.elapsed());
    b.stats("pictures again", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    b.drain();
    let frozen = |event: &HeadlessEvent| matches!(event, HeadlessEvent::SessionState(event) if event.frozen);
    assert!(!b.log.iter().any(|line| frozen(&line.event)), "{}", b.story());
    a.leave().await;
    b.leave().await;
}

/// Key frames of the others that a window got, and when.
#[derive(Default)]
struct Keys(Mutex<Vec<Instant>>);

impl Keys {
    fn since(&self, start: Instant) -> usize {
        self.0.lock().unwrap().iter().filter(|came| **came >= start).count()
    }
}

impl FrameSink for Keys {
    fn frame(&self, header: FrameHeader, _: &[u8]) -> bool {
        if header.key && header.tile != 0 {
            self.0.lock().unwrap().push(Instant::now());
        }
        true
    }
}

/// Somebody with a window that decodes.
fn watcher(name: &'static str, server: &TestServer) -> (Peer, Arc<Keys>) {
    let peer = Peer::join(Setup { decode: Decode::Window, ..Setup::silent(name) }, &server.link("crowd"));
    let keys = Arc::new(Keys::default());
    peer.client.attach(Arc::clone(&keys) as Arc<dyn FrameSink>);
    (peer, keys)
}

/// The most key frames that may come in a time: each half second one, and one at each end.
fn most(time: Duration) -> usize {
    time.as_millis() as usize / 500 + 2
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_comes_at_once_or_asks_at_once_shares_key_frames() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("crowd"));
    let (mut first, keys) = watcher("Ben", &server);
    first.stats("pictures", wide(640)).await;

    let start = Instant::now();
    let mut crowd: Vec<_> = ["Chloe", "Dev", "Eve", "Finn"].map(|name| watcher(name, &server)).into();
    for (peer, keys) in &mut crowd {
        peer.stats("pictures", wide(640)).await;
        assert!(keys.since(start) > 0);
    }
    let (time, came) = (start.elapsed(), keys.since(start));
    assert!(came <= most(time), "{came} key frames in {time:?} for four who came");
    assert_eq!(a.stats("figures", |stats| stats.sessions.len() == 5).await.encoders, 1);

    let mut tiles = vec![tile(&mut first).await];
    for (peer, _) in &mut crowd {
        tiles.push(tile(peer).await);
    }
    let start = Instant::now();
    while start.elapsed() < ASKS_FOR {
        for (peer, tile) in std::iter::once(&first).chain(crowd.iter().map(|(peer, _)| peer)).zip(&tiles) {
            let size = TileReport {
                tile: *tile,
                painted: 0,
                errors: 1,
                want_key: true,
                width: 640,
                height: 360,
                hidden: false,
            };
            peer.client.ui(UiCommand::TileReports { reports: vec![size] });
        }
        time::sleep(Duration::from_millis(50)).await;
    }
    let time = start.elapsed();
    for keys in std::iter::once(&keys).chain(crowd.iter().map(|(_, keys)| keys)) {
        let came = keys.since(start);
        assert!((2..=most(time)).contains(&came), "{came} key frames in {time:?} for five who asked 20 times a second");
    }
    first.stats("it goes on", wide(640)).await;
    for (peer, _) in crowd {
        peer.leave().await;
    }
    first.leave().await;
    a.leave().await;
}

/// What is sent to the only one, or to each of them.
fn sent(stats: &Stats) -> impl Iterator<Item = (&SessionStats, f64, f64)> {
    stats.sessions.iter().map(|session| (session, session.video_out.fps, session.video_out.encoded_fps))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_half_of_the_pictures_gets_half_and_what_nobody_wants_is_not_encoded() {
    let server = TestServer::start().await;
    let extent = Extent { width: 640, height: 360 };
    let thin = Showing { extent, rate: NonZeroU32::new(15) };
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("halves"));
    let mut b = Peer::join(Setup { show: Some(thin), ..Setup::silent("Ben") }, &server.link("halves"));
    let ben = b.id().await;
    let half = |fps: f64| (11.0..=18.0).contains(&fps);
    let came =
        |stats: &Stats, good: &dyn Fn(f64) -> bool| stats.sessions.iter().any(|session| good(session.video_in.fps));
    b.stats("half of the pictures", |stats| came(stats, &half)).await;
    a.stats("half of them encoded", |stats| sent(stats).any(|(_, fps, encoded)| half(fps) && half(encoded))).await;

    let whole = |fps: f64| fps > 22.0;
    let mut c = Peer::join(Setup::silent("Chloe"), &server.link("halves"));
    c.stats("all of the pictures", |stats| came(stats, &whole)).await;
    let each = |stats: &Stats| {
        stats.sessions.len() == 2
            && sent(stats).all(|(session, fps, encoded)| {
                whole(encoded) && if session.peer == ben { half(fps) } else { whole(fps) }
            })
    };
    assert_eq!(a.stats("half for one, all for the other", each).await.encoders, 1);
    b.stats("still half of the pictures", |stats| came(stats, &half)).await;
    c.leave().await;
    a.stats("half of them encoded again", |stats| {
        stats.sessions.len() == 1 && sent(stats).all(|(_, fps, encoded)| half(fps) && half(encoded))
    })
    .await;
    b.leave().await;
    a.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_paints_too_few_pictures_is_sent_half_and_all_again_without_a_key_frame() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("crowd"));
    let (mut b, keys) = watcher("Ben", &server);
    b.stats("pictures", wide(640)).await;
    let tile = tile(&mut b).await;
    let start = Instant::now();
    let reports = |painted: u32| {
        let report = TileReport { tile, painted, errors: 0, want_key: false, width: 640, height: 360, hidden: false };
        UiCommand::TileReports { reports: vec![report] }
    };
    let half = |stats: &Stats| sent(stats).any(|(_, fps, encoded)| fps < 18.0 && (11.0..=18.0).contains(&encoded));
    let whole = |stats: &Stats| sent(stats).any(|(_, fps, encoded)| fps > 22.0 && encoded > 22.0);
    for (what, painted, good) in
        [("half of the pictures", 12, &half as &dyn Fn(&Stats) -> bool), ("all of them again", 30, &whole)]
    {
        let reporting = async {
            loop {
                b.client.ui(reports(painted));
                time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            _ = a.stats(what, good) => {}
            () = reporting => {}
        }
    }
    assert_eq!(keys.since(start), 0);
    b.leave().await;
    a.leave().await;
}

use tokio::sync::broadcast::error::RecvError;

use super::*;
use crate::video::{Vp8Decoder, pattern, pattern::Pattern};

const FORMAT: VideoFormat = VideoFormat { width: 160, height: 90, fps: 30 };

/// A slot and a thread that fills it with the pattern, at a rate.
struct Feed {
    slot: watch::Receiver<Option<Arc<Picture>>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Feed {
    fn new(width: u32, height: u32, fps: u32) -> Self {
        let (sender, slot) = watch::channel(None);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let pattern = Pattern::new(width, height).unwrap();
        let thread = thread::spawn(move || {
            for counter in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                sender.send_replace(Some(Arc::new(pattern.draw(counter, Instant::now()))));
                thread::sleep(Duration::from_secs(1) / fps);
            }
        });
        Self { slot, stop, thread: Some(thread) }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(thread::JoinHandle::join);
    }
}

async fn frame(frames: &mut Subscription) -> Arc<EncodedFrame> {
    let next = time::timeout(Duration::from_secs(20), frames.next());
    next.await.expect("a frame within 20 s").expect("a rendition that lives")
}

#[tokio::test]
async fn a_subscriber_begins_with_a_key_frame_and_sees_the_pictures() {
    let feed = Feed::new(160, 90, 30);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT);
    let (mut frames, mut decoder) = (rendition.subscribe(|| true), Vp8Decoder::new().unwrap());
    let mut last = None;
    for at in 0..10 {
        let frame = frame(&mut frames).await;
        assert!(at > 0 || frame.key);
        let picture = decoder.decode(&frame.data).unwrap().unwrap();
        let counter = pattern::read_counter(&picture);
        assert!(counter.is_some() && counter > last, "{counter:?} after {last:?}");
        last = counter;
    }
}

#[tokio::test]
async fn large_pictures_are_scaled_to_fit() {
    let feed = Feed::new(640, 480, 30);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT);
    let frame = frame(&mut rendition.subscribe(|| true)).await;
    assert_eq!((frame.width, frame.height), (120, 90));
}

#[tokio::test]
async fn key_frames_come_on_demand_but_not_often() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT });
    let mut frames = rendition.subscribe(|| true);
    let (mut keys, start) = (Vec::new(), Instant::now());
    while start.elapsed() < Duration::from_millis(1700) {
        if frame(&mut frames).await.key {
            keys.push(start.elapsed());
        }
        rendition.request_key();
    }
    assert!((3..=5).contains(&keys.len()), "{keys:?}");
    assert!(keys.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(450)), "{keys:?}");
}

#[tokio::test]
async fn without_a_request_there_is_one_key_frame() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT });
    let mut frames = rendition.subscribe(|| true);
    assert!(frame(&mut frames).await.key);
    for _ in 0..60 {
        assert!(!frame(&mut frames).await.key);
    }
}

#[tokio::test]
async fn a_picture_that_stands_still_can_be_joined() {
    let picture = pattern::draw(160, 90, 7, Instant::now()).unwrap();
    let (_keep, slot) = watch::channel(Some(Arc::new(picture)));
    let rendition = Rendition::spawn(slot, FORMAT);
    for _ in 0..2 {
        let mut frames = rendition.subscribe(|| true);
        let frame = frame(&mut frames).await;
        assert!(frame.key);
        let picture = Vp8Decoder::new().unwrap().decode(&frame.data).unwrap().unwrap();
        assert_eq!(pattern::read_counter(&picture), Some(7));
    }
}

#[tokio::test]
async fn nothing_is_encoded_for_nobody() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT);
    let mut slot = feed.slot.clone();
    for _ in 0..20 {
        slot.changed().await.unwrap();
    }
    assert_eq!(rendition.stats(), RenditionStats::default());
    let mut frames = rendition.subscribe(|| true);
    for _ in 0..10 {
        frame(&mut frames).await;
    }
    assert!(rendition.stats().fps > 0.0);
    drop(frames);
    let stopped = async {
        while rendition.stats().fps > 0.0 || rendition.stats().busy > 0.0 {
            slot.changed().await.unwrap();
        }
    };
    time::timeout(Duration::from_secs(20), stopped).await.expect("an encoder at rest");
}

#[tokio::test]
async fn another_format_is_taken_up_by_whoever_watches() {
    let feed = Feed::new(640, 360, 30);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT);
    let (mut frames, mut decoder) = (rendition.subscribe(|| true), Vp8Decoder::new().unwrap());
    for width in [160, 320, 160] {
        rendition.set_format(VideoFormat { width, height: width * 9 / 16, fps: 30 });
        let changed = async {
            loop {
                let frame = frame(&mut frames).await;
                decoder.decode(&frame.data).unwrap();
                if frame.width == width {
                    return;
                }
            }
        };
        time::timeout(Duration::from_secs(20), changed).await.expect("the other size");
    }
}

#[tokio::test]
async fn renditions_of_one_camera_work_for_those_who_take_them_alone() {
    let feed = Feed::new(640, 360, 30);
    let ladder = Ladder::spawn(&feed.slot, VideoFormat { width: 640, height: 360, fps: 30 });
    let [small, large] = ladder.renditions() else { panic!("two sizes") };
    let mut first = small.subscribe(|| true);
    assert_eq!(frame(&mut first).await.width, 320);
    let (working, stats) = ladder.stats();
    assert_eq!((working, stats.width), (1, 320));
    let (mut second, mut third) = (large.subscribe(|| true), large.subscribe(|| true));
    assert_eq!((frame(&mut second).await.width, frame(&mut third).await.width), (640, 640));
    let (working, stats) = ladder.stats();
    assert_eq!((working, stats.width), (2, 640));
}

#[tokio::test]
async fn frames_come_no_faster_than_the_format_says() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 15, ..FORMAT });
    let mut frames = rendition.subscribe(|| true);
    let first = frame(&mut frames).await.captured;
    let mut last = first;
    for _ in 0..20 {
        last = frame(&mut frames).await.captured;
    }
    let fps = 20.0 / (last - first).as_secs_f64();
    assert!((8.0..=16.5).contains(&fps), "{fps}");
}

#[tokio::test]
async fn an_upper_layer_that_nobody_takes_is_not_encoded_until_somebody_does() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT });
    let mut frames = rendition.subscribe(|| true);
    assert!(frame(&mut frames).await.key);
    for (upper, least, most) in [(true, 20, 30), (false, 0, 0), (true, 20, 30)] {
        rendition.set_share(Share { bitrate: 300_000, upper });
        // One that is being encoded, and those that wait here.
        while time::timeout(Duration::ZERO, frames.next()).await.is_ok() {}
        frame(&mut frames).await;
        let mut layers = 0;
        for _ in 0..50 {
            let frame = frame(&mut frames).await;
            assert!(!frame.key);
            layers += usize::from(frame.temporal);
        }
        assert!((least..=most).contains(&layers), "{layers} of 50 where the upper layer is {upper}");
        let stats = rendition.stats();
        let base = if upper { stats.fps / 2.0 } else { stats.fps };
        assert!((stats.base_fps - base).abs() < stats.fps / 8.0, "{stats:?}");
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_missed() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT });
    let (mut slow, mut quick) = (rendition.subscribe(|| true), rendition.subscribe(|| true));
    for _ in 0..FRAMES + 4 {
        frame(&mut quick).await;
    }
    assert!(matches!(slow.next().await, Err(RecvError::Lagged(missed)) if missed >= 4));
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let feed = Feed::new(160, 90, 30);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT);
    let mut frames = rendition.subscribe(|| true);
    frame(&mut frames).await;
    drop(rendition);
    let ended = async { while !matches!(frames.next().await, Err(RecvError::Closed)) {} };
    time::timeout(Duration::from_secs(20), ended).await.expect("an end");
}

#[tokio::test]
async fn where_nobody_has_room_nothing_is_encoded_and_it_goes_on_undamaged() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT });
    let full = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&full);
    let mut frames = rendition.subscribe(move || !asked.load(Ordering::Relaxed));
    let mut decoder = Vp8Decoder::new().unwrap();
    for _ in 0..3 {
        for _ in 0..5 {
            decoder.decode(&frame(&mut frames).await.data).unwrap();
        }
        full.store(true, Ordering::Relaxed);
        // What was encoded before, and what was being encoded.
        while time::timeout(Duration::from_millis(100), frames.next()).await.is_ok_and(|frame| {
            decoder.decode(&frame.unwrap().data).unwrap();
            true
        }) {}
        full.store(false, Ordering::Relaxed);
        let next = frame(&mut frames).await;
        assert!(!next.key);
        decoder.decode(&next.data).unwrap();
    }
}

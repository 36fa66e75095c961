use tokio::sync::broadcast::{Receiver, error::RecvError};

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

async fn frame(frames: &mut Receiver<Arc<EncodedFrame>>) -> Arc<EncodedFrame> {
    let next = time::timeout(Duration::from_secs(20), frames.recv());
    next.await.expect("a frame within 20 s").expect("a rendition that lives")
}

#[tokio::test]
async fn a_subscriber_begins_with_a_key_frame_and_sees_the_pictures() {
    let feed = Feed::new(160, 90, 30);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT, 300_000);
    let (mut frames, mut decoder) = (rendition.subscribe(), Vp8Decoder::new().unwrap());
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
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT, 300_000);
    let frame = frame(&mut rendition.subscribe()).await;
    assert_eq!((frame.width, frame.height), (120, 90));
}

#[tokio::test]
async fn a_low_bitrate_halves_the_size_until_it_is_high_again() {
    let feed = Feed::new(640, 360, 30);
    let format = VideoFormat { width: 640, height: 360, fps: 30 };
    let rendition = Rendition::spawn(feed.slot.clone(), format, 600_000);
    let mut frames = rendition.subscribe();
    let mut decoder = Vp8Decoder::new().unwrap();
    for (bitrate, width) in [(600_000, 640), (120_000, 320), (150_000, 320), (25_000, 160), (600_000, 640)] {
        rendition.set_bitrate(bitrate);
        let start = Instant::now();
        loop {
            let frame = frame(&mut frames).await;
            decoder.decode(&frame.data).unwrap();
            if frame.width == width {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{} at {bitrate}", frame.width);
        }
    }
}

#[tokio::test]
async fn key_frames_come_on_demand_but_not_often() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT }, 300_000);
    let mut frames = rendition.subscribe();
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
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT }, 300_000);
    let mut frames = rendition.subscribe();
    assert!(frame(&mut frames).await.key);
    for _ in 0..60 {
        assert!(!frame(&mut frames).await.key);
    }
}

#[tokio::test]
async fn a_picture_that_stands_still_can_be_joined() {
    let picture = pattern::draw(160, 90, 7, Instant::now()).unwrap();
    let (_keep, slot) = watch::channel(Some(Arc::new(picture)));
    let rendition = Rendition::spawn(slot, FORMAT, 300_000);
    for _ in 0..2 {
        let mut frames = rendition.subscribe();
        let frame = frame(&mut frames).await;
        assert!(frame.key);
        let picture = Vp8Decoder::new().unwrap().decode(&frame.data).unwrap().unwrap();
        assert_eq!(pattern::read_counter(&picture), Some(7));
    }
}

#[tokio::test]
async fn nothing_is_encoded_for_nobody() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT, 300_000);
    let mut slot = feed.slot.clone();
    for _ in 0..20 {
        slot.changed().await.unwrap();
    }
    assert_eq!(rendition.stats(), RenditionStats::default());
    let mut frames = rendition.subscribe();
    for _ in 0..10 {
        frame(&mut frames).await;
    }
    assert!(rendition.stats().fps > 0.0);
    drop(frames);
    let stopped = async {
        while rendition.stats().fps > 0.0 {
            slot.changed().await.unwrap();
        }
    };
    time::timeout(Duration::from_secs(20), stopped).await.expect("an encoder at rest");
}

#[tokio::test]
async fn frames_come_no_faster_than_the_format_says() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 15, ..FORMAT }, 300_000);
    let mut frames = rendition.subscribe();
    let first = frame(&mut frames).await.captured;
    let mut last = first;
    for _ in 0..20 {
        last = frame(&mut frames).await.captured;
    }
    let fps = 20.0 / (last - first).as_secs_f64();
    assert!((8.0..=16.5).contains(&fps), "{fps}");
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_missed() {
    let feed = Feed::new(160, 90, 60);
    let rendition = Rendition::spawn(feed.slot.clone(), VideoFormat { fps: 60, ..FORMAT }, 300_000);
    let (mut slow, mut quick) = (rendition.subscribe(), rendition.subscribe());
    for _ in 0..FRAMES + 4 {
        frame(&mut quick).await;
    }
    assert!(matches!(slow.recv().await, Err(RecvError::Lagged(missed)) if missed >= 4));
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let feed = Feed::new(160, 90, 30);
    let rendition = Rendition::spawn(feed.slot.clone(), FORMAT, 300_000);
    let mut frames = rendition.subscribe();
    frame(&mut frames).await;
    drop(rendition);
    let ended = async { while !matches!(frames.recv().await, Err(RecvError::Closed)) {} };
    time::timeout(Duration::from_secs(20), ended).await.expect("an end");
}

#[test]
fn a_pace_thins_out_evenly_and_survives_jitter() {
    let start = Instant::now();
    let taken = |fps: u32, times: &mut dyn Iterator<Item = u64>| {
        let mut pace = Pace::new(fps);
        times.filter(|ms| pace.take(start + Duration::from_millis(*ms), false)).count()
    };
    // Three seconds at 30 a second, give or take 12 ms.
    let jitter = |at: u64| at * 100 / 3 + [0, 12, 3, 9][at as usize % 4];
    assert_eq!(taken(30, &mut (0..90).map(jitter)), 90);
    assert!((44..=46).contains(&taken(15, &mut (0..90).map(jitter))));
    assert!((59..=61).contains(&taken(20, &mut (0..90).map(jitter))));
}

#[test]
fn figures_count_intervals() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    for at in 0..31 {
        let frame = EncodedFrame {
            data: vec![0; 1000].into(),
            key: false,
            temporal: 0,
            timestamp: 0,
            width: 16,
            height: 16,
            captured: start,
            encode_time: Duration::from_millis(4),
        };
        ledger.note(&frame, start + Duration::from_millis(at * 40));
    }
    let stats = ledger.read(start + Duration::from_millis(1200));
    assert!((stats.fps - 25.0).abs() < 0.1 && (stats.encode_ms - 4.0).abs() < 0.1, "{stats:?}");
    assert!(stats.bitrate.abs_diff(200_000) < 2_000, "{stats:?}");
    assert!(ledger.read(start + Duration::from_secs(5)).fps == 0.0);
}

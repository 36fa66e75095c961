use std::{fs, io::Write};

use super::*;
use crate::video::pattern::{self, read_counter};

const PATIENCE: Duration = Duration::from_secs(20);

async fn event(events: &mut mpsc::Receiver<CameraEvent>) -> CameraEvent {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("a camera that lives")
}

async fn picture(slot: &mut watch::Receiver<Option<Arc<Picture>>>) -> Arc<Picture> {
    loop {
        tokio::time::timeout(PATIENCE, slot.changed()).await.expect("a picture in time").expect("a camera that lives");
        if let Some(picture) = slot.borrow_and_update().clone() {
            return picture;
        }
    }
}

fn open(spec: &str) -> (Camera, mpsc::Receiver<CameraEvent>) {
    let (sender, events) = mpsc::channel(8);
    (Camera::open(spec.parse().unwrap(), VideoFormat::default(), sender), events)
}

#[tokio::test]
async fn the_pattern_starts_and_counts() {
    let (camera, mut events) = open("pattern:160x90@30");
    let format = VideoFormat { width: 160, height: 90, fps: 30 };
    assert_eq!(event(&mut events).await, CameraEvent::Started { name: "Test pattern".to_owned(), format });
    let mut slot = camera.latest();
    let first = picture(&mut slot).await;
    let mut last = first.clone();
    for _ in 0..30 {
        let next = picture(&mut slot).await;
        assert!(read_counter(&next) > read_counter(&last));
        last = next;
    }
    let counted = f64::from(read_counter(&last).unwrap() - read_counter(&first).unwrap());
    let rate = counted / (last.captured - first.captured).as_secs_f64();
    // A machine that is too busy skips beats; none comes early.
    assert!((10.0..31.0).contains(&rate), "{rate}");
}

#[tokio::test]
async fn a_film_is_played_in_a_loop_at_its_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.y4m");
    let mut file = fs::File::create(&path).unwrap();
    writeln!(file, "YUV4MPEG2 W160 H90 F25:1 Ip C420jpeg").unwrap();
    for counter in 0..5 {
        writeln!(file, "FRAME").unwrap();
        file.write_all(&pattern::draw(160, 90, counter, Instant::now()).unwrap().data).unwrap();
    }
    let (camera, mut events) = open(&format!("file:{}", path.display()));
    let format = VideoFormat { width: 160, height: 90, fps: 25 };
    assert_eq!(event(&mut events).await, CameraEvent::Started { name: "film.y4m".to_owned(), format });
    let mut slot = camera.latest();
    let (mut seen, start) = ([false; 5], Instant::now());
    while seen != [true; 5] {
        assert!(start.elapsed() < PATIENCE, "{seen:?}");
        seen[read_counter(&*picture(&mut slot).await).unwrap() as usize] = true;
    }
}

#[tokio::test]
async fn a_film_that_cannot_be_played_is_trouble_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.y4m");
    let (_camera, mut events) = open(&format!("file:{}", path.display()));
    let CameraEvent::Trouble { trouble, detail } = event(&mut events).await else { panic!("it plays") };
    assert!(trouble == DeviceTrouble::Failed && detail.contains("No such file"), "{detail}");
    let film = [b"YUV4MPEG2 W16 H16 F30:1\nFRAME\n".as_slice(), &[0; 384]].concat();
    fs::write(folder.path().join("next"), film).unwrap();
    fs::rename(folder.path().join("next"), &path).unwrap();
    assert!(matches!(event(&mut events).await, CameraEvent::Started { .. }));
}

#[tokio::test]
async fn no_camera_gives_nothing() {
    let (camera, mut events) = open("none");
    assert_eq!(events.recv().await, None);
    assert!(camera.latest().borrow().is_none());
}

#[tokio::test]
async fn many_read_the_same_picture() {
    let (camera, _events) = open("pattern:64x64@30");
    let (mut one, mut other) = (camera.latest(), camera.latest());
    let (first, _) = tokio::join!(picture(&mut one), picture(&mut other));
    assert_eq!((first.width, first.height), (64, 64));
}

#[tokio::test]
async fn a_dropped_camera_ends() {
    let (camera, mut events) = open("pattern:64x64@30");
    let mut slot = camera.latest();
    picture(&mut slot).await;
    drop(camera);
    let ended = async { while slot.changed().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("a slot that closes");
    while events.recv().await.is_some() {}
}

#[tokio::test]
async fn of_events_that_are_not_read_the_newest_is_kept() {
    let (sender, mut events) = mpsc::channel(1);
    let mut reporter = Reporter::new(sender);
    let trouble = |detail: &str| Fault::new(DeviceTrouble::Busy, detail);
    for detail in ["first", "second", "third"] {
        let Fault { trouble, detail } = trouble(detail);
        reporter.report(CameraEvent::Trouble { trouble, detail });
    }
    let detail = |event| match event {
        CameraEvent::Trouble { detail, .. } => detail,
        CameraEvent::Started { .. } | CameraEvent::Recovered => String::new(),
    };
    assert_eq!(detail(event(&mut events).await), "first");
    reporter.flush();
    assert_eq!(detail(event(&mut events).await), "third");
}

use std::{fs, time::Duration};

use parlor_media::video::{
    CameraEvent, Picture, cameras,
    pattern::{Pattern, read_counter},
};
use parlor_protocol::{device::VideoFormat, ui::DeviceTrouble};

use crate::rig::{self, FRAMES, Rig};

const QVGA: &[&str] = &["YUYV 320 240 30"];

macro_rules! tests {
    ($(async fn $name:ident($rig:ident) $body:block)*) => {$(
        #[test]
        fn $name() {
            Rig::run(concat!("video::", stringify!($name)), async |$rig: Rig| $body);
        }
    )*};
}

tests! {
    async fn yuyv_comes_as_it_is(rig) {
        delivers(&rig, "YUYV", 0.5).await;
    }

    async fn nv12_comes_as_it_is(rig) {
        delivers(&rig, "NV12", 0.0).await;
    }

    async fn mjpeg_comes_nearly_as_it_is(rig) {
        delivers(&rig, "MJPG", 4.0).await;
    }

    async fn cameras_are_listed_while_they_are_plugged_in(rig) {
        assert_eq!(cameras(), []);
        rig.plug(3, "Logi", QVGA);
        rig.plug(0, "Built-in", QVGA);
        // A webcam's second node gives metadata, not pictures.
        rig.plug(1, "Built-in", QVGA);
        fs::write(rig.file(1, "index"), "1\n").unwrap();
        let named = |name: &str| (name.to_owned(), name.to_owned());
        assert_eq!(cameras(), [named("Built-in"), named("Logi")]);
        rig.set(0, "unplug");
        assert_eq!(cameras(), [named("Logi")]);
    }

    async fn the_first_camera_is_used_where_none_is_named(rig) {
        rig.plug(2, "Logi", QVGA);
        rig.plug(0, "Built-in", QVGA);
        assert_eq!(rig.open(None).started().await.0, "Built-in");
        assert_eq!(rig.open(Some("Logi")).started().await.0, "Logi");
    }

    async fn the_mode_that_is_fast_enough_is_used(rig) {
        rig.plug(0, "Webcam", &["YUYV 320 240 10", "MJPG 320 240 30", "YUYV 160 120 30"]);
        fs::write(rig.file(0, "source.MJPG.320x240"), rig::film("MJPG", 320, 240)).unwrap();
        assert_eq!(rig.open(None).started().await.1, VideoFormat { width: 320, height: 240, fps: 30 });
    }

    async fn large_pictures_are_scaled_down(rig) {
        rig.plug(0, "Webcam", &["YUYV 1280 720 30"]);
        let mut camera = rig.open(None);
        assert_eq!(camera.started().await.1, VideoFormat { width: 320, height: 180, fps: 30 });
        let picture = camera.picture().await;
        assert_eq!((picture.width, picture.height), (320, 180));
    }

    async fn of_a_camera_that_is_too_fast_every_second_picture_is_left_out(rig) {
        rig.plug(0, "Webcam", &["YUYV 320 240 60"]);
        let mut camera = rig.open(None);
        assert_eq!(camera.started().await.1, VideoFormat { width: 320, height: 240, fps: 30 });
        let first = camera.picture().await;
        let mut last = first.clone();
        while last.captured - first.captured < Duration::from_secs(2) {
            last = camera.picture().await;
        }
        let rate = (last.number - first.number) as f64 / (last.captured - first.captured).as_secs_f64();
        assert!((10.0..33.0).contains(&rate), "{rate} pictures a second");
    }

    async fn a_camera_that_is_pulled_out_is_unplugged_until_it_is_back(rig) {
        rig.plug(0, "Webcam", QVGA);
        let mut camera = rig.open(None);
        camera.started().await;
        rig.set(0, "unplug");
        assert_eq!(camera.trouble().await, DeviceTrouble::Unplugged);
        assert!(camera.camera.latest().borrow().is_none());
        rig.set(0, "ok");
        assert_eq!(camera.event().await, CameraEvent::Recovered);
        camera.picture().await;
    }

    async fn a_named_camera_is_taken_back_at_another_number(rig) {
        rig.plug(0, "Built-in", QVGA);
        rig.plug(1, "Webcam", QVGA);
        let mut camera = rig.open(Some("Webcam"));
        assert_eq!(camera.started().await.0, "Webcam");
        rig.set(1, "unplug");
        assert_eq!(camera.trouble().await, DeviceTrouble::Unplugged);
        rig.plug(5, "Webcam", QVGA);
        assert_eq!(camera.event().await, CameraEvent::Recovered);
        camera.picture().await;
    }

    async fn without_a_name_another_camera_takes_over(rig) {
        rig.plug(0, "Built-in", QVGA);
        rig.plug(1, "Webcam", QVGA);
        let mut camera = rig.open(None);
        assert_eq!(camera.started().await.0, "Built-in");
        rig.set(0, "unplug");
        assert_eq!(camera.trouble().await, DeviceTrouble::Unplugged);
        assert_eq!(camera.started().await.0, "Webcam");
    }

    async fn without_any_camera_one_is_missing_until_it_is_plugged_in(rig) {
        let mut camera = rig.open(None);
        assert_eq!(camera.trouble().await, DeviceTrouble::Missing);
        rig.plug(0, "Webcam", QVGA);
        assert_eq!(camera.started().await.0, "Webcam");
    }

    async fn a_named_camera_is_missing_though_there_are_others(rig) {
        rig.plug(0, "Built-in", QVGA);
        assert_eq!(rig.open(Some("Webcam")).trouble().await, DeviceTrouble::Missing);
    }

    async fn a_camera_of_another_program_is_busy_until_that_lets_go(rig) {
        rig.plug(0, "Webcam", QVGA);
        let other = rig.occupy(0).unwrap();
        let mut camera = rig.open(None);
        assert_eq!(camera.trouble().await, DeviceTrouble::Busy);
        drop(other);
        camera.started().await;
    }

    async fn a_driver_that_says_busy_is_busy(rig) {
        rig.plug(0, "Webcam", &["MJPG 320 240 15", "YUYV 320 240 30"]);
        rig.set(0, "busy");
        assert_eq!(rig.open(None).trouble().await, DeviceTrouble::Busy);
    }

    async fn a_camera_that_the_system_withholds_is_denied(rig) {
        rig.plug(0, "Webcam", QVGA);
        rig.set(0, "deny");
        let mut camera = rig.open(None);
        assert_eq!(camera.trouble().await, DeviceTrouble::Denied);
        rig.set(0, "ok");
        camera.started().await;
    }

    async fn a_camera_that_is_taken_while_it_is_out_is_busy_until_it_is_free(rig) {
        rig.plug(0, "Webcam", QVGA);
        let mut camera = rig.open(None);
        camera.started().await;
        rig.set(0, "unplug");
        assert_eq!(camera.trouble().await, DeviceTrouble::Unplugged);
        // Ours may still be closing.
        let other = loop {
            match rig.occupy(0) {
                Some(other) => break other,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        rig.set(0, "ok");
        assert_eq!(camera.trouble().await, DeviceTrouble::Busy);
        drop(other);
        assert_eq!(camera.event().await, CameraEvent::Recovered);
        rig.set(0, "unplug");
        assert_eq!(camera.trouble().await, DeviceTrouble::Unplugged);
        rig.set(0, "deny");
        assert_eq!(camera.trouble().await, DeviceTrouble::Denied);
        rig.set(0, "ok");
        assert_eq!(camera.event().await, CameraEvent::Recovered);
        camera.picture().await;
    }

    async fn a_mode_that_is_refused_gives_way_to_the_next(rig) {
        rig.plug(0, "Webcam", &["YUYV 320 240 30", "NV12 320 240 30", "YUYV 160 120 30"]);
        fs::write(rig.file(0, "refuse"), "NV12 320 240 30\nYUYV 320 240 30").unwrap();
        let mut camera = rig.open(None);
        assert_eq!(camera.started().await.1, VideoFormat { width: 160, height: 120, fps: 30 });
        let picture = camera.picture().await;
        assert_eq!((picture.width, picture.height), (160, 120));
        assert!(camera.silent());
    }

    async fn a_camera_that_refuses_all_its_modes_fails_until_it_takes_one(rig) {
        rig.plug(0, "Webcam", QVGA);
        fs::write(rig.file(0, "refuse"), QVGA[0]).unwrap();
        let mut camera = rig.open(None);
        assert_eq!(camera.trouble().await, DeviceTrouble::Failed);
        fs::remove_file(rig.file(0, "refuse")).unwrap();
        camera.started().await;
        camera.picture().await;
    }

    async fn a_camera_that_never_begins_is_in_trouble_and_recovers(rig) {
        rig.plug(0, "Webcam", QVGA);
        rig.set(0, "stall");
        let mut camera = rig.open(None);
        assert_eq!(camera.trouble().await, DeviceTrouble::Failed);
        rig.set(0, "ok");
        assert_eq!(camera.started().await.0, "Webcam");
        camera.picture().await;
    }

    async fn a_mode_in_which_a_camera_hangs_is_not_tried_first_again(rig) {
        rig.plug(0, "Webcam", &["NV12 320 240 30", "YUYV 160 120 30"]);
        fs::write(rig.file(0, "hang"), "NV12 320 240 30").unwrap();
        let mut camera = rig.open(None);
        assert_eq!(camera.trouble().await, DeviceTrouble::Failed);
        assert_eq!(camera.started().await.1, VideoFormat { width: 160, height: 120, fps: 30 });
        camera.picture().await;
        // Neither when it is turned on again.
        drop(camera);
        assert_eq!(rig.open(None).started().await.1, VideoFormat { width: 160, height: 120, fps: 30 });
    }

    async fn a_camera_that_hangs_is_in_trouble_and_recovers(rig) {
        rig.plug(0, "Webcam", QVGA);
        let mut camera = rig.open(None);
        camera.started().await;
        camera.picture().await;
        rig.set(0, "stall");
        assert_eq!(camera.trouble().await, DeviceTrouble::Failed);
        // It is tried again meanwhile, and the thread that hangs must not make it look like another program's.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(camera.silent());
        rig.set(0, "ok");
        assert_eq!(camera.event().await, CameraEvent::Recovered);
        camera.picture().await;
    }

    async fn damaged_pictures_are_skipped_and_counted(rig) {
        rig.plug(0, "Webcam", &["MJPG 320 240 30"]);
        let pattern = Pattern::new(320, 240).unwrap();
        let frames = (0..FRAMES).map(|counter| {
            let mut frame = rig::frame(&pattern.draw(counter, std::time::Instant::now()), "MJPG");
            if counter % 3 == 2 {
                // It ends too early.
                frame.truncate(frame.len() / 3);
                frame.extend([0xff, 0xd9]);
            }
            frame
        });
        fs::write(rig.file(0, "source.MJPG.320x240"), frames.collect::<Vec<_>>().concat()).unwrap();
        let mut camera = rig.open(None);
        camera.started().await;
        for _ in 0..20 {
            let counter = read_counter(&*camera.picture().await).expect("a whole picture");
            assert_ne!(counter % 3, 2);
        }
        assert!(camera.camera.damaged() >= 5, "{}", camera.camera.damaged());
        assert!(camera.silent());
    }

    async fn a_camera_that_gives_nothing_but_damage_is_in_trouble(rig) {
        rig.plug(0, "Webcam", &["MJPG 320 240 30"]);
        assert_eq!(rig.open(None).trouble().await, DeviceTrouble::Failed);
    }

    async fn a_dropped_camera_lets_go_at_once(rig) {
        rig.plug(0, "Webcam", QVGA);
        let mut camera = rig.open(None);
        camera.started().await;
        assert!(rig.occupy(0).is_none());
        drop(camera);
        let released = async {
            while rig.occupy(0).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), released).await.expect("a camera that is free");
    }

    async fn a_camera_is_turned_off_and_on_without_trouble(rig) {
        rig.plug(0, "Webcam", QVGA);
        for _ in 0..3 {
            let mut camera = rig.open(None);
            camera.started().await;
            camera.picture().await;
        }
    }

    async fn one_camera_cannot_be_opened_twice(rig) {
        rig.plug(0, "Webcam", QVGA);
        let mut first = rig.open(None);
        first.started().await;
        let mut second = rig.open(None);
        assert_eq!(second.trouble().await, DeviceTrouble::Busy);
        drop(first);
        second.started().await;
    }
}

/// Opens a camera of one format that shows the pattern, and compares: rate, order, every pixel.
async fn delivers(rig: &Rig, format: &str, tolerance: f64) {
    rig.plug(0, "Webcam", &[&format!("{format} 320 240 30")]);
    fs::write(rig.file(0, &format!("source.{format}.320x240")), rig::film(format, 320, 240)).unwrap();
    let mut camera = rig.open(None);
    assert_eq!(camera.started().await, ("Webcam".to_owned(), VideoFormat { width: 320, height: 240, fps: 30 }));
    let pattern = Pattern::new(320, 240).unwrap();
    let first = camera.picture().await;
    let (mut last, mut steps) = (first.clone(), Vec::new());
    for _ in 0..60 {
        let picture = camera.picture().await;
        let counter = read_counter(&picture).expect("a picture that is whole");
        steps.push((counter + FRAMES - read_counter(&last).unwrap()) % FRAMES);
        let error = difference(&picture, &pattern.draw(counter, picture.captured));
        assert!(error <= tolerance, "{error} a pixel");
        last = picture;
    }
    let rate = f64::from(steps.iter().sum::<u32>()) / (last.captured - first.captured).as_secs_f64();
    assert!((28.0..32.0).contains(&rate), "the camera ran at {rate} a second");
    // A busy machine may miss some, but not every other one.
    assert!(steps.iter().filter(|step| **step == 1).count() > 30, "{steps:?}");
}

/// The mean difference of two pictures' bytes.
fn difference(one: &Picture, other: &Picture) -> f64 {
    assert_eq!((one.width, one.height), (other.width, other.height));
    let sum: u64 = one.data.iter().zip(&other.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.data.len() as f64
}

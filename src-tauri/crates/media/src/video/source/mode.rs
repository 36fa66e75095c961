//! Which of a camera's modes to use.

use nokhwa::utils::{CameraFormat, FrameFormat};
use parlor_protocol::device::VideoFormat;

use crate::video::MOST_SIDE;

/// What can be turned into pictures: NV12 is copied, YUYV halved, MJPEG decoded; grey loses colours.
pub(super) const FORMATS: [FrameFormat; 4] =
    [FrameFormat::NV12, FrameFormat::YUYV, FrameFormat::MJPEG, FrameFormat::GRAY];

/// How many modes are tried at most.
const TRIED: usize = 6;

/// The modes to try, the nearest first: smooth first, then the right size, then the least work. The last one is the smallest there
/// is: where a bus has no room for the others, it has for that. Behind it come those of them in which the camera hung before, and
/// of those the one that hung last at the end.
pub(super) fn ranked(modes: &[CameraFormat], want: VideoFormat, hung: &[CameraFormat]) -> Vec<CameraFormat> {
    let mut ranked: Vec<_> = modes.iter().filter(|mode| usable(mode)).copied().collect();
    ranked.sort_by_key(|mode| cost(mode, want));
    ranked.dedup();
    let moves = |mode: &CameraFormat| mode.frame_rate() >= 15;
    let bytes = |mode: &CameraFormat| u64::from(mode.width() * mode.height()) * traffic(mode.format());
    let smallest = ranked.iter().min_by_key(|mode| (!moves(mode), bytes(mode))).copied();
    if ranked.len() > TRIED {
        ranked.truncate(TRIED - 1);
        ranked.extend(smallest.filter(|smallest| !ranked.contains(smallest)));
    }
    ranked.sort_by_key(|mode| hung.iter().position(|other| other == mode));
    ranked
}

fn usable(mode: &CameraFormat) -> bool {
    let fits = |side: u32| (16..=MOST_SIDE).contains(&side);
    FORMATS.contains(&mode.format()) && fits(mode.width()) && fits(mode.height()) && mode.frame_rate() > 0
}

/// Compared from left to right.
fn cost(mode: &CameraFormat, want: VideoFormat) -> (bool, u32, u64, u32, u64) {
    let (rate, wanted) = (mode.frame_rate(), want.fps.max(1));
    // 25 instead of 30 is no reason for another size; 15 or 10 is.
    let smoothness = match rate * 100 / wanted {
        80.. => 0,
        45..80 => 1,
        _ => 2,
    };
    let grey = mode.format() == FrameFormat::GRAY;
    (grey, smoothness, distance(mode, want), wanted.saturating_sub(rate), work(mode, want))
}

/// What turning a second of it into pictures costs, in tenths of a nanosecond, measured on one shared core.
fn work(mode: &CameraFormat, want: VideoFormat) -> u64 {
    let pixel = match mode.format() {
        FrameFormat::GRAY => 1,
        FrameFormat::NV12 => 4,
        FrameFormat::YUYV => 5,
        FrameFormat::MJPEG | FrameFormat::RAWRGB | FrameFormat::RAWBGR => 40,
    };
    // Pictures that come faster than was wanted are left out, but for their way here.
    let rate = u64::from(mode.frame_rate().min(want.fps)) * pixel + u64::from(mode.frame_rate());
    u64::from(mode.width()) * u64::from(mode.height()) * rate
}

/// Eighths of a byte for a pixel, on the way from the camera.
fn traffic(format: FrameFormat) -> u64 {
    match format {
        FrameFormat::MJPEG => 1,
        FrameFormat::GRAY => 8,
        FrameFormat::NV12 => 12,
        FrameFormat::YUYV => 16,
        FrameFormat::RAWRGB | FrameFormat::RAWBGR => 24,
    }
}

/// How many pixels are missing, counted four times, or superfluous: those are scaled away.
fn distance(mode: &CameraFormat, want: VideoFormat) -> u64 {
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let common = area(mode.width().min(want.width), mode.height().min(want.height));
    let (has, wanted) = (area(mode.width(), mode.height()), area(want.width, want.height));
    4 * (wanted - common) + (has - common)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NV12: FrameFormat = FrameFormat::NV12;
    const YUYV: FrameFormat = FrameFormat::YUYV;
    const MJPEG: FrameFormat = FrameFormat::MJPEG;

    type Mode = (FrameFormat, u32, u32, u32);

    fn tried(modes: &[Mode], want: VideoFormat) -> Vec<Mode> {
        tried_after(modes, want, &[])
    }

    /// The same where the camera hung in some of them before.
    fn tried_after(modes: &[Mode], want: VideoFormat, hung: &[Mode]) -> Vec<Mode> {
        let format = |(f, w, h, fps): &Mode| CameraFormat::new_from(*w, *h, *f, *fps);
        let (modes, hung): (Vec<_>, Vec<_>) = (modes.iter().map(format).collect(), hung.iter().map(format).collect());
        let tuple = |mode: CameraFormat| (mode.format(), mode.width(), mode.height(), mode.frame_rate());
        ranked(&modes, want, &hung).into_iter().map(tuple).collect()
    }

    fn chosen(modes: &[Mode]) -> Option<Mode> {
        tried(modes, VideoFormat { width: 1280, height: 720, fps: 30 }).first().copied()
    }

    /// All sizes of a format at all rates.
    fn each(format: FrameFormat, sizes: &[(u32, u32)], rates: &[u32]) -> Vec<Mode> {
        sizes.iter().flat_map(|(w, h)| rates.iter().map(|fps| (format, *w, *h, *fps))).collect()
    }

    /// A webcam on USB 2: large pictures are fast as JPEG alone.
    fn usb2() -> Vec<Mode> {
        let small = [(160, 90), (160, 120), (320, 180), (320, 240), (640, 360), (640, 480)];
        let large = [(800, 600), (864, 480), (960, 720), (1280, 720), (1600, 896), (1920, 1080)];
        [
            each(YUYV, &small, &[5, 10, 15, 20, 24, 30]),
            each(YUYV, &[(800, 600), (864, 480)], &[5, 10, 15, 20, 24]),
            each(YUYV, &[(1280, 720)], &[5, 10]),
            each(YUYV, &[(1920, 1080)], &[5]),
            each(MJPEG, &small, &[5, 10, 15, 20, 24, 30]),
            each(MJPEG, &large, &[5, 10, 15, 20, 24, 30]),
        ]
        .concat()
    }

    #[test]
    fn of_what_real_cameras_offer_thirty_pictures_of_the_size_for_the_least_work_are_taken() {
        let laptop = [
            each(MJPEG, &[(1280, 720), (960, 540), (848, 480), (640, 480), (640, 360)], &[30]),
            each(YUYV, &[(640, 480), (640, 360), (424, 240), (320, 240)], &[30]),
            each(YUYV, &[(1280, 720)], &[10]),
        ]
        .concat();
        let usb3 = [
            each(YUYV, &[(640, 480), (1280, 720)], &[15, 24, 30]),
            each(NV12, &[(640, 480), (1280, 720)], &[15, 24, 30]),
            each(MJPEG, &[(1280, 720), (1920, 1080)], &[30, 60, 90]),
        ]
        .concat();
        let grabber = [(YUYV, 1920, 1080, 60), (NV12, 1920, 1080, 60), (MJPEG, 1920, 1080, 60)];
        let fast = [(MJPEG, 1280, 720, 30), (YUYV, 1280, 720, 60), (MJPEG, 1280, 720, 60)];
        let tall = [(MJPEG, 1280, 960, 30), (MJPEG, 1280, 720, 30), (YUYV, 1280, 960, 7), (YUYV, 640, 480, 30)];
        let old = [(YUYV, 1280, 1024, 7), (YUYV, 640, 480, 30), (YUYV, 352, 288, 30), (YUYV, 320, 240, 30)];
        let infrared = [(FrameFormat::GRAY, 640, 360, 15), (FrameFormat::GRAY, 640, 360, 30)];
        for (name, modes, best) in [
            ("USB 2", &usb2()[..], (MJPEG, 1280, 720, 30)),
            ("a laptop's", &laptop[..], (MJPEG, 1280, 720, 30)),
            ("USB 3", &usb3[..], (NV12, 1280, 720, 30)),
            ("a grabber that has one size", &grabber[..], (NV12, 1920, 1080, 60)),
            ("one that is fast", &fast[..], (YUYV, 1280, 720, 60)),
            ("one with taller pictures too", &tall[..], (MJPEG, 1280, 720, 30)),
            ("an old one", &old[..], (YUYV, 640, 480, 30)),
            ("an infrared one", &infrared[..], (FrameFormat::GRAY, 640, 360, 30)),
            ("a program's", &[(YUYV, 1920, 1080, 30)][..], (YUYV, 1920, 1080, 30)),
        ] {
            let mut backwards = modes.to_vec();
            backwards.reverse();
            assert_eq!((chosen(modes), chosen(&backwards)), (Some(best), Some(best)), "{name}");
        }
        let small = VideoFormat { width: 640, height: 360, fps: 30 };
        assert_eq!(tried(&usb2(), small)[0], (YUYV, 640, 360, 30), "raw where the bus bears it");
        let slow = VideoFormat { width: 1280, height: 720, fps: 10 };
        assert_eq!(tried(&usb2(), slow)[0], (YUYV, 1280, 720, 10));
    }

    #[test]
    fn what_is_tried_after_refusals_ends_with_what_any_bus_bears() {
        let tried = tried(&usb2(), VideoFormat { width: 1280, height: 720, fps: 30 });
        assert_eq!(tried.len(), TRIED);
        assert_eq!((tried[0], tried[TRIED - 1]), ((MJPEG, 1280, 720, 30), (MJPEG, 160, 90, 30)));
        let different: std::collections::BTreeSet<_> = tried.iter().map(|mode| format!("{mode:?}")).collect();
        assert_eq!(different.len(), TRIED);
    }

    #[test]
    fn a_mode_that_hung_is_tried_last_and_the_one_that_hung_longest_ago_first_of_them() {
        let want = VideoFormat { width: 1280, height: 720, fps: 30 };
        let (first, second, third) = ((NV12, 1280, 720, 30), (YUYV, 1280, 720, 30), (MJPEG, 1280, 720, 30));
        let modes = [first, second, third];
        assert_eq!(tried_after(&modes, want, &[first]), [second, third, first]);
        assert_eq!(tried_after(&modes, want, &[first, second]), [third, first, second]);
        assert_eq!(tried_after(&modes, want, &[second, third, first]), [second, third, first]);
        assert_eq!(tried_after(&modes, want, &[(NV12, 640, 480, 30)]), modes, "one that it does not have");
        // The best of many, too, is tried once more in the end.
        let tried = tried_after(&usb2(), want, &[(MJPEG, 1280, 720, 30)]);
        assert_eq!((tried.len(), tried[TRIED - 1]), (TRIED, (MJPEG, 1280, 720, 30)));
    }

    #[test]
    fn the_exact_size_at_the_rate_wins() {
        let best = (YUYV, 1280, 720, 30);
        assert_eq!(chosen(&[(YUYV, 640, 480, 30), (YUYV, 1920, 1080, 30), best, (YUYV, 1280, 720, 60)]), Some(best));
    }

    #[test]
    fn the_least_work_wins() {
        let all = [(MJPEG, 1280, 720, 30), (YUYV, 1280, 720, 30), (NV12, 1280, 720, 30)];
        assert_eq!(chosen(&all), Some(all[2]));
        assert_eq!(chosen(&all[..2]), Some(all[1]));
    }

    #[test]
    fn mjpeg_is_taken_where_yuyv_is_slow() {
        let fast = (MJPEG, 1280, 720, 30);
        assert_eq!(chosen(&[(YUYV, 1280, 720, 10), fast, (YUYV, 640, 480, 30)]), Some(fast));
    }

    #[test]
    fn a_smaller_size_is_better_than_a_slide_show() {
        let smooth = (YUYV, 640, 480, 30);
        assert_eq!(chosen(&[(YUYV, 1280, 720, 10), smooth]), Some(smooth));
    }

    #[test]
    fn slightly_slow_is_better_than_smaller() {
        let large = (YUYV, 1280, 720, 25);
        assert_eq!(chosen(&[large, (YUYV, 640, 480, 30)]), Some(large));
    }

    #[test]
    fn grey_is_for_want_of_anything_else() {
        let colour = (YUYV, 160, 120, 15);
        assert_eq!(chosen(&[(FrameFormat::GRAY, 1280, 720, 30), colour]), Some(colour));
    }

    #[test]
    fn what_cannot_be_used_is_not_chosen() {
        assert_eq!(chosen(&[(FrameFormat::RAWRGB, 1280, 720, 30), (YUYV, 8000, 4000, 30), (YUYV, 640, 480, 0)]), None);
    }
}

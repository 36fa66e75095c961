//! Which of a camera's modes to use.

use nokhwa::utils::{CameraFormat, FrameFormat};
use parlor_protocol::device::VideoFormat;

use crate::video::MOST_SIDE;

/// The modes that can be turned into pictures, the cheapest first: NV12 is copied, YUYV halved, MJPEG decoded; grey loses colours.
pub(super) const FORMATS: [FrameFormat; 4] =
    [FrameFormat::NV12, FrameFormat::YUYV, FrameFormat::MJPEG, FrameFormat::GRAY];

/// The mode that comes nearest: smooth first, then the right size, then the least work.
pub(super) fn choose(modes: &[CameraFormat], want: VideoFormat) -> Option<CameraFormat> {
    modes.iter().filter(|mode| usable(mode)).copied().min_by_key(|mode| cost(mode, want))
}

fn usable(mode: &CameraFormat) -> bool {
    let fits = |side: u32| (16..=MOST_SIDE).contains(&side);
    FORMATS.contains(&mode.format()) && fits(mode.width()) && fits(mode.height()) && mode.frame_rate() > 0
}

/// Compared from left to right.
fn cost(mode: &CameraFormat, want: VideoFormat) -> (bool, u32, u64, u32, u32, usize) {
    let (rate, wanted) = (mode.frame_rate(), want.fps.max(1));
    // 25 instead of 30 is no reason for another size; 15 or 10 is.
    let smoothness = match rate * 100 / wanted {
        80.. => 0,
        45..80 => 1,
        _ => 2,
    };
    let colour = FORMATS.iter().position(|format| *format == mode.format()).unwrap_or(FORMATS.len());
    let grey = mode.format() == FrameFormat::GRAY;
    (grey, smoothness, distance(mode, want), wanted.saturating_sub(rate), rate.saturating_sub(wanted), colour)
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

    fn chosen(modes: &[(FrameFormat, u32, u32, u32)]) -> Option<(FrameFormat, u32, u32, u32)> {
        let modes: Vec<_> = modes.iter().map(|(f, w, h, fps)| CameraFormat::new_from(*w, *h, *f, *fps)).collect();
        let want = VideoFormat { width: 1280, height: 720, fps: 30 };
        choose(&modes, want).map(|mode| (mode.format(), mode.width(), mode.height(), mode.frame_rate()))
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

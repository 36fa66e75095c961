//! The renditions of one camera: its picture, and that halved until it is small.

use std::sync::Arc;

use parlor_protocol::device::VideoFormat;
use tokio::sync::watch;

use super::{Rendition, RenditionStats};
use crate::video::{Picture, fit};

/// The largest picture that is sent.
const LARGEST: (u32, u32) = (1280, 720);
/// A picture of more pixels has another of half its sides below it, so 1280x720 gives 640x360 and 320x180.
const SMALL: u32 = 100_000;
/// How many renditions there are at most.
const MOST: usize = 3;
/// How far pictures can be reduced.
pub(super) const MOST_STEPS: u8 = 4;

/// The renditions of one camera, the smallest first. Each encodes only while somebody subscribes to it.
#[derive(Debug)]
pub struct Ladder {
    camera: VideoFormat,
    renditions: Vec<Rendition>,
}

impl Ladder {
    /// Of a camera that gives pictures of this size and rate into the slot.
    pub fn spawn(slot: &watch::Receiver<Option<Arc<Picture>>>, camera: VideoFormat) -> Self {
        let renditions = formats(camera, 0).into_iter().map(|format| Rendition::spawn(slot.clone(), format)).collect();
        Self { camera, renditions }
    }

    /// The renditions, the smallest first.
    pub fn renditions(&self) -> &[Rendition] {
        &self.renditions
    }

    /// Spares the machine: the largest picture gets smaller, then all get rarer. `steps` from 0, all of it, to 4. Gives the
    /// formats of the renditions that are left, the smallest first.
    pub fn reduce(&self, steps: u8) -> Vec<VideoFormat> {
        let formats = formats(self.camera, steps);
        for (rendition, format) in self.renditions.iter().zip(&formats) {
            rendition.set_format(*format);
        }
        formats
    }

    /// Of the renditions that work: how many they are, the largest one's figures, the most that one of them worked, and the
    /// pictures that all of them missed since the beginning.
    pub fn stats(&self) -> (u32, RenditionStats) {
        let all: Vec<_> = self.renditions.iter().map(Rendition::stats).collect();
        let working: Vec<_> = all.iter().filter(|stats| stats.fps > 0.0).collect();
        let [busy, whole] = [|stats: &RenditionStats| stats.busy, |stats: &RenditionStats| stats.whole]
            .map(|part| all.iter().map(part).fold(0.0, f64::max));
        let missed = all.iter().map(|stats| stats.missed).sum();
        let largest = working.last().copied().copied().unwrap_or_default();
        (working.len() as u32, RenditionStats { busy, whole, missed, ..largest })
    }
}

/// The formats of a camera's renditions, reduced by so many steps, the smallest first.
fn formats(camera: VideoFormat, steps: u8) -> Vec<VideoFormat> {
    let top = fit((camera.width, camera.height), LARGEST);
    let mut sizes = vec![top];
    while let Some(&(width, height)) = sizes.last()
        && width.saturating_mul(height) > SMALL
        && sizes.len() < MOST
    {
        sizes.push(fit(top, (width / 2, height / 2)));
    }
    sizes.reverse();
    let three_quarters = |(width, height): (u32, u32)| fit((width, height), (width * 3 / 4, height * 3 / 4));
    match (steps, sizes.len()) {
        (0, _) => {}
        // Half of the largest is the next one, where there is one.
        (2.., 2..) => sizes.truncate(sizes.len() - 1),
        (1.., _) => sizes.last_mut().into_iter().for_each(|largest| *largest = three_quarters(*largest)),
    }
    let fps = match steps {
        0..=2 => camera.fps,
        3 => camera.fps.min(24),
        4.. => camera.fps.min(15),
    };
    sizes.into_iter().map(|(width, height)| VideoFormat { width, height, fps }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes(width: u32, height: u32, steps: u8) -> Vec<(u32, u32, u32)> {
        let formats = formats(VideoFormat { width, height, fps: 30 }, steps);
        formats.into_iter().map(|format| (format.width, format.height, format.fps)).collect()
    }

    #[test]
    fn a_camera_is_halved_until_it_is_small_in_its_own_shape() {
        assert_eq!(sizes(1280, 720, 0), [(320, 180, 30), (640, 360, 30), (1280, 720, 30)]);
        assert_eq!(sizes(1920, 1080, 0), sizes(1280, 720, 0));
        assert_eq!(sizes(640, 360, 0), [(320, 180, 30), (640, 360, 30)]);
        assert_eq!(sizes(640, 480, 0), [(320, 240, 30), (640, 480, 30)]);
        assert_eq!(sizes(1600, 1200, 0), [(240, 180, 30), (480, 360, 30), (960, 720, 30)]);
        assert_eq!(sizes(1080, 1920, 0), [(202, 360, 30), (404, 720, 30)]);
        assert_eq!(sizes(320, 180, 0), [(320, 180, 30)]);
    }

    #[test]
    fn a_busy_machine_gets_a_smaller_largest_picture_then_fewer_pictures() {
        assert_eq!(sizes(1280, 720, 1), [(320, 180, 30), (640, 360, 30), (960, 540, 30)]);
        assert_eq!(sizes(1280, 720, 2), [(320, 180, 30), (640, 360, 30)]);
        assert_eq!(sizes(1280, 720, 3), [(320, 180, 24), (640, 360, 24)]);
        assert_eq!(sizes(1280, 720, 4), [(320, 180, 15), (640, 360, 15)]);
        assert_eq!(sizes(320, 180, 4), [(240, 134, 15)]);
    }

    proptest! {
        #[test]
        fn any_camera_has_renditions_that_grow(
            width in 1u32..5000, height in 1u32..5000, fps in 0u32..200, steps in 0u8..6,
        ) {
            let camera = VideoFormat { width, height, fps };
            let formats = formats(camera, steps);
            prop_assert!((1..=MOST).contains(&formats.len()));
            prop_assert!(formats.windows(2).all(|pair| pair[0].width <= pair[1].width && pair[0].height <= pair[1].height));
            prop_assert!(formats.iter().all(|format| format.width >= 2 && format.height >= 2 && format.fps <= fps));
        }
    }
}

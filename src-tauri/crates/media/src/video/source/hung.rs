//! Which modes of a camera hung when they were tried, for as long as the program runs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use nokhwa::utils::CameraFormat;

/// By the camera's id, the one that hung last at the end. There are no more than modes.
static HUNG: Mutex<BTreeMap<String, Vec<CameraFormat>>> = Mutex::new(BTreeMap::new());

/// The modes in which a camera hung, the one that hung last at the end.
pub(super) fn of(id: &str) -> Vec<CameraFormat> {
    HUNG.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned().unwrap_or_default()
}

/// A camera hung in a mode.
pub(super) fn remember(id: &str, mode: CameraFormat) {
    let mut hung = HUNG.lock().unwrap_or_else(PoisonError::into_inner);
    let modes = hung.entry(id.to_owned()).or_default();
    modes.retain(|other| *other != mode);
    modes.push(mode);
}

#[cfg(test)]
mod tests {
    use nokhwa::utils::FrameFormat;

    use super::*;

    #[test]
    fn each_camera_has_its_own_and_the_last_one_is_at_the_end() {
        let mode = |width| CameraFormat::new_from(width, 480, FrameFormat::YUYV, 30);
        for width in [640, 800, 640] {
            remember("a test's camera", mode(width));
        }
        assert_eq!(of("a test's camera"), [mode(800), mode(640)]);
        assert_eq!(of("another test's camera"), []);
    }
}

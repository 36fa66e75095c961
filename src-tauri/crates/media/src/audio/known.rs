//! What was learned of a sound device while this program runs. A device that is closed and opened again is still the same.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::device::Direction;

/// One device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// It ran dry again and again with short callbacks.
    pub(crate) dry: bool,
    /// What is no voice is taken out of its sound: its silence means nothing.
    pub(crate) pauses: bool,
}

/// By direction and the system's id. There are never more than were plugged in.
static DEVICES: Mutex<BTreeMap<(Direction, String), Known>> = Mutex::new(BTreeMap::new());

/// What is known of a device.
pub(crate) fn of(direction: Direction, id: &str) -> Known {
    let devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    devices.get(&(direction, id.to_owned())).copied().unwrap_or_default()
}

/// Keeps what was learned of a device.
pub(crate) fn learn(direction: Direction, id: &str, what: impl FnOnce(&mut Known)) {
    let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    what(devices.entry((direction, id.to_owned())).or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_known_by_itself() {
        learn(Direction::Playback, "test:one", |known| known.dry = true);
        learn(Direction::Playback, "test:one", |known| known.pauses = true);
        assert_eq!(of(Direction::Playback, "test:one"), Known { dry: true, pauses: true });
        assert_eq!(of(Direction::Capture, "test:one"), Known::default());
        assert_eq!(of(Direction::Playback, "test:other"), Known::default());
    }
}

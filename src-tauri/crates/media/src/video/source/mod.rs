//! Where pictures come from: devices, files, the test pattern, behind one trait.

mod claim;
mod convert;
mod device;
mod fault;
mod hung;
mod list;
mod mode;
mod paced;
mod y4m;

use std::sync::atomic::AtomicBool;

use parlor_protocol::{
    device::{CameraSpec, VideoFormat},
    ui::DeviceTrouble,
};

use super::{Picture, event::Fault};

/// All cameras there are: an id that a camera keeps when it is plugged in again, and its name for people.
pub fn cameras() -> Vec<(String, String)> {
    list::entries().into_iter().map(|entry| (entry.id, entry.name)).collect()
}

/// A running source of pictures. Made, used and dropped on one thread.
pub(super) trait CameraSource {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// What it gives: no larger and no faster than was wanted.
    fn format(&self) -> VideoFormat;

    /// Waits for the next picture, for ever if the device hangs. `None` for one that was damaged and skipped.
    fn next(&mut self) -> Result<Option<Picture>, Fault>;
}

/// Opens what the spec says, for pictures of at most this size and about this rate. May take seconds, and for ever if the device
/// hangs; `stop` says meanwhile that nobody waits for it any more.
pub(super) fn open(spec: &CameraSpec, want: VideoFormat, stop: &AtomicBool) -> Result<Box<dyn CameraSource>, Fault> {
    match spec {
        CameraSpec::Device(id) => Ok(Box::new(device::Device::open(id.as_deref(), want, stop)?)),
        CameraSpec::Pattern(format) => Ok(Box::new(paced::Synthetic::open(*format)?)),
        CameraSpec::File(path) => Ok(Box::new(paced::Film::open(path)?)),
        CameraSpec::None => Err(Fault::new(DeviceTrouble::Missing, "no camera was chosen")),
    }
}

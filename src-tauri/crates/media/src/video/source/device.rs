//! Real cameras.

use std::time::{Duration, Instant};

use nokhwa::{
    Camera, NokhwaError,
    utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType},
};
use parlor_protocol::{device::VideoFormat, ui::DeviceTrouble};

use super::{
    CameraSource,
    claim::Claim,
    convert::{self, Jpeg},
    fault, list,
    mode::{self, FORMATS},
};
use crate::video::{Error, Picture, event::Fault, fit, scale};

/// How long to wait for an earlier owner in this process to let go: a frame, and closing.
const RELEASE: Duration = Duration::from_secs(1);

/// A device that delivers.
pub(super) struct Device {
    // Closed before the claim is given up: fields are dropped in this order.
    camera: Camera,
    jpeg: Option<Jpeg>,
    name: String,
    mode: CameraFormat,
    format: VideoFormat,
    _claim: Claim,
}

impl Device {
    pub(super) fn open(id: Option<&str>, want: VideoFormat) -> Result<Self, Fault> {
        permit()?;
        let Some(entry) = list::find(list::entries(), id) else {
            let words = id.map_or_else(|| "there is no camera".to_owned(), |id| format!("there is no camera {id:?}"));
            return Err(Fault::new(DeviceTrouble::Missing, words));
        };
        let claim = Claim::take(entry.index, RELEASE)
            .ok_or_else(|| Fault::new(DeviceTrouble::Busy, format!("{} is already in use here", entry.name)))?;
        let failed = |error: NokhwaError| Fault::new(fault::trouble(&error.to_string(), false), error.to_string());
        let any = RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS);
        let mut camera = Camera::new(CameraIndex::Index(entry.index), any).map_err(failed)?;
        let modes = camera.compatible_camera_formats().map_err(failed)?;
        let mode = mode::choose(&modes, want)
            .ok_or_else(|| Fault::new(DeviceTrouble::Failed, format!("{} has no mode that can be used", entry.name)))?;
        if camera.camera_format() != mode {
            let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(mode), &FORMATS);
            camera.set_camera_requset(exact).map_err(failed)?;
        }
        // Only here does a camera say that another program uses it.
        camera.open_stream().map_err(failed)?;
        let (width, height) = fit((mode.width(), mode.height()), (want.width, want.height));
        let format = VideoFormat { width, height, fps: mode.frame_rate().clamp(1, want.fps.max(1)) };
        tracing::info!(name = entry.name, %mode, %format, "camera opened");
        let jpeg = (mode.format() == FrameFormat::MJPEG).then(Jpeg::new).transpose()?;
        Ok(Self { camera, jpeg, name: entry.name, mode, format, _claim: claim })
    }
}

impl CameraSource for Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> VideoFormat {
        self.format
    }

    fn next(&mut self) -> Result<Option<Picture>, Fault> {
        let frame = self.camera.frame_raw();
        let frame = frame.map_err(|error| Fault::new(fault::trouble(&error.to_string(), true), error.to_string()))?;
        match convert(&frame, self.mode, self.jpeg.as_mut()) {
            Ok(picture) => Ok(Some(match (self.format.width, self.format.height) {
                size if size == (picture.width, picture.height) => picture,
                (width, height) => scale(&picture, width, height),
            })),
            Err(error) => {
                tracing::debug!(%error, "a picture was skipped");
                Ok(None)
            }
        }
    }
}

fn convert(bytes: &[u8], mode: CameraFormat, jpeg: Option<&mut Jpeg>) -> Result<Picture, Error> {
    let (width, height, captured) = (mode.width(), mode.height(), Instant::now());
    match (mode.format(), jpeg) {
        (FrameFormat::NV12, _) => convert::nv12(bytes, width, height, captured),
        (FrameFormat::YUYV, _) => convert::yuyv(bytes, width, height, captured),
        (FrameFormat::MJPEG, Some(jpeg)) => jpeg.decode(bytes, width, height, captured),
        (FrameFormat::GRAY, _) => convert::grey(bytes, width, height, captured),
        (format @ (FrameFormat::MJPEG | FrameFormat::RAWRGB | FrameFormat::RAWBGR), _) => {
            Err(Error::Frame(format!("{format} is not expected")))
        }
    }
}

#[cfg(not(target_os = "macos"))]
fn permit() -> Result<(), Fault> {
    Ok(())
}

/// Asks the person once; the system remembers the answer.
#[cfg(target_os = "macos")]
fn permit() -> Result<(), Fault> {
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    nokhwa::nokhwa_initialize(move |granted| {
        let _late = answer.try_send(granted);
    });
    match answered.recv_timeout(Duration::from_secs(60)) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Fault::new(DeviceTrouble::Denied, "the system does not allow the camera")),
    }
}

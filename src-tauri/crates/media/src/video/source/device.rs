//! Real cameras.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nokhwa::{
    Camera, NokhwaError,
    utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType},
};
use parlor_protocol::{device::VideoFormat, ui::DeviceTrouble};

use super::{
    CameraSource,
    claim::Claim,
    convert::{self, Jpeg},
    fault, hung, list,
    mode::{self, FORMATS},
};
use crate::video::{Error, Picture, event::Fault, fit, scale};

/// How long to wait for an earlier owner in this process to let go: a frame, and closing.
const RELEASE: Duration = Duration::from_secs(1);
/// A mode that took so long to begin when it was given up hung: nobody turns a camera off and on for so long. It is less than a
/// camera is waited for, of which other things take their part.
const HUNG: Duration = Duration::from_secs(5);

/// A device that delivers.
pub(super) struct Device {
    // Closed before the claim is given up: fields are dropped in this order.
    camera: Camera,
    jpeg: Option<Jpeg>,
    name: String,
    mode: CameraFormat,
    format: VideoFormat,
    /// What came while it was tried whether the mode works.
    first: Option<Picture>,
    thin: Thin,
    _claim: Claim,
}

impl Device {
    /// Tries the modes one after the other until one begins, or until `stop` says that nobody waits any more.
    pub(super) fn open(id: Option<&str>, want: VideoFormat, stop: &AtomicBool) -> Result<Self, Fault> {
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
        let modes = mode::ranked(&camera.compatible_camera_formats().map_err(failed)?, want, &hung::of(&entry.id));
        let mut refused = Fault::new(DeviceTrouble::Failed, format!("{} has no mode that can be used", entry.name));
        for mode in modes {
            let (asked, begun) = (Instant::now(), begin(&mut camera, mode));
            let stopped = stop.load(Ordering::Relaxed);
            if (stopped || begun.is_err()) && asked.elapsed() >= HUNG {
                tracing::info!(name = entry.name, %mode, "the camera hangs in a mode, which is tried last from now on");
                hung::remember(&entry.id, mode);
            }
            if stopped {
                return Err(begun.err().unwrap_or_else(|| Fault::new(DeviceTrouble::Failed, "it began too late")));
            }
            match begun {
                Ok((jpeg, first)) => {
                    let (width, height) = fit((mode.width(), mode.height()), (want.width, want.height));
                    let format = VideoFormat { width, height, fps: mode.frame_rate().clamp(1, want.fps.max(1)) };
                    tracing::info!(name = entry.name, %mode, %format, "camera opened");
                    let thin = Thin::new(mode.frame_rate(), format.fps);
                    return Ok(Self { camera, jpeg, name: entry.name, mode, format, first, thin, _claim: claim });
                }
                Err(fault) if fault.trouble == DeviceTrouble::Failed => {
                    tracing::info!(name = entry.name, %mode, %fault, "the camera refuses a mode");
                    refused = fault;
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(refused)
    }

    /// Of the size that was promised.
    fn fit(&self, picture: Picture) -> Picture {
        match (self.format.width, self.format.height) {
            size if size == (picture.width, picture.height) => picture,
            (width, height) => scale(&picture, width, height),
        }
    }
}

/// Has the camera deliver in a mode. Drivers offer modes that they refuse when it comes to it: where two cameras share one bus the
/// second finds no room for large pictures, and says so no earlier than with the first of them. Gives that, if it is whole.
fn begin(camera: &mut Camera, mode: CameraFormat) -> Result<(Option<Jpeg>, Option<Picture>), Fault> {
    let failed = |ran| move |error: NokhwaError| Fault::new(fault::trouble(&error.to_string(), ran), error.to_string());
    if camera.is_stream_open() {
        camera.stop_stream().map_err(failed(false))?;
    }
    if camera.camera_format() != mode {
        let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(mode), &FORMATS);
        camera.set_camera_requset(exact).map_err(failed(false))?;
    }
    let mut jpeg = (mode.format() == FrameFormat::MJPEG).then(Jpeg::new).transpose()?;
    // Only here does a camera say that another program uses it.
    camera.open_stream().map_err(failed(false))?;
    let frame = camera.frame_raw().map_err(failed(true))?;
    let first = convert(&frame, mode, jpeg.as_mut()).ok();
    Ok((jpeg, first))
}

impl CameraSource for Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> VideoFormat {
        self.format
    }

    fn next(&mut self) -> Result<Option<Picture>, Fault> {
        if let Some(first) = self.first.take() {
            return Ok(Some(self.fit(first)));
        }
        let frame = loop {
            let frame = self.camera.frame_raw();
            let frame =
                frame.map_err(|error| Fault::new(fault::trouble(&error.to_string(), true), error.to_string()))?;
            if self.thin.takes(Instant::now()) {
                break convert(&frame, self.mode, self.jpeg.as_mut());
            }
        };
        match frame {
            Ok(picture) => Ok(Some(self.fit(picture))),
            Err(error) => {
                tracing::debug!(%error, "a picture was skipped");
                Ok(None)
            }
        }
    }
}

/// Leaves pictures out, evenly, where a camera is faster than was wanted: nothing is converted for nobody.
struct Thin {
    /// The time between two that are taken; none where all are.
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Thin {
    fn new(rate: u32, wanted: u32) -> Self {
        let interval = (rate > wanted).then(|| Duration::from_secs(1) / wanted.max(1));
        Self { interval, due: None }
    }

    fn takes(&mut self, now: Instant) -> bool {
        let Some(interval) = self.interval else { return true };
        let due = self.due.unwrap_or(now);
        // A third of an interval early is on time: cameras are not exact.
        if now + interval / 3 < due {
            return false;
        }
        self.due = Some((due + interval).max(now + interval / 2));
        true
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a camera's pictures of ten seconds are taken, some of them up to so many milliseconds late.
    fn taken(rate: u32, wanted: u32, late: u64) -> usize {
        let (mut thin, start) = (Thin::new(rate, wanted), Instant::now());
        let at =
            |n: u32| start + Duration::from_secs(1) * n / rate + Duration::from_millis(u64::from(n) * 7 % (late + 1));
        (0..10 * rate).filter(|n| thin.takes(at(*n))).count()
    }

    #[test]
    fn of_a_camera_that_is_too_fast_as_many_are_taken_as_were_wanted() {
        for (rate, wanted) in [(60, 30), (90, 30), (50, 30), (60, 15), (30, 24)] {
            for late in [0, 4] {
                let taken = taken(rate, wanted, late);
                assert!(
                    (taken as i64 - i64::from(10 * wanted)).abs() <= 15,
                    "{taken} of {rate} for {wanted}, {late} ms late"
                );
            }
        }
    }

    #[test]
    fn of_a_camera_that_is_not_all_are_taken() {
        for (rate, wanted) in [(30, 30), (15, 30)] {
            assert_eq!(taken(rate, wanted, 30), 10 * rate as usize);
        }
    }
}

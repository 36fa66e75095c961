//! The camera, its states and its films.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_media::video::{Camera, CameraEvent, Picture, pattern::Pattern};
use parlor_protocol::{
    device::{CameraSpec, VideoFormat},
    ui::DeviceTrouble,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use turbojpeg::{Compressor, Subsamp, YuvImage};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pictures in a film.
pub(crate) const FRAMES: u32 = 30;

/// A folder of cameras.
pub(crate) struct Rig {
    folder: PathBuf,
}

impl Rig {
    /// Runs a test where there are no cameras but those of the rig.
    pub(crate) fn run(test: &str, body: impl AsyncFnOnce(Rig)) {
        if let Some(folder) = env::var_os("FAKECAM_DIR") {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            return runtime.block_on(body(Rig { folder: folder.into() }));
        }
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env("LD_PRELOAD", library())
            .env("FAKECAM_DIR", folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Plugs a camera in, with modes such as `YUYV 640 480 30`.
    pub(crate) fn plug(&self, number: u32, name: &str, modes: &[&str]) {
        let folder = self.folder.join(number.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("name"), name).unwrap();
        fs::write(folder.join("state"), "ok").unwrap();
        // The camera is there once it has modes.
        fs::write(folder.join("modes"), modes.join("\n")).unwrap();
    }

    /// ok | stall | unplug | busy | deny | black
    pub(crate) fn set(&self, number: u32, state: &str) {
        // In one step: a reader between two would see no state.
        let folder = self.folder.join(number.to_string());
        fs::write(folder.join("next"), state).unwrap();
        fs::rename(folder.join("next"), folder.join("state")).unwrap();
    }

    pub(crate) fn file(&self, number: u32, file: &str) -> PathBuf {
        self.folder.join(number.to_string()).join(file)
    }

    /// Uses the camera as another program does, until this is dropped. Fails while we use it.
    pub(crate) fn occupy(&self, number: u32) -> Option<File> {
        let file = File::open(self.file(number, "modes")).unwrap();
        file.try_lock().is_ok().then_some(file)
    }

    /// Opens a camera and listens to it.
    pub(crate) fn open(&self, id: Option<&str>) -> Watched {
        let (sender, events) = mpsc::channel(16);
        let want = VideoFormat { width: 320, height: 240, fps: 30 };
        let camera = Camera::open(CameraSpec::Device(id.map(str::to_owned)), want, sender);
        Watched { slot: camera.latest(), camera, events }
    }
}

/// A camera, its events and its pictures.
pub(crate) struct Watched {
    pub(crate) camera: Camera,
    events: mpsc::Receiver<CameraEvent>,
    slot: watch::Receiver<Option<Arc<Picture>>>,
}

impl Watched {
    pub(crate) async fn event(&mut self) -> CameraEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a camera that lives")
    }

    pub(crate) async fn started(&mut self) -> (String, VideoFormat) {
        match self.event().await {
            CameraEvent::Started { name, format } => (name, format),
            other @ (CameraEvent::Trouble { .. } | CameraEvent::Recovered) => panic!("{other:?}"),
        }
    }

    pub(crate) async fn trouble(&mut self) -> DeviceTrouble {
        match self.event().await {
            CameraEvent::Trouble { trouble, .. } => trouble,
            other @ (CameraEvent::Started { .. } | CameraEvent::Recovered) => panic!("{other:?}"),
        }
    }

    pub(crate) fn silent(&mut self) -> bool {
        self.events.try_recv().is_err()
    }

    pub(crate) async fn picture(&mut self) -> Arc<Picture> {
        loop {
            timeout(PATIENCE, self.slot.changed()).await.expect("a picture in time").expect("a camera that lives");
            if let Some(picture) = self.slot.borrow_and_update().clone() {
                return picture;
            }
        }
    }
}

/// The pattern, as a camera of this format gives it.
pub(crate) fn film(format: &str, width: u32, height: u32) -> Vec<u8> {
    let pattern = Pattern::new(width, height).unwrap();
    (0..FRAMES).flat_map(|counter| frame(&pattern.draw(counter, Instant::now()), format)).collect()
}

pub(crate) fn frame(picture: &Picture, format: &str) -> Vec<u8> {
    let (planes, width) = (picture.planes(), picture.width as usize);
    match format {
        "NV12" => {
            let colours = planes.u.iter().zip(planes.v).flat_map(|(u, v)| [*u, *v]);
            planes.y.iter().copied().chain(colours).collect()
        }
        "YUYV" => {
            let rows = planes.y.chunks_exact(width).enumerate();
            let pairs = rows.flat_map(|(row, y)| y.chunks_exact(2).enumerate().map(move |(at, y)| (row, at, y)));
            let colour = |plane: &[u8], row: usize, at: usize| plane[row / 2 * (width / 2) + at];
            pairs.flat_map(|(row, at, y)| [y[0], colour(planes.u, row, at), y[1], colour(planes.v, row, at)]).collect()
        }
        "MJPG" => jpeg(picture),
        other => panic!("no camera gives {other}"),
    }
}

/// JPEG is full range, and webcams halve the colours across alone.
fn jpeg(picture: &Picture) -> Vec<u8> {
    let (planes, width) = (picture.planes(), picture.width as usize);
    let widen = |value: u8, span: i32| ((i32::from(value) - 128) * 255 / span + 128).clamp(0, 255) as u8;
    let luma = planes.y.iter().map(|y| ((i32::from(*y) - 16) * 255 / 219).clamp(0, 255) as u8);
    let doubled = |plane: &'_ [u8]| -> Vec<u8> {
        plane.chunks_exact(width / 2).flat_map(|row| [row, row].concat()).map(|value| widen(value, 224)).collect()
    };
    let pixels: Vec<u8> = luma.chain(doubled(planes.u)).chain(doubled(planes.v)).collect();
    let image =
        YuvImage { pixels: &pixels[..], width, align: 1, height: picture.height as usize, subsamp: Subsamp::Sub2x1 };
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(90).unwrap();
    compressor.compress_yuv_to_vec(image).unwrap()
}

/// Builds the library where it is older than its sources.
fn library() -> PathBuf {
    let rig = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/rig");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rig");
    let built = Command::new(rig.join("build.sh")).arg(&folder).status().unwrap();
    assert!(built.success(), "the fake camera does not build: is there a C compiler?");
    folder.join("fakecam.so")
}

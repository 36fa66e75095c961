//! What the other side of a call gets, and what this side is told.

use std::{
    ffi::OsString,
    fs,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use parlor_client::FrameSink;
use parlor_media::audio::measure;
use parlor_protocol::{
    device::DeviceKind,
    frame::FrameHeader,
    headless::HeadlessEvent,
    session::SessionState,
    ui::{Devices, Picker, UiCommand},
};
use parlor_tests::Peer;

use crate::rig::{self, Rig, instrument};

/// The longest time for which anything else may stand still.
pub(crate) const GAP: Duration = Duration::from_millis(500);

/// The folder of the cameras, within the rig's.
const CAMERAS: &str = "cameras";

/// Runs a test where there are no devices but those of the rig.
pub(crate) fn with_devices(test: &str, body: impl AsyncFnOnce(&Rig)) {
    let more = |folder: &Path| -> Vec<(&'static str, OsString)> {
        let cameras = folder.join(CAMERAS);
        fs::create_dir_all(&cameras).unwrap();
        vec![("FAKECAM_DIR", cameras.into()), ("LD_PRELOAD", instrument("fakecam.so").into())]
    };
    rig::rig(test, more, |rig| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(body(&rig));
    });
}

fn file(rig: &Rig, camera: u32, name: &str) -> PathBuf {
    rig.folder.join(CAMERAS).join(camera.to_string()).join(name)
}

/// Plugs a camera in.
pub(crate) fn plug(rig: &Rig, camera: u32, name: &str) {
    fs::create_dir_all(file(rig, camera, "")).unwrap();
    fs::write(file(rig, camera, "name"), name).unwrap();
    fs::write(file(rig, camera, "state"), "ok").unwrap();
    fs::write(file(rig, camera, "modes"), "YUYV 320 240 30\n").unwrap();
}

/// ok | stall | unplug | busy | deny
pub(crate) fn set(rig: &Rig, camera: u32, state: &str) {
    fs::write(file(rig, camera, "next"), state).unwrap();
    fs::rename(file(rig, camera, "next"), file(rig, camera, "state")).unwrap();
}

/// Uses a camera as another program does, until this is dropped; waits until ours lets go.
pub(crate) async fn occupy(rig: &Rig, camera: u32) -> File {
    let other = File::open(file(rig, camera, "modes")).unwrap();
    while other.try_lock().is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other
}

/// The pictures that somebody gets of the only other one.
#[derive(Default)]
pub(crate) struct Pictures(Mutex<Came>);

#[derive(Default)]
struct Came {
    count: u64,
    last: Option<Instant>,
    longest: Duration,
}

impl Pictures {
    pub(crate) fn of(peer: &Peer) -> Arc<Self> {
        let pictures = Arc::new(Self::default());
        peer.client.attach(Arc::clone(&pictures) as Arc<dyn FrameSink>);
        pictures
    }

    fn came(&self) -> MutexGuard<'_, Came> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on pauses count.
    pub(crate) fn begin(&self) {
        *self.came() = Came { last: Some(Instant::now()), ..Came::default() };
    }

    /// The longest pause since then, the one that lasts included.
    pub(crate) fn longest_pause(&self) -> Duration {
        let came = self.came();
        came.longest.max(came.last.map_or(Duration::MAX, |last| last.elapsed()))
    }

    /// Waits until pictures come that were not there when this was asked for.
    pub(crate) async fn come(&self, what: &str) {
        let before = self.came().count;
        let come = async {
            while self.came().count < before + 10 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(parlor_tests::PATIENCE, come).await.unwrap_or_else(|_| panic!("pictures after {what}"));
    }
}

impl FrameSink for Pictures {
    fn frame(&self, header: FrameHeader, _: &[u8]) -> bool {
        if header.tile != 0 {
            let now = Instant::now();
            let mut came = self.came();
            came.count += 1;
            came.longest = came.longest.max(came.last.map_or(Duration::ZERO, |last| now - last));
            came.last = Some(now);
        }
        true
    }
}

/// Uses another device, as somebody does who picks one.
pub(crate) fn choose(peer: &Peer, kind: DeviceKind, spec: &str) {
    peer.client.ui(UiCommand::ChooseDevice { kind, spec: spec.into() });
}

/// Waits until it is said what is wrong with a device: by its code, and beside the device in words.
pub(crate) async fn told(peer: &mut Peer, code: &str) {
    let (kind, trouble) = code.split_once('-').unwrap();
    let message = peer.wait_new(code, |event| match event {
        HeadlessEvent::Error { code: said, message, .. } if said == code => Some(message.clone()),
        _ => None,
    });
    let message = message.await;
    assert!(message.contains(". ") && message.ends_with('.'), "what happened, and what to do: {message}");
    peer.see(&format!("{code} beside the device"), |snapshot| {
        let problem = picker(&snapshot.devices, kind).problem.as_ref()?;
        let same = serde_json::to_value(problem.code).unwrap() == trouble;
        same.then(|| assert!(message.starts_with(&problem.title), "{message}"))
    })
    .await;
}

/// Waits until nothing is wrong with a device.
pub(crate) async fn fine(peer: &mut Peer, kind: &str) {
    peer.see(&format!("no problem with the {kind}"), |snapshot| {
        picker(&snapshot.devices, kind).problem.is_none().then_some(())
    })
    .await;
}

fn picker<'a>(devices: &'a Devices, kind: &str) -> &'a Picker {
    match kind {
        "camera" => &devices.camera,
        "microphone" => &devices.microphone,
        _ => &devices.speaker,
    }
}

/// Waits until the only other one is heard, or not heard any more.
pub(crate) async fn hears(peer: &mut Peer, what: &str, sound: bool) {
    // Figures are of the last second: the first may be older than what has just happened.
    peer.drain();
    for _ in 0..2 {
        peer.stats(what, |stats| stats.sessions.iter().any(|s| (s.audio_in.level_dbfs > -40.0) == sound)).await;
    }
}

/// The longest pause in what was played into a file while the other one sent a tone, but for its beginning and its end.
pub(crate) fn longest_silence(path: &Path) -> Duration {
    let (samples, rate) = measure::wav(path).unwrap();
    let second = rate as usize;
    let begin = samples.chunks(second / 100).position(|part| measure::level_dbfs(part) > -30.0).expect("a tone");
    let heard = &samples[begin * (second / 100) + second..samples.len() - second];
    Duration::from_secs_f64(measure::longest_hole(heard, -45.0) as f64 / f64::from(rate))
}

/// The call is the one that it was, and nobody ever saw anything else.
pub(crate) async fn undisturbed(peer: &mut Peer) {
    peer.client.diagnostics(false);
    let history = peer.wait_new("diagnostics", |event| match event {
        HeadlessEvent::Diagnostics { report, .. } => Some(report.room.as_ref().unwrap().peers[0].history),
        _ => None,
    });
    let history = history.await;
    assert_eq!((history.sessions, history.restarts, history.gaps), (1, 0, 0), "{}", peer.story());
    let bad = |event: &HeadlessEvent| match event {
        HeadlessEvent::SessionState(event) => match event.state {
            SessionState::New | SessionState::Connecting | SessionState::Connected => false,
            SessionState::Disconnected | SessionState::Failed | SessionState::Closed => true,
        },
        _ => false,
    };
    assert!(!peer.log.iter().any(|line| bad(&line.event)), "{}", peer.story());
}

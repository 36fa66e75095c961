//! A private PulseAudio server (`tests/rig/pulse.sh`), its devices, and what plays into them and records from them.

#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use std::{
    env,
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

/// Samples a second of what is played and recorded.
pub(crate) const RATE: u32 = 48_000;
/// Set in the process in which a test's body runs: the folder of its server.
const RIG: &str = "PARLOR_TEST_RIG";
/// What is played in: −15 dBFS.
const AMPLITUDE: f32 = 0.25;

/// A running server.
pub(crate) struct Rig {
    pub(crate) folder: PathBuf,
}

/// Runs a test's body in a process of its own against a server of its own, one after the other: sound is a matter of time,
/// and two of them at once would only measure how busy the computer is. `more` adds to that process's environment, given
/// the server's folder.
pub(crate) fn rig(test: &str, more: fn(&Path) -> Vec<(&'static str, OsString)>, body: impl FnOnce(Rig)) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if let Some(folder) = env::var_os(RIG) {
        return body(Rig { folder: folder.into() });
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig { folder: folder.path().to_owned() };
    rig.up();
    let ran = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(RIG, folder.path())
        .env("PULSE_SERVER", format!("unix:{}", folder.path().join("run/native").display()))
        .env("PULSE_CLIENTCONFIG", folder.path().join("client.conf"))
        .env("ALSA_CONFIG_PATH", folder.path().join("asound.conf"))
        .envs(more(folder.path()))
        .output();
    let down = script(&["down", rig.folder.to_str().unwrap()]);
    let ran = ran.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(down, Ok(()));
}

/// An instrument that is preloaded, built where it is older than its sources.
pub(crate) fn instrument(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rig");
    let built = Command::new(tools().join("build.sh")).arg(&folder).status().unwrap();
    assert!(built.success(), "the instruments do not build: is there a C compiler?");
    folder.join(name)
}

/// The workspace's `tests/rig`.
fn tools() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("tests/rig"));
    folders.find(|folder| folder.join("pulse.sh").exists()).expect("a workspace with a rig")
}

fn script(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(tools().join("pulse.sh"));
    let output = command.args(arguments).env_remove("LD_PRELOAD").output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

impl Rig {
    pub(crate) fn up(&self) {
        if let Err(why) = script(&["up", "rig", self.folder.to_str().unwrap()]) {
            panic!("the test needs a PulseAudio server of its own: {why}");
        }
    }

    pub(crate) fn kill(&self) {
        self.signal("KILL");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pids = std::fs::read_to_string(self.folder.join("pids")).unwrap();
        let server = pids.lines().next().unwrap();
        assert!(Command::new("kill").args([&format!("-{signal}"), server]).status().unwrap().success());
    }

    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        let output = tool("pactl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Takes a device away: what was given when it was plugged in.
    pub(crate) fn unplug(&self, module: &str) {
        self.control(&["unload-module", module]);
    }

    /// Adds a microphone that hears what the first one hears: `headset`, for people "Headset".
    pub(crate) fn plug_in_headset(&self) -> String {
        self.microphone("headset", "Headset")
    }

    /// Adds a microphone; the number with which it is taken away again.
    pub(crate) fn microphone(&self, id: &str, name: &str) -> String {
        self.control(&[
            "load-module",
            "module-remap-source",
            &format!("source_name={id}"),
            "master=mic_in.monitor",
            "channels=1",
            "channel_map=mono",
            &format!("source_properties=device.description={name}"),
        ])
    }

    /// Adds a speaker: `headphones`, for people "Headphones".
    pub(crate) fn plug_in_headphones(&self) -> String {
        self.control(&[
            "load-module",
            "module-null-sink",
            "sink_name=headphones",
            "rate=48000",
            "channels=2",
            "sink_properties=device.description=Headphones",
        ])
    }

    /// The number with which a device is taken away that was there from the beginning.
    pub(crate) fn module(&self, argument: &str) -> String {
        let modules = self.control(&["list", "short", "modules"]);
        let line = modules.lines().find(|line| line.contains(argument)).expect("a module");
        line.split_whitespace().next().unwrap().to_owned()
    }

    /// Plays a tone into the microphone for as long as what is returned lives.
    pub(crate) fn play_into_microphone(&self, hz: f32) -> Running {
        let mut player = tool("paplay")
            .args([
                "--raw",
                "--format=float32le",
                "--rate=48000",
                "--channels=1",
                "--latency-msec=40",
                "--device=mic_in",
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = player.stdin.take().unwrap();
        std::thread::spawn(move || {
            // Ends when the player does.
            for n in 0u32.. {
                let sample = AMPLITUDE * (std::f32::consts::TAU * hz * (n % RATE) as f32 / RATE as f32).sin();
                if pipe.write_all(&sample.to_le_bytes()).is_err() {
                    return;
                }
            }
        });
        Running(player)
    }

    pub(crate) fn record_speaker(&self) -> Recorder {
        self.record("spk")
    }

    /// Records what a speaker plays.
    pub(crate) fn record(&self, speaker: &str) -> Recorder {
        let path = self.folder.join(format!("{speaker}.raw"));
        let recorder = tool("parec")
            .args([
                "--raw",
                "--format=float32le",
                "--rate=48000",
                "--channels=1",
                "--latency-msec=20",
                &format!("--device={speaker}.monitor"),
            ])
            .stdout(std::fs::File::create(&path).unwrap())
            .spawn()
            .unwrap();
        Recorder { process: Running(recorder), path }
    }
}

/// A program that is preloaded with nothing of ours.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_remove("LD_PRELOAD");
    // With ALSA alone there is no server for us, and there is one for them.
    if let Some(folder) = env::var_os(RIG) {
        command.env("PULSE_SERVER", format!("unix:{}/run/native", Path::new(&folder).display()));
    }
    command
}

pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Recorder {
    process: Running,
    path: PathBuf,
}

impl Recorder {
    pub(crate) fn stop(self) -> Vec<f32> {
        drop(self.process);
        let bytes = std::fs::read(self.path).unwrap();
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }
}

//! Real sound devices: microphones and speakers of a private PulseAudio server (`tests/rig/pulse.sh`).
//!
//! Each test is run by itself in a process of its own, with the server's address in its environment: sound libraries read
//! that once and for the whole process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_media::audio::{self, AudioEvent, Microphone, RATE, Speaker, measure};
use parlor_protocol::{
    device::{MicrophoneSpec, SpeakerSpec},
    media::RtpReceived,
    ui::DeviceTrouble,
};
use tokio::{sync::mpsc, time::timeout};

/// Set in the process in which a test's body runs: the folder of its server.
const RIG: &str = "PARLOR_TEST_RIG";
/// What is played in: −15 dBFS.
const AMPLITUDE: f32 = 0.25;

#[test]
fn devices_are_listed_by_name_and_without_monitors() {
    rig("devices_are_listed_by_name_and_without_monitors", |_| {
        let named = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(audio::microphones(), [named("pulseaudio:mic", "Microphone-rig")]);
        let speakers = audio::speakers();
        assert!(speakers.contains(&named("pulseaudio:spk", "Speaker-rig")), "{speakers:?}");
    });
}

#[test]
fn a_tone_played_into_the_microphone_is_captured() {
    rig("a_tone_played_into_the_microphone_is_captured", |rig| {
        let _player = rig.play_into_microphone(440.0);
        run(async {
            let (events, mut inbox) = mpsc::channel(16);
            let microphone = Microphone::open(&spec("device:pulseaudio:mic"), events);
            assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Microphone-rig".into() });
            let heard = listen(&microphone, 3.0).await;
            let tone = measure::tone(&heard[heard.len() / 3..], RATE).unwrap();
            assert!((tone.hz - 440.0).abs() < 2.0, "{tone:?}");
            assert!((tone.dbfs + 15.05).abs() < 3.0, "{tone:?}");
            assert!(microphone.level() > 0.6, "{}", microphone.level());
        });
    });
}

#[test]
fn a_tone_is_played_on_the_speaker() {
    rig("a_tone_is_played_on_the_speaker", |rig| {
        run(async {
            let (events, mut inbox) = mpsc::channel(16);
            let speaker = Speaker::open(&SpeakerSpec::Device(None), events);
            assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
            let recorder = rig.record_speaker();
            feed(&speaker, 4.0).await;
            let heard = recorder.stop();
            let heard = &heard[heard.len() / 2..heard.len() - RATE as usize / 2];
            let tone = measure::tone(heard, RATE).unwrap();
            assert!((tone.hz - 440.0).abs() < 2.0, "{tone:?}");
            assert!((tone.dbfs + 15.0).abs() < 3.0, "{tone:?}");
        });
    });
}

#[test]
fn a_server_that_dies_is_trouble_until_it_is_back() {
    rig("a_server_that_dies_is_trouble_until_it_is_back", |rig| {
        run(async {
            let (events, mut inbox) = mpsc::channel(16);
            let microphone = Microphone::open(&spec("device"), events.clone());
            assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
            let speaker = Speaker::open(&SpeakerSpec::Device(None), events);
            assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
            let mut packets = microphone.subscribe();
            let (before, at) = (packets.recv().await.unwrap().timestamp, Instant::now());

            rig.kill();
            for _ in 0..2 {
                let event = next(&mut inbox).await;
                assert!(matches!(event, AudioEvent::Trouble { trouble: DeviceTrouble::Failed, .. }), "{event:?}");
            }
            rig.up();
            for _ in 0..2 {
                let event = next(&mut inbox).await;
                assert!(matches!(event, AudioEvent::Recovered { .. }), "{event:?}");
            }

            let mut packets = microphone.subscribe();
            let first = timeout(Duration::from_secs(5), packets.recv()).await.unwrap().unwrap();
            let counted = f64::from(first.timestamp.wrapping_sub(before)) / f64::from(RATE);
            let passed = at.elapsed().as_secs_f64();
            assert!((counted - passed).abs() < 0.3, "the clock counted {counted} s while {passed} s passed");
            let recorder = rig.record_speaker();
            feed(&speaker, 2.0).await;
            assert!(measure::level_dbfs(&recorder.stop()) > -30.0, "the speaker plays again");
        });
    });
}

#[test]
fn the_default_microphone_is_followed() {
    rig("the_default_microphone_is_followed", |rig| {
        run(async {
            let (events, mut inbox) = mpsc::channel(16);
            let _microphone = Microphone::open(&spec("device"), events);
            assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Microphone-rig".into() });
            rig.plug_in();
            rig.control(&["set-default-source", "headset"]);
            assert_eq!(next(&mut inbox).await, AudioEvent::Moved { name: "Headset".into() });
        });
    });
}

#[test]
fn a_named_microphone_is_unplugged_and_taken_back() {
    rig("a_named_microphone_is_unplugged_and_taken_back", |rig| {
        run(async {
            let plugged = rig.plug_in();
            let (events, mut inbox) = mpsc::channel(16);
            let _microphone = Microphone::open(&spec("device:pulseaudio:headset"), events);
            assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Headset".into() });
            rig.control(&["unload-module", &plugged]);
            let event = next(&mut inbox).await;
            assert!(matches!(event, AudioEvent::Trouble { trouble: DeviceTrouble::Unplugged, .. }), "{event:?}");
            rig.plug_in();
            assert_eq!(next(&mut inbox).await, AudioEvent::Recovered { name: "Headset".into() });
        });
    });
}

#[test]
fn a_microphone_that_never_was_is_missing() {
    rig("a_microphone_that_never_was_is_missing", |_| {
        run(async {
            let (events, mut inbox) = mpsc::channel(16);
            let _microphone = Microphone::open(&spec("device:pulseaudio:nobody"), events);
            let event = next(&mut inbox).await;
            assert!(matches!(event, AudioEvent::Trouble { trouble: DeviceTrouble::Missing, .. }), "{event:?}");
        });
    });
}

#[test]
fn a_frozen_server_is_trouble_within_seconds() {
    rig("a_frozen_server_is_trouble_within_seconds", |rig| {
        run(async {
            let (events, mut inbox) = mpsc::channel(16);
            let _microphone = Microphone::open(&spec("device"), events);
            assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
            rig.signal("STOP");
            let event = timeout(Duration::from_secs(8), next(&mut inbox)).await;
            rig.signal("CONT");
            assert!(matches!(event, Ok(AudioEvent::Trouble { trouble: DeviceTrouble::Failed, .. })), "{event:?}");
            assert!(matches!(next(&mut inbox).await, AudioEvent::Recovered { .. }));
        });
    });
}

/// A running server.
struct Rig {
    folder: PathBuf,
}

/// Runs a test's body in a process of its own against a server of its own, one after the other: sound is a matter of time,
/// and two of them at once would only measure how busy the computer is.
fn rig(test: &str, body: fn(&Rig)) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if let Some(folder) = env::var_os(RIG) {
        return body(&Rig { folder: folder.into() });
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
        .output();
    let down = script(&["down", rig.folder.to_str().unwrap()]);
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(down, Ok(()));
}

fn script(arguments: &[&str]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/rig/pulse.sh");
    let output = Command::new(path).args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

impl Rig {
    fn up(&self) {
        if let Err(why) = script(&["up", "rig", self.folder.to_str().unwrap()]) {
            panic!("the test needs a PulseAudio server of its own: {why}");
        }
    }

    fn kill(&self) {
        self.signal("KILL");
    }

    fn signal(&self, signal: &str) {
        let pids = std::fs::read_to_string(self.folder.join("pids")).unwrap();
        let server = pids.lines().next().unwrap();
        assert!(Command::new("kill").args([&format!("-{signal}"), server]).status().unwrap().success());
    }

    fn control(&self, arguments: &[&str]) -> String {
        let output = Command::new("pactl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Adds a microphone; the number with which it is taken away again.
    fn plug_in(&self) -> String {
        self.control(&[
            "load-module",
            "module-remap-source",
            "source_name=headset",
            "master=mic_in.monitor",
            "source_properties=device.description=Headset",
        ])
    }

    /// Plays a tone into the microphone for as long as what is returned lives.
    fn play_into_microphone(&self, hz: f32) -> Running {
        let mut player = Command::new("paplay")
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

    fn record_speaker(&self) -> Recorder {
        let path = self.folder.join("heard.raw");
        let recorder = Command::new("parec")
            .args([
                "--raw",
                "--format=float32le",
                "--rate=48000",
                "--channels=1",
                "--latency-msec=20",
                "--device=spk.monitor",
            ])
            .stdout(std::fs::File::create(&path).unwrap())
            .spawn()
            .unwrap();
        Recorder { process: Running(recorder), path }
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Recorder {
    process: Running,
    path: PathBuf,
}

impl Recorder {
    fn stop(self) -> Vec<f32> {
        drop(self.process);
        let bytes = std::fs::read(self.path).unwrap();
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }
}

fn run(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
}

fn spec(text: &str) -> MicrophoneSpec {
    text.parse().unwrap()
}

async fn next(inbox: &mut mpsc::Receiver<AudioEvent>) -> AudioEvent {
    timeout(Duration::from_secs(15), inbox.recv()).await.expect("an event within 15 s").expect("an open device")
}

/// What a microphone sends for so long, decoded.
async fn listen(microphone: &Microphone, seconds: f32) -> Vec<f32> {
    let mut packets = microphone.subscribe();
    let mut decoder = opus::Decoder::new(RATE, opus::Channels::Mono).unwrap();
    let mut heard = Vec::new();
    while (heard.len() as f32) < seconds * RATE as f32 {
        let packet = timeout(Duration::from_secs(5), packets.recv()).await.expect("sound within 5 s").unwrap();
        let mut pcm = [0.0; 960];
        let samples = decoder.decode_float(&packet.payload, &mut pcm, false).unwrap();
        heard.extend(&pcm[..samples]);
    }
    heard
}

/// Sends a peer's 440 Hz tone to the speaker for so long.
async fn feed(speaker: &Speaker, seconds: f32) {
    let (events, _inbox) = mpsc::channel(16);
    let tone = Microphone::open(&MicrophoneSpec::Tone(440), events);
    let mut packets = tone.subscribe();
    let peer = speaker.peer(1);
    for sequence in 0..(seconds * 50.0) as u16 {
        let packet = timeout(Duration::from_secs(5), packets.recv()).await.expect("a tone").unwrap();
        let payload = Bytes::clone(&packet.payload);
        peer.push(
            RtpReceived { sequence, timestamp: packet.timestamp, marker: packet.marker, payload },
            Instant::now(),
        );
    }
}

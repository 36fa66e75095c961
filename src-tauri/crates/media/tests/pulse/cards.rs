//! Sound cards through ALSA alone, as where there is no server: each has one user, and drivers say what is wrong.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use parlor_media::audio::{AudioEvent, Microphone, RATE, Speaker, measure};
use parlor_protocol::{device::SpeakerSpec, ui::DeviceTrouble};
use tokio::sync::mpsc;

use crate::{
    rig::{self, Rig, instrument},
    support::{listen, next, run, spec, troubled},
};

/// The folder with what is wrong, within the server's.
const FAULTS: &str = "faults";

/// Cards that do what a test says (`tests/rig/soundfault`).
struct Cards {
    server: Rig,
}

impl Cards {
    fn file(&self, direction: &str) -> PathBuf {
        self.server.folder.join(FAULTS).join(direction)
    }

    fn set(&self, direction: &str, fault: &str) {
        // In one step: a reader between two would see nothing.
        fs::write(self.file("next"), fault).unwrap();
        fs::rename(self.file("next"), self.file(direction)).unwrap();
    }

    fn mend(&self, direction: &str) {
        fs::remove_file(self.file(direction)).unwrap();
    }
}

/// Runs a test where ALSA leads to the server's devices, and nothing else does.
fn with_cards(test: &str, body: impl AsyncFnOnce(Cards)) {
    let more = |folder: &Path| -> Vec<(&'static str, OsString)> {
        let faults = folder.join(FAULTS);
        fs::create_dir_all(&faults).unwrap();
        vec![
            ("PULSE_SERVER", "unix:/nonexistent".into()),
            ("SOUNDFAULT", faults.into()),
            ("LD_PRELOAD", instrument("soundfault.so").into()),
        ]
    };
    rig::rig(test, more, |server| run(body(Cards { server })));
}

const FAULTS_OF_CARDS: [(&str, DeviceTrouble); 3] =
    [("busy", DeviceTrouble::Busy), ("denied", DeviceTrouble::Denied), ("gone", DeviceTrouble::Missing)];

#[test]
fn what_is_wrong_with_a_microphone_is_told_apart_and_over_when_it_is() {
    with_cards("cards::what_is_wrong_with_a_microphone_is_told_apart_and_over_when_it_is", async |cards| {
        for (fault, trouble) in FAULTS_OF_CARDS {
            cards.set("capture", fault);
            let (events, mut inbox) = mpsc::channel(16);
            let _microphone = Microphone::open(&spec("device"), events);
            troubled(&mut inbox, trouble).await;
            cards.mend("capture");
            assert!(matches!(next(&mut inbox).await, AudioEvent::Recovered { .. }), "{fault}");
        }
    });
}

#[test]
fn what_is_wrong_with_a_speaker_is_told_apart_and_over_when_it_is() {
    with_cards("cards::what_is_wrong_with_a_speaker_is_told_apart_and_over_when_it_is", async |cards| {
        for (fault, trouble) in FAULTS_OF_CARDS {
            cards.set("playback", fault);
            let (events, mut inbox) = mpsc::channel(16);
            let _speaker = Speaker::open(&SpeakerSpec::Device(None), events);
            troubled(&mut inbox, trouble).await;
            cards.mend("playback");
            assert!(matches!(next(&mut inbox).await, AudioEvent::Recovered { .. }), "{fault}");
        }
    });
}

#[test]
fn one_trouble_after_another_is_told_each_time() {
    with_cards("cards::one_trouble_after_another_is_told_each_time", async |cards| {
        let (events, mut inbox) = mpsc::channel(16);
        cards.set("capture", "busy");
        let _microphone = Microphone::open(&spec("device"), events);
        troubled(&mut inbox, DeviceTrouble::Busy).await;
        for (fault, trouble) in [("denied", DeviceTrouble::Denied), ("busy", DeviceTrouble::Busy)] {
            cards.set("capture", fault);
            troubled(&mut inbox, trouble).await;
        }
    });
}

#[test]
fn a_microphone_that_refuses_a_rate_is_heard_at_another() {
    with_cards("cards::a_microphone_that_refuses_a_rate_is_heard_at_another", async |cards| {
        cards.set("capture", "refuse 48000");
        let _player = cards.server.play_into_microphone(440.0);
        let (events, mut inbox) = mpsc::channel(16);
        let microphone = Microphone::open(&spec("device"), events);
        assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
        let heard = listen(&microphone, 3.0).await;
        let tone = measure::tone(&heard[heard.len() / 3..], RATE).unwrap();
        assert!((tone.hz - 440.0).abs() < 2.0 && (tone.dbfs + 15.05).abs() < 3.0, "{tone:?}");
    });
}

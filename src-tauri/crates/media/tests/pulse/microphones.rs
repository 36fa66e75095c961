//! Microphones through PulseAudio: every fault of theirs that there is, and what ends it.

use std::time::{Duration, Instant};

use parlor_media::audio::{self, AudioEvent, Microphone, RATE, Speaker, measure};
use parlor_protocol::{
    device::{MicrophoneSpec, SpeakerSpec},
    ui::DeviceTrouble,
};
use tokio::{sync::mpsc, time::timeout};

use crate::support::{any, feed, listen, next, spec, stutter, tests, troubled};

fn named(id: &str, name: &str) -> (String, String) {
    (id.to_owned(), name.to_owned())
}

fn open(device: &str) -> (Microphone, mpsc::Receiver<AudioEvent>) {
    let (events, inbox) = mpsc::channel(16);
    (Microphone::open(&spec(device), events), inbox)
}

fn started(name: &str) -> AudioEvent {
    AudioEvent::Started { name: name.into() }
}

fn recovered(name: &str) -> AudioEvent {
    AudioEvent::Recovered { name: name.into() }
}

tests! { microphones:
    async fn devices_are_listed_by_name_and_without_monitors(_rig) {
        assert_eq!(audio::microphones(), [named("pulseaudio:mic", "Microphone-rig")]);
        let speakers = audio::speakers();
        assert!(speakers.contains(&named("pulseaudio:spk", "Speaker-rig")), "{speakers:?}");
    }

    async fn a_tone_played_into_the_microphone_is_captured(rig) {
        let _player = rig.play_into_microphone(440.0);
        let (microphone, mut inbox) = open("device:pulseaudio:mic");
        assert_eq!(next(&mut inbox).await, started("Microphone-rig"));
        let heard = listen(&microphone, 3.0).await;
        let tone = measure::tone(&heard[heard.len() / 3..], RATE).unwrap();
        assert!((tone.hz - 440.0).abs() < 2.0, "{tone:?}");
        assert!((tone.dbfs + 15.05).abs() < 3.0, "{tone:?}");
        assert!(microphone.level() > 0.6, "{}", microphone.level());
    }

    async fn a_server_that_dies_is_trouble_until_it_is_back(rig) {
        let (events, mut inbox) = mpsc::channel(16);
        let microphone = Microphone::open(&spec("device"), events.clone());
        assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
        let speaker = Speaker::open(&SpeakerSpec::Device(None), events);
        assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
        let mut packets = microphone.subscribe();
        let (before, at) = (packets.recv().await.unwrap().timestamp, Instant::now());

        rig.kill();
        for _ in 0..2 {
            troubled(&mut inbox, DeviceTrouble::Failed).await;
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
    }

    async fn the_default_microphone_is_followed(rig) {
        let _player = rig.play_into_microphone(440.0);
        let (_microphone, mut inbox) = open("device");
        assert_eq!(next(&mut inbox).await, started("Microphone-rig"));
        rig.plug_in_headset();
        rig.control(&["set-default-source", "headset"]);
        assert_eq!(next(&mut inbox).await, AudioEvent::Moved { name: "Headset".into() });
    }

    async fn a_named_microphone_is_unplugged_and_taken_back(rig) {
        let _player = rig.play_into_microphone(440.0);
        let plugged = rig.plug_in_headset();
        let (microphone, mut inbox) = open("device:pulseaudio:headset");
        assert_eq!(next(&mut inbox).await, started("Headset"));
        rig.unplug(&plugged);
        troubled(&mut inbox, DeviceTrouble::Unplugged).await;
        rig.plug_in_headset();
        assert_eq!(next(&mut inbox).await, recovered("Headset"));
        let heard = listen(&microphone, 1.0).await;
        assert!(measure::level_dbfs(&heard[heard.len() / 2..]) > -25.0, "it is heard again");
    }

    async fn a_microphone_that_never_was_is_missing(_rig) {
        let (_microphone, mut inbox) = open("device:pulseaudio:nobody");
        troubled(&mut inbox, DeviceTrouble::Missing).await;
    }

    async fn a_microphone_that_comes_later_is_taken(rig) {
        let (_microphone, mut inbox) = open("device:pulseaudio:headset");
        troubled(&mut inbox, DeviceTrouble::Missing).await;
        rig.plug_in_headset();
        assert_eq!(next(&mut inbox).await, recovered("Headset"));
    }

    async fn what_the_speaker_plays_is_no_microphone(rig) {
        // With no other source there is, PulseAudio's default is the monitor of a sink.
        rig.unplug(&rig.module("source_name=mic "));
        let (_microphone, mut inbox) = open("device");
        troubled(&mut inbox, DeviceTrouble::Missing).await;
        rig.microphone("mic", "Microphone-rig");
        assert_eq!(next(&mut inbox).await, recovered("Microphone-rig"));
    }

    async fn the_only_microphone_is_unplugged_and_taken_back(rig) {
        let _player = rig.play_into_microphone(440.0);
        let (_microphone, mut inbox) = open("device");
        assert_eq!(next(&mut inbox).await, started("Microphone-rig"));
        rig.unplug(&rig.module("source_name=mic "));
        troubled(&mut inbox, DeviceTrouble::Unplugged).await;
        rig.microphone("mic", "Microphone-rig");
        assert_eq!(next(&mut inbox).await, recovered("Microphone-rig"));
    }

    async fn a_frozen_server_is_trouble_within_seconds(rig) {
        let (events, mut inbox) = mpsc::channel(16);
        let _microphone = Microphone::open(&spec("device"), events.clone());
        assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
        let _speaker = Speaker::open(&SpeakerSpec::Device(None), events);
        assert!(matches!(next(&mut inbox).await, AudioEvent::Started { .. }));
        rig.signal("STOP");
        let both = async {
            for _ in 0..2 {
                troubled(&mut inbox, DeviceTrouble::Failed).await;
            }
        };
        let told = timeout(Duration::from_secs(8), both).await;
        rig.signal("CONT");
        assert!(told.is_ok(), "microphone and speaker are in trouble within 8 s");
        for _ in 0..2 {
            assert!(matches!(next(&mut inbox).await, AudioEvent::Recovered { .. }));
        }
    }

    async fn a_microphone_whose_sound_is_lost_again_and_again_is_held_longer_and_told_once(rig) {
        let _player = rig.play_into_microphone(440.0);
        let (microphone, mut inbox) = open("device:pulseaudio:mic");
        assert_eq!(next(&mut inbox).await, started("Microphone-rig"));
        let start = Instant::now();
        while inbox.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(60), "nobody noticed");
            stutter(rig).await;
        }
        assert_eq!(any(&mut inbox).await, AudioEvent::RanDry { callback_ms: 20 });
        assert_eq!(next(&mut inbox).await, started("Microphone-rig"));
        let heard = listen(&microphone, 2.0).await;
        assert!(measure::level_dbfs(&heard[heard.len() / 2..]) > -25.0, "it is heard again");
        for _ in 0..12 {
            stutter(rig).await;
        }
        assert_eq!(inbox.try_recv().ok(), None);
    }

    async fn a_microphone_that_is_muted_outside_is_silent_until_it_is_not(rig) {
        let _player = rig.play_into_microphone(440.0);
        rig.control(&["set-source-mute", "mic", "1"]);
        let (_microphone, mut inbox) = open("device:pulseaudio:mic");
        let mut event = async || timeout(Duration::from_secs(20), inbox.recv()).await.unwrap().unwrap();
        assert_eq!(event().await, started("Microphone-rig"));
        let silent = event().await;
        assert!(matches!(silent, AudioEvent::Trouble { trouble: DeviceTrouble::Silent, .. }), "{silent:?}");
        rig.control(&["set-source-mute", "mic", "0"]);
        assert_eq!(event().await, recovered("Microphone-rig"));
    }

    async fn what_a_microphone_says_that_was_left_is_not_told_of_the_next_one(rig) {
        rig.signal("STOP");
        let (microphone, mut inbox) = open("device:pulseaudio:mic");
        // It hangs in the system. Whether it has got there cannot be seen.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(microphone.switch(&MicrophoneSpec::Tone(440)));
        assert_eq!(next(&mut inbox).await, started("440 Hz tone"));
        rig.signal("CONT");
        let late = timeout(Duration::from_secs(3), inbox.recv()).await;
        assert!(late.is_err(), "{late:?}");
    }
}

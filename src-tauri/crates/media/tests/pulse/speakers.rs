//! Speakers through PulseAudio.

use std::time::{Duration, Instant};

use parlor_media::audio::{AudioEvent, RATE, Speaker, measure};
use parlor_protocol::{device::SpeakerSpec, ui::DeviceTrouble};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    rig::Rig,
    support::{any, feed, next, stutter, tests, troubled},
};

fn open(device: Option<&str>) -> (Speaker, mpsc::Receiver<AudioEvent>) {
    let (events, inbox) = mpsc::channel(16);
    (Speaker::open(&SpeakerSpec::Device(device.map(str::to_owned)), events), inbox)
}

/// What a speaker plays while a peer sends a tone.
async fn played(rig: &Rig, speaker: &Speaker, device: &str) -> Vec<f32> {
    let recorder = rig.record(device);
    feed(speaker, 4.0).await;
    let heard = recorder.stop();
    heard[heard.len() / 2..heard.len() - RATE as usize / 2].to_vec()
}

/// A peer is heard from a speaker, as loud as it is. How clean that is depends on how busy the computer is.
async fn plays(rig: &Rig, speaker: &Speaker, device: &str) {
    let level = measure::level_dbfs(&played(rig, speaker, device).await);
    assert!((level + 15.0).abs() < 3.0, "{device}: {level} dBFS");
}

/// What the server holds of our stream at most, in milliseconds; it is asked until that is more than this, for ten seconds.
async fn holds(rig: &Rig, more_than: f64) -> f64 {
    let (start, mut most) = (Instant::now(), 0f64);
    while most <= more_than && start.elapsed() < Duration::from_secs(10) {
        let streams = rig.control(&["list", "sink-inputs"]);
        let held =
            streams.lines().filter_map(|line| line.trim().strip_prefix("Buffer Latency: ")?.strip_suffix(" usec"));
        most = held.filter_map(|held| held.parse().ok()).fold(most, |most, held: f64| most.max(held / 1_000.0));
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    most
}

tests! { speakers:
    async fn a_speaker_that_runs_dry_again_and_again_holds_more_from_then_on(rig) {
        let (speaker, mut inbox) = open(None);
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
        let start = Instant::now();
        while inbox.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(60), "nobody noticed");
            stutter(rig).await;
        }
        assert_eq!(any(&mut inbox).await, AudioEvent::RanDry { callback_ms: 20 });
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
        let held = holds(rig, 20.0).await;
        assert!(held > 20.0, "{held} ms: as little as before");
        plays(rig, &speaker, "spk").await;
        // It is known of the device from now on, and told once.
        for _ in 0..12 {
            stutter(rig).await;
        }
        let (_again, mut other) = open(None);
        assert_eq!(next(&mut other).await, AudioEvent::Started { name: "Speaker-rig".into() });
        for _ in 0..12 {
            stutter(rig).await;
        }
        assert_eq!((inbox.try_recv().ok(), other.try_recv().ok()), (None, None));
    }

    async fn a_tone_is_played_on_the_speaker(rig) {
        let (speaker, mut inbox) = open(None);
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
        let tone = measure::tone(&played(rig, &speaker, "spk").await, RATE).unwrap();
        assert!((tone.hz - 440.0).abs() < 2.0, "{tone:?}");
        assert!((tone.dbfs + 15.0).abs() < 3.0, "{tone:?}");
    }

    async fn a_named_speaker_is_unplugged_and_taken_back(rig) {
        let plugged = rig.plug_in_headphones();
        let (speaker, mut inbox) = open(Some("pulseaudio:headphones"));
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Headphones".into() });
        rig.unplug(&plugged);
        troubled(&mut inbox, DeviceTrouble::Unplugged).await;
        rig.plug_in_headphones();
        assert_eq!(next(&mut inbox).await, AudioEvent::Recovered { name: "Headphones".into() });
        plays(rig, &speaker, "headphones").await;
    }

    async fn the_default_speaker_is_followed(rig) {
        let (speaker, mut inbox) = open(None);
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
        rig.plug_in_headphones();
        rig.control(&["set-default-sink", "headphones"]);
        assert_eq!(next(&mut inbox).await, AudioEvent::Moved { name: "Headphones".into() });
        plays(rig, &speaker, "headphones").await;
    }

    async fn a_speaker_that_comes_later_is_taken(rig) {
        let (_speaker, mut inbox) = open(Some("pulseaudio:headphones"));
        troubled(&mut inbox, DeviceTrouble::Missing).await;
        rig.plug_in_headphones();
        assert_eq!(next(&mut inbox).await, AudioEvent::Recovered { name: "Headphones".into() });
    }

    async fn a_speaker_into_which_nothing_is_played_is_in_no_trouble(_rig) {
        let (_speaker, mut inbox) = open(None);
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
        // Longer than a microphone may be silent.
        let event = timeout(Duration::from_secs(7), next(&mut inbox)).await;
        assert!(event.is_err(), "{event:?}");
    }

    async fn a_speaker_is_changed_by_hand(rig) {
        let (speaker, mut inbox) = open(None);
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Speaker-rig".into() });
        rig.plug_in_headphones();
        assert!(speaker.switch(&SpeakerSpec::Device(Some("pulseaudio:headphones".into()))));
        assert_eq!(next(&mut inbox).await, AudioEvent::Started { name: "Headphones".into() });
        plays(rig, &speaker, "headphones").await;
    }
}

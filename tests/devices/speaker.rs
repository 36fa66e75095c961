//! Speakers that are changed, pulled out, and lose their server, while what is sent and seen goes on.

use std::time::{Duration, Instant};

use parlor_media::audio::measure;
use parlor_protocol::device::DeviceKind;
use parlor_tests::{PATIENCE, Peer, Setup, TestServer};

use crate::{
    rig::Rig,
    watch::{GAP, Pictures, choose, fine, longest_silence, told, undisturbed, with_devices},
};

/// Waits until a speaker plays.
async fn plays(rig: &Rig, speaker: &str, what: &str) {
    let begun = Instant::now();
    loop {
        let recorder = rig.record(speaker);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let heard = recorder.stop();
        if measure::level_dbfs(&heard[heard.len() / 2..]) > -30.0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing comes out of {speaker} after {what}");
    }
}

#[test]
fn whatever_becomes_of_a_speaker_what_is_sent_and_seen_goes_on() {
    with_devices("speaker::whatever_becomes_of_a_speaker_what_is_sent_and_seen_goes_on", async |rig| {
        let plugged = rig.plug_in_headphones();
        let heard = rig.folder.join("heard.wav");
        let server = TestServer::start().await;
        let devices = ("pattern:320x180@30", "tone:440", "device:pulseaudio:headphones".into());
        let mut a = Peer::join(Setup { devices, ..Setup::silent("Anna") }, &server.link("studio"));
        let devices = ("pattern:320x180@30", "tone:660", format!("file:{}", heard.display()));
        let mut b = Peer::join(Setup { devices, ..Setup::silent("Ben") }, &server.link("studio"));
        a.connected(1).await;
        let seen = [Pictures::of(&a), Pictures::of(&b)];
        for pictures in &seen {
            pictures.come("the beginning").await;
        }
        plays(rig, "headphones", "the beginning").await;
        seen.iter().for_each(|pictures| pictures.begin());

        choose(&a, DeviceKind::Speaker, "device:pulseaudio:spk");
        plays(rig, "spk", "it was chosen").await;
        choose(&a, DeviceKind::Speaker, "device:pulseaudio:headphones");
        plays(rig, "headphones", "they were chosen again").await;

        rig.unplug(&plugged);
        told(&mut a, "speaker-unplugged").await;
        rig.plug_in_headphones();
        fine(&mut a, "speaker").await;
        plays(rig, "headphones", "they were plugged in again").await;

        choose(&a, DeviceKind::Speaker, "device");
        plays(rig, "spk", "the default was chosen").await;
        rig.control(&["set-default-sink", "headphones"]);
        plays(rig, "headphones", "they became the default").await;

        rig.kill();
        told(&mut a, "speaker-failed").await;
        rig.up();
        fine(&mut a, "speaker").await;
        plays(rig, "spk", "its server was gone").await;

        for pictures in &seen {
            let pause = pictures.longest_pause();
            assert!(pause < GAP, "no picture for {pause:?}");
        }
        undisturbed(&mut a).await;
        undisturbed(&mut b).await;
        b.leave().await;
        a.leave().await;
        assert!(longest_silence(&heard) < GAP, "silent for {:?}", longest_silence(&heard));
    });
}

//! Microphones that are changed, pulled out, muted elsewhere, and lose their server, while pictures go on.

use parlor_protocol::{device::DeviceKind, ui::UiCommand};
use parlor_tests::{Peer, Setup, TestServer};

use crate::watch::{GAP, Pictures, choose, fine, hears, told, undisturbed, with_devices};

#[test]
fn whatever_becomes_of_a_microphone_pictures_go_on() {
    with_devices("microphone::whatever_becomes_of_a_microphone_pictures_go_on", async |rig| {
        let tone = rig.play_into_microphone(440.0);
        let plugged = rig.plug_in_headset();
        let server = TestServer::start().await;
        let devices = ("pattern:320x180@30", "device:pulseaudio:mic", "none".into());
        let mut a = Peer::join(Setup { devices, ..Setup::silent("Anna") }, &server.link("studio"));
        // A steady tone is noise, and would be taken out.
        a.client.ui(UiCommand::SetNoiseSuppression { on: false });
        let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
        a.connected(1).await;
        let pictures = Pictures::of(&b);
        pictures.come("the beginning").await;
        hears(&mut b, "a tone", true).await;
        pictures.begin();

        choose(&a, DeviceKind::Microphone, "device:pulseaudio:headset");
        hears(&mut b, "the headset", true).await;
        rig.unplug(&plugged);
        told(&mut a, "microphone-unplugged").await;
        hears(&mut b, "nothing", false).await;
        rig.plug_in_headset();
        fine(&mut a, "microphone").await;
        hears(&mut b, "the headset again", true).await;

        choose(&a, DeviceKind::Microphone, "device");
        hears(&mut b, "the default one", true).await;
        rig.control(&["set-default-source", "headset"]);
        rig.control(&["set-source-mute", "mic", "1"]);
        // Where the default was not followed there is silence from now on.
        for _ in 0..2 {
            hears(&mut b, "the default one, which is the headset now", true).await;
        }

        choose(&a, DeviceKind::Microphone, "device:pulseaudio:mic");
        told(&mut a, "microphone-silent").await;
        rig.control(&["set-source-mute", "mic", "0"]);
        fine(&mut a, "microphone").await;
        hears(&mut b, "it as it is not muted any more", true).await;

        choose(&a, DeviceKind::Microphone, "device:pulseaudio:nobody");
        told(&mut a, "microphone-missing").await;
        choose(&a, DeviceKind::Microphone, "device:pulseaudio:mic");
        fine(&mut a, "microphone").await;
        hears(&mut b, "it after one that is not there", true).await;

        rig.kill();
        drop(tone);
        told(&mut a, "microphone-failed").await;
        rig.up();
        let _tone = rig.play_into_microphone(440.0);
        fine(&mut a, "microphone").await;
        hears(&mut b, "it after its server was gone", true).await;

        let pause = pictures.longest_pause();
        assert!(pause < GAP, "no picture for {pause:?}");
        undisturbed(&mut a).await;
        undisturbed(&mut b).await;
        a.leave().await;
        b.leave().await;
    });
}

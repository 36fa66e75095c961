//! Cameras that are changed, pulled out, hang, and are taken, while sound goes on.

use std::time::Duration;

use parlor_protocol::{device::DeviceKind, ui::UiCommand};
use parlor_tests::{Peer, Setup, TestServer};

use crate::watch::{
    GAP, Pictures, choose, fine, hears, longest_silence, occupy, plug, set, told, undisturbed, with_devices,
};

#[test]
fn whatever_becomes_of_a_camera_sound_goes_on() {
    with_devices("camera::whatever_becomes_of_a_camera_sound_goes_on", async |rig| {
        plug(rig, 0, "Built-in");
        plug(rig, 1, "Webcam");
        let heard = rig.folder.join("heard.wav");
        let server = TestServer::start().await;
        let devices = ("device:Webcam", "tone:440", "none".into());
        let mut a = Peer::join(Setup { devices, ..Setup::silent("Anna") }, &server.link("studio"));
        let devices = ("none", "none", format!("file:{}", heard.display()));
        let mut b = Peer::join(Setup { devices, ..Setup::silent("Ben") }, &server.link("studio"));
        a.connected(1).await;
        let pictures = Pictures::of(&b);
        pictures.come("the beginning").await;
        hears(&mut b, "a tone", true).await;

        choose(&a, DeviceKind::Camera, "device:Built-in");
        pictures.come("another camera was chosen").await;
        choose(&a, DeviceKind::Camera, "device:Webcam");
        pictures.come("the first one was chosen again").await;

        set(rig, 1, "unplug");
        told(&mut a, "camera-unplugged").await;
        plug(rig, 4, "Webcam");
        fine(&mut a, "camera").await;
        pictures.come("it was plugged in again, at another number").await;

        set(rig, 4, "stall");
        told(&mut a, "camera-failed").await;
        set(rig, 4, "ok");
        fine(&mut a, "camera").await;
        pictures.come("it had hung").await;

        a.client.ui(UiCommand::SetCamera { on: false });
        let other = occupy(rig, 4).await;
        a.client.ui(UiCommand::SetCamera { on: true });
        told(&mut a, "camera-busy").await;
        drop(other);
        fine(&mut a, "camera").await;
        pictures.come("another program had it").await;

        set(rig, 4, "unplug");
        told(&mut a, "camera-unplugged").await;
        set(rig, 4, "deny");
        told(&mut a, "camera-denied").await;
        choose(&a, DeviceKind::Camera, "device");
        fine(&mut a, "camera").await;
        pictures.come("any other was chosen").await;
        set(rig, 4, "unplug");
        set(rig, 0, "unplug");
        told(&mut a, "camera-unplugged").await;
        plug(rig, 2, "Third");
        fine(&mut a, "camera").await;
        pictures.come("the only one went and another one came").await;

        choose(&a, DeviceKind::Camera, "device:Nobody's");
        told(&mut a, "camera-missing").await;
        choose(&a, DeviceKind::Camera, "device:Third");
        pictures.come("one that is not there was chosen").await;

        undisturbed(&mut a).await;
        undisturbed(&mut b).await;
        // What was last said is in the file.
        tokio::time::sleep(Duration::from_secs(1)).await;
        b.leave().await;
        a.leave().await;
        assert!(longest_silence(&heard) < GAP, "silent for {:?}", longest_silence(&heard));
    });
}

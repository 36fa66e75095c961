//! What the tests of sound devices share.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parlor_media::audio::{AudioEvent, Microphone, RATE, Speaker};
use parlor_protocol::{device::MicrophoneSpec, media::RtpReceived, ui::DeviceTrouble};
use tokio::{sync::mpsc, time::timeout};

use crate::rig::{self, Rig};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Defines tests that run in a process and against a server of their own.
macro_rules! tests {
    ($module:ident: $(async fn $name:ident($rig:ident) $body:block)*) => {$(
        #[test]
        fn $name() {
            let name = concat!(stringify!($module), "::", stringify!($name));
            $crate::support::with_server(name, async |$rig: &$crate::rig::Rig| $body);
        }
    )*};
}
pub(crate) use tests;

pub(crate) fn with_server(test: &str, body: impl AsyncFnOnce(&Rig)) {
    rig::rig(test, |_| Vec::new(), |rig| run(body(&rig)));
}

pub(crate) fn run(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
}

pub(crate) fn spec(text: &str) -> MicrophoneSpec {
    text.parse().unwrap()
}

/// The next event. A microphone into which nothing is played is silent sooner or later, and on a busy machine a device runs dry and
/// is started again: those are for the tests of them.
pub(crate) async fn next(inbox: &mut mpsc::Receiver<AudioEvent>) -> AudioEvent {
    loop {
        let event = any(inbox).await;
        if matches!(event, AudioEvent::RanDry { .. }) {
            let again = any(inbox).await;
            assert!(matches!(again, AudioEvent::Started { .. }), "{again:?}");
        } else if !matches!(event, AudioEvent::Trouble { trouble: DeviceTrouble::Silent, .. }) {
            return event;
        }
    }
}

/// The next event, whatever it is.
pub(crate) async fn any(inbox: &mut mpsc::Receiver<AudioEvent>) -> AudioEvent {
    timeout(PATIENCE, inbox.recv()).await.expect("an event in time").expect("an open device")
}

/// The next event is trouble of this kind.
pub(crate) async fn troubled(inbox: &mut mpsc::Receiver<AudioEvent>, expected: DeviceTrouble) {
    let event = next(inbox).await;
    assert!(matches!(event, AudioEvent::Trouble { trouble, .. } if trouble == expected), "{event:?}, not {expected:?}");
}

/// What a microphone sends for so long, decoded.
pub(crate) async fn listen(microphone: &Microphone, seconds: f32) -> Vec<f32> {
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
pub(crate) async fn feed(speaker: &Speaker, seconds: f32) {
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

/// The server stands still for longer than a stream holds at first, and goes on.
pub(crate) async fn stutter(rig: &Rig) {
    rig.signal("STOP");
    tokio::time::sleep(Duration::from_millis(80)).await;
    rig.signal("CONT");
    tokio::time::sleep(Duration::from_millis(300)).await;
}

//! From the devices to one session: each encoded picture and sound packet, to everybody who is connected.

use std::sync::Arc;

use parlor_engine::{RtpSender, Session};
use parlor_media::{
    audio::Microphone,
    video::{Rendition, Vp8Packetizer},
};
use parlor_protocol::media::{RtpPayload, TrackRole};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    task::JoinHandle,
};

use crate::devices::Taps;

/// The two tasks that feed a session; they end with it.
pub(crate) struct Sending {
    tasks: [JoinHandle<()>; 2],
}

impl Sending {
    pub(crate) fn spawn(session: &Session, taps: &Taps) -> Self {
        // Sound has a task of its own, so that it never stands behind a large picture.
        let sound = tokio::spawn(sound(session.sender(), taps.microphone.clone()));
        let pictures = tokio::spawn(pictures(session.sender(), taps.rendition.clone()));
        Self { tasks: [sound, pictures] }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn sound(session: RtpSender, mut source: watch::Receiver<Option<Arc<Microphone>>>) {
    let mut clock = Rebase::default();
    loop {
        let current = source.borrow_and_update().clone();
        let mut packets = current.as_ref().map(|microphone| microphone.subscribe());
        clock.restart();
        loop {
            let packet = tokio::select! {
                changed = source.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                packet = next(&mut packets) => packet,
            };
            // Sound that was missed is gone: what comes now matters more.
            let Some(packet) = packet else { continue };
            let timestamp = clock.map(packet.timestamp, SOUND_STEP);
            let payload = RtpPayload { timestamp, marker: packet.marker, payload: packet.payload.clone() };
            session.send_rtp(TrackRole::Microphone, payload);
        }
    }
}

async fn pictures(session: RtpSender, mut source: watch::Receiver<Option<Arc<Rendition>>>) {
    let mut packetizer = Vp8Packetizer::new();
    let mut clock = Rebase::default();
    loop {
        let current = source.borrow_and_update().clone();
        let mut frames = current.as_ref().map(|rendition| rendition.subscribe());
        let want_key = || current.as_ref().inspect(|rendition| rendition.request_key());
        // A decoder can only start on a key frame.
        let mut started = false;
        want_key();
        clock.restart();
        loop {
            let frame = tokio::select! {
                changed = source.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                frame = next(&mut frames) => frame,
            };
            let Some(frame) = frame else {
                started = false;
                want_key();
                continue;
            };
            started |= frame.key;
            if started {
                let timestamp = clock.map(frame.timestamp, PICTURE_STEP);
                for packet in packetizer.packetize(&frame) {
                    session.send_rtp(TrackRole::Camera, RtpPayload { timestamp, ..packet });
                }
            }
        }
    }
}

/// The next of a source's packets; `None` when some were missed. Waits for ever where there is no source.
async fn next<T: Clone>(source: &mut Option<Receiver<T>>) -> Option<T> {
    if let Some(receiver) = source {
        match receiver.recv().await {
            Ok(packet) => return Some(packet),
            Err(RecvError::Lagged(_)) => return None,
            Err(RecvError::Closed) => *source = None,
        }
    }
    std::future::pending().await
}

/// 20 ms at 48 kHz.
const SOUND_STEP: u32 = 960;
/// 1/30 s at 90 kHz.
const PICTURE_STEP: u32 = 3000;

/// Keeps one track's timestamps growing when its source is changed for another with a clock of its own.
#[derive(Debug, Default)]
struct Rebase {
    last: u32,
    offset: Option<u32>,
}

impl Rebase {
    /// The next timestamp is of another source.
    fn restart(&mut self) {
        self.offset = None;
    }

    /// A source's timestamp on the track's clock; the first of a source follows the last one by `step`.
    fn map(&mut self, timestamp: u32, step: u32) -> u32 {
        let next = self.last.wrapping_add(step);
        let offset = *self.offset.get_or_insert(next.wrapping_sub(timestamp));
        self.last = timestamp.wrapping_add(offset);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_goes_on_where_the_first_ended() {
        let mut clock = Rebase { last: 100, offset: None };
        assert_eq!((clock.map(5000, 10), clock.map(5010, 10)), (110, 120));
        clock.restart();
        assert_eq!((clock.map(7, 10), clock.map(17, 10)), (130, 140));
    }
}

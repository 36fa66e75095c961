//! Packets: requests for key frames, losses, pacing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parlor_engine::{SessionCommand, SessionEvent, SessionOptions, netem::Impairment};
use parlor_protocol::media::{RtpPayload, TrackRole};
use webrtc::runtime::TokioRuntime;

use crate::pair::{Pair, Side, Who, number, packet, sized};

#[tokio::test]
async fn a_request_for_a_key_frame_reaches_the_sender() {
    let mut pair = Pair::connected().await;
    for role in [TrackRole::Camera, TrackRole::Screen] {
        pair.a.session.send_rtp(role, packet(role, 0));
        let started = SessionEvent::TrackStarted { role };
        pair.until("the track started", |pair| pair.b.seen.contains(&started)).await;
        assert!(!pair.a.wants_key_frame(role));
        pair.b.command(SessionCommand::RequestKeyFrame { role });
        pair.until("the sender knows", |pair| pair.a.wants_key_frame(role)).await;
    }
    pair.close().await;
}

#[tokio::test]
async fn media_before_the_connection_is_thrown_away() {
    let pair = Pair::new();
    for role in TrackRole::ALL {
        assert!(!pair.a.session.send_rtp(role, packet(role, 0)));
    }
    pair.close().await;
}

#[tokio::test]
async fn a_track_that_begins_without_a_key_frame_asks_for_one() {
    let mut pair = Pair::connected().await;
    assert!(!pair.a.session.send_rtp(TrackRole::Camera, sized(TrackRole::Camera, 0, false, 200)));
    pair.until("it is asked for", |pair| pair.a.wants_key_frame(TrackRole::Camera)).await;
    assert!(pair.a.session.send_rtp(TrackRole::Camera, sized(TrackRole::Camera, 1, true, 200)));
    assert!(pair.a.session.send_rtp(TrackRole::Camera, sized(TrackRole::Camera, 2, false, 200)));
    pair.close().await;
}

#[tokio::test]
async fn lost_packets_are_sent_again_and_not_asked_for_without_end() {
    const COUNT: u32 = 1500;
    let role = TrackRole::Camera;
    let mut pair = Pair::connected().await;
    let lossy = Impairment { loss: 0.05, delay: Duration::from_millis(10), ..Impairment::default() };
    pair.a.netem.outgoing(lossy);
    pair.b.netem.outgoing(lossy);
    for n in 0..COUNT {
        pair.a.session.send_rtp(role, packet(role, n));
        if n % 4 == 3 {
            pair.run_for(Duration::from_millis(8)).await;
        }
    }
    pair.run_for(Duration::from_millis(1500)).await;
    let unique: BTreeSet<u32> = pair.b.packets.iter().map(|(_, packet)| number(role, packet)).collect();
    let (sender, receiver) = (pair.a.session.stats(), pair.b.session.stats());
    println!("{} of {COUNT} came, {} asked for, {} sent again", unique.len(), receiver.nacked, sender.retransmitted);
    assert!(unique.len() >= 1495, "{} of {COUNT} packets came", unique.len());
    assert!(sender.retransmitted >= 40, "{sender:?}");
    // Some 75 losses; requests and repairs are lost too.
    assert!(receiver.nacked <= 250 && sender.retransmitted <= 200, "{receiver:?} {sender:?}");

    pair.run_for(Duration::from_millis(1200)).await;
    assert_eq!(pair.b.session.stats().nacked, receiver.nacked, "requests go on after the losses");
    pair.close().await;
}

/// A picture that takes the pacer several tenths of a second.
fn big_picture(role: TrackRole, n: u32, key: bool) -> Vec<RtpPayload> {
    let head = sized(role, n, key, 1100);
    let body = RtpPayload { payload: sized(role, n, true, 1100).payload, marker: false, timestamp: head.timestamp };
    std::iter::once(head).chain(std::iter::repeat_n(body, 99)).collect()
}

#[tokio::test]
async fn sound_passes_pictures_that_wait() {
    let mut pair = Pair::connected().await;
    for packet in big_picture(TrackRole::Camera, 1, true) {
        assert!(pair.a.session.send_rtp(TrackRole::Camera, packet));
    }
    assert!(pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, 0)));
    pair.until("all are there", |pair| pair.b.packets.len() == 101).await;
    let at = pair.b.packets.iter().position(|(role, _)| *role == TrackRole::Microphone).unwrap();
    assert!(at < 50, "sound came after {at} packets of a picture");
    pair.close().await;
}

#[tokio::test]
async fn pictures_are_refused_while_others_wait_and_a_key_frame_is_asked_for_after() {
    let role = TrackRole::Camera;
    let mut pair = Pair::connected().await;
    for n in 0..2 {
        for packet in big_picture(role, n, true) {
            pair.a.session.send_rtp(role, packet);
        }
    }
    pair.until("the pacer is at work", |pair| pair.b.received(role) > 0).await;
    assert!(!pair.a.session.send_rtp(role, sized(role, 5, false, 200)));
    let mut n = 6;
    while !pair.a.wants_key_frame(role) {
        assert!(n < 500, "no key frame is asked for");
        assert!(!pair.a.session.send_rtp(role, sized(role, n, false, 200)));
        pair.run_for(Duration::from_millis(10)).await;
        n += 1;
    }
    assert!(pair.a.session.send_rtp(role, sized(role, n, true, 200)));
    pair.close().await;
}

#[tokio::test]
async fn what_leaves_together_arrives_whole_and_in_order() {
    const PICTURES: u32 = 60;
    // The system's own sockets, which take several datagrams at once.
    let system = |first| SessionOptions { runtime: Some(Arc::new(TokioRuntime)), ..Side::options(first) };
    let mut pair = Pair::of(system(true), system(false));
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    let (camera, microphone) = (TrackRole::Camera, TrackRole::Microphone);
    for n in 0..PICTURES {
        // Of one size, with a shorter one at the end, and with longer ones behind it.
        let sizes = [[900, 900, 900], [900, 900, 899], [700, 900, 900]][n as usize % 3];
        for (at, bytes) in (0..).zip(sizes) {
            let part = sized(camera, 3 * n + at, true, bytes);
            let packet = RtpPayload { timestamp: n * 3000, marker: at == 2, ..part };
            assert!(pair.a.session.send_rtp(camera, packet));
        }
        assert!(pair.a.session.send_rtp(microphone, packet(microphone, n)));
        pair.run_for(Duration::from_millis(33)).await;
    }
    for (role, count) in [(camera, 3 * PICTURES), (microphone, PICTURES)] {
        let came = |pair: &mut Pair| {
            // Copies that probe the path come after what they are copies of.
            let mut seen = BTreeSet::new();
            let numbers = pair.b.packets.iter().filter(|(of, _)| *of == role).map(|(_, packet)| number(role, packet));
            numbers.filter(|number| seen.insert(*number)).collect::<Vec<u32>>()
        };
        pair.until("all are there", |pair| came(pair).len() == count as usize).await;
        assert_eq!(came(&mut pair), (0..count).collect::<Vec<_>>());
    }
    pair.close().await;
}

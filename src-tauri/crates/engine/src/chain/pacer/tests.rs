use parlor_protocol::media::TrackRole;

use super::*;
use crate::{inbox::Inbox, outbound};

fn pacer() -> (Pacer, Arc<Shared>) {
    let shared = Arc::new(Shared::new(outbound::streams(), 800_000, Inbox::new().0));
    (Pacer::new(800_000, Arc::clone(&shared)), shared)
}

fn packet(ssrc: u32, bytes: usize, now: Instant) -> TaggedPacket {
    let header = rtp::Header { version: 2, ssrc, ..Default::default() };
    let rtp = rtp::Packet { header, payload: vec![0; bytes].into() };
    TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(Packet::Rtp(rtp)) }
}

fn ssrc(shared: &Shared, role: TrackRole) -> u32 {
    shared.streams()[role as usize].ssrc
}

fn sent(pacer: &mut Pacer) -> Vec<u32> {
    std::iter::from_fn(|| pacer.poll_write())
        .filter_map(|packet| {
            let Packet::Rtp(rtp) = packet.message.packet else { return None };
            Some(rtp.header.ssrc)
        })
        .collect()
}

#[test]
fn pictures_leave_at_two_and_a_half_times_the_estimate() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let camera = ssrc(&shared, TrackRole::Camera);
    for _ in 0..100 {
        pacer.handle_write(packet(camera, 1188, start)).unwrap();
    }
    let mut count = sent(&mut pacer).len();
    while let Some(due) = pacer.poll_timeout() {
        if due > start + Duration::from_millis(200) {
            break;
        }
        pacer.handle_timeout(due).unwrap();
        count += sent(&mut pacer).len();
    }
    // 2 Mbit/s in packets of 9600 bits, and the burst.
    assert!((41..=47).contains(&count), "{count}");
}

#[test]
fn sound_leaves_at_once_and_retransmissions_before_pictures() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let (camera, microphone) = (ssrc(&shared, TrackRole::Camera), ssrc(&shared, TrackRole::Microphone));
    for _ in 0..10 {
        pacer.handle_write(packet(camera, 1188, start)).unwrap();
    }
    sent(&mut pacer);
    let mut again = packet(77, 1188, start);
    again.message.add(Attribute::Retransmission);
    pacer.handle_write(again).unwrap();
    pacer.handle_write(packet(microphone, 100, start)).unwrap();
    assert_eq!(sent(&mut pacer), [microphone]);
    pacer.handle_timeout(start + Duration::from_millis(6)).unwrap();
    assert_eq!(sent(&mut pacer).first(), Some(&77));
}

#[test]
fn the_queue_is_told_and_limited() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let camera = ssrc(&shared, TrackRole::Camera);
    for _ in 0..1000 {
        pacer.handle_write(packet(camera, 1188, start)).unwrap();
    }
    assert!(shared.queue() > Duration::from_millis(900) && shared.queue() < Duration::from_millis(1100));
    assert!(shared.send_dropped.load(Relaxed) > 700);
}

#[test]
fn an_idle_pacer_wants_no_timer() {
    let (mut pacer, shared) = pacer();
    let now = Instant::now();
    pacer.handle_write(packet(ssrc(&shared, TrackRole::Camera), 100, now)).unwrap();
    assert_eq!(pacer.poll_timeout(), None);
}

fn bound(shared: &Shared) -> StreamInfo {
    let stream = shared.streams()[TrackRole::Camera as usize];
    StreamInfo { ssrc: stream.ssrc, ssrc_rtx: stream.rtx, payload_type_rtx: Some(97), ..StreamInfo::default() }
}

/// Runs the pacer's timers for so long, and says when each packet left, and of which stream, with which number.
fn run(pacer: &mut Pacer, start: Instant, time: Duration) -> Vec<(Duration, u32, u16)> {
    let mut left = Vec::new();
    loop {
        left.extend(std::iter::from_fn(|| pacer.poll_write()).filter_map(|packet| {
            let Packet::Rtp(rtp) = packet.message.packet else { return None };
            Some((packet.now - start, rtp.header.ssrc, rtp.header.sequence_number))
        }));
        let Some(due) = pacer.poll_timeout().filter(|due| *due <= start + time) else { return left };
        pacer.handle_timeout(due).unwrap();
    }
}

const CLUSTER: Cluster = Cluster { id: 7, rate: 4_000_000.0, bits: 96_000.0 };

#[test]
fn a_cluster_is_made_of_pictures_that_wait() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let camera = ssrc(&shared, TrackRole::Camera);
    pacer.bind_local_stream(&bound(&shared));
    shared.want_probe(Some(CLUSTER));
    for _ in 0..20 {
        pacer.handle_write(packet(camera, 1188, start)).unwrap();
    }
    let left = run(&mut pacer, start, Duration::from_millis(30));
    assert!(left.iter().all(|(_, ssrc, _)| *ssrc == camera), "{left:?}");
    // 96 kbit at 4 Mbit/s in packets of 9600 bits.
    let Probe::Ended { id, first, last, packets } = shared.probe() else { panic!("{:?}", shared.probe()) };
    assert_eq!((id, first, packets), (7, start, 10));
    assert!((20..=25).contains(&(last - first).as_millis()), "{:?}", last - first);
}

#[test]
fn a_cluster_without_enough_pictures_is_filled_with_copies_of_them() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let stream = shared.streams()[TrackRole::Camera as usize];
    pacer.bind_local_stream(&bound(&shared));
    shared.want_probe(Some(CLUSTER));
    for _ in 0..3 {
        pacer.handle_write(packet(stream.ssrc, 1188, start)).unwrap();
    }
    let left = run(&mut pacer, start, Duration::from_millis(50));
    let copies: Vec<u16> = left.iter().filter(|packet| Some(packet.1) == stream.rtx).map(|packet| packet.2).collect();
    assert_eq!((left.len() - copies.len(), copies), (3, (0..7).collect()));
    assert!(matches!(shared.probe(), Probe::Ended { packets: 10, .. }), "{:?}", shared.probe());
    assert_eq!(pacer.poll_timeout(), None);
}

#[test]
fn without_a_picture_there_is_no_cluster() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    shared.want_probe(Some(CLUSTER));
    pacer.handle_write(packet(ssrc(&shared, TrackRole::Microphone), 100, start)).unwrap();
    assert_eq!((shared.probe(), pacer.poll_timeout()), (Probe::Wanted(CLUSTER), None));
}

#[test]
fn without_retransmissions_a_cluster_ends_with_the_pictures() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    shared.want_probe(Some(CLUSTER));
    pacer.handle_write(packet(ssrc(&shared, TrackRole::Camera), 1188, start)).unwrap();
    run(&mut pacer, start, Duration::from_millis(50));
    assert!(matches!(shared.probe(), Probe::Ended { packets: 1, .. }), "{:?}", shared.probe());
    assert_eq!(pacer.poll_timeout(), None);
}

#[test]
fn copies_and_answers_to_requests_are_numbered_as_one_stream() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let stream = shared.streams()[TrackRole::Camera as usize];
    pacer.bind_local_stream(&bound(&shared));
    shared.want_probe(Some(CLUSTER));
    pacer.handle_write(packet(stream.ssrc, 1188, start)).unwrap();
    run(&mut pacer, start, Duration::from_millis(50));
    pacer.bind_local_stream(&bound(&shared));
    let mut again = packet(stream.rtx.unwrap(), 1188, start + Duration::from_millis(60));
    again.message.add(Attribute::Retransmission);
    pacer.handle_write(again).unwrap();
    let left = run(&mut pacer, start, Duration::from_millis(100));
    assert_eq!(left.last().map(|packet| packet.2), Some(9));
}

#[test]
fn of_a_picture_that_was_cut_nothing_more_is_sent() {
    let (mut pacer, shared) = pacer();
    let start = Instant::now();
    let camera = ssrc(&shared, TrackRole::Camera);
    for _ in 0..300 {
        pacer.handle_write(packet(camera, 1188, start)).unwrap();
    }
    let dropped = shared.send_dropped.load(Relaxed);
    let later = start + Duration::from_millis(900);
    run(&mut pacer, start, Duration::from_millis(900));
    pacer.handle_write(packet(camera, 1188, later)).unwrap();
    assert_eq!(shared.send_dropped.load(Relaxed), dropped + 1);
    let mut next = packet(camera, 1188, later);
    if let Packet::Rtp(rtp) = &mut next.message.packet {
        rtp.header.timestamp = 3000;
    }
    pacer.handle_write(next).unwrap();
    assert_eq!(shared.send_dropped.load(Relaxed), dropped + 1);
}

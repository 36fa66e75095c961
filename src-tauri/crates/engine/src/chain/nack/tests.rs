use super::{timing::PATIENCE, *};

const RTT: Duration = Duration::from_millis(20);

fn log(sequences: &[u16], now: Instant) -> Log {
    let mut log = Log::default();
    sequences.iter().for_each(|sequence| log.came(*sequence, now));
    log
}

#[test]
fn a_packet_that_was_overtaken_is_not_asked_for() {
    let now = Instant::now();
    let mut log = log(&[1, 3, 2, 4], now);
    assert!(log.due(RTT, now + PATIENCE).is_empty());
}

#[test]
fn a_missing_packet_is_asked_for_after_some_patience() {
    let now = Instant::now();
    let mut log = log(&[1, 3], now);
    assert!(log.due(RTT, now).is_empty());
    assert_eq!(log.due(RTT, now + PATIENCE), [2]);
}

#[test]
fn three_newer_packets_end_the_patience() {
    let now = Instant::now();
    let mut log = log(&[1, 3, 4, 5], now);
    assert_eq!(log.due(RTT, now), [2]);
}

#[test]
fn a_packet_is_asked_for_while_it_can_come_in_time() {
    for (rtt, asked) in [(0, 10), (20, 10), (40, 8), (100, 4), (200, 4), (400, 2), (1500, 1)] {
        let now = Instant::now();
        let mut log = log(&[1, 3], now);
        let mut rounds = 0;
        for ms in 0..2000 {
            log.due(Duration::from_millis(rtt), now + Duration::from_millis(ms));
            rounds = log.missing.values().map(|missing| missing.tries).max().unwrap_or(rounds);
        }
        assert_eq!(rounds, asked, "at {rtt} ms");
        assert!(log.missing.is_empty());
    }
}

#[test]
fn it_is_asked_again_as_soon_as_an_answer_is_overdue_and_several_times_over() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let mut log = log(&[1, 3], now);
    for n in 0..40_u16 {
        log.came(5 + n * 2, at(0));
        log.due(RTT, at(4));
        log.repaired(4 + n * 2, at(28));
    }
    let lost = 84;
    log.came(lost + 1, at(1000));
    let wishes: Vec<u64> = (1000..1100).filter(|ms| log.due(RTT, at(*ms)).contains(&lost)).collect();
    assert_eq!(wishes, [1004, 1034, 1042, 1064, 1072, 1080, 1094]);
}

#[test]
fn while_nobody_knows_how_long_an_answer_takes_there_are_no_copies() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let asked = |log: &mut Log, rtt: Duration, from: u64| -> Vec<u64> {
        (from..from + 100).filter(|ms| !log.due(rtt, at(*ms)).is_empty()).map(|ms| ms - from).collect()
    };
    assert_eq!(asked(&mut log(&[1, 3], now), Duration::ZERO, 0), [4, 44, 84]);
    assert_eq!(asked(&mut log(&[1, 3], now), RTT, 0), [4, 44, 52, 84, 92]);
    // An answer tells as much as a report does.
    let mut answered = log(&[1, 3], now);
    assert_eq!(answered.due(Duration::ZERO, at(4)), [2]);
    answered.repaired(2, at(34));
    answered.came(5, at(1000));
    assert_eq!(asked(&mut answered, Duration::ZERO, 1000), [4, 49, 57, 94]);
}

#[test]
fn a_wish_leaves_with_the_packet_that_tells_of_the_loss_and_again_by_itself() {
    let shared = Arc::new(Shared::new(crate::outbound::streams(), 800_000, crate::inbox::Inbox::new().0));
    shared.set_rtt(RTT);
    let mut nack = Nack::new(shared);
    let feedback = rtc::interceptor::RTCPFeedback { typ: "nack".to_owned(), parameter: String::new() };
    nack.bind_remote_stream(&StreamInfo { ssrc: 1, rtcp_feedback: vec![feedback], ..StreamInfo::default() });
    let start = Instant::now();
    let packet = |sequence_number, ms| {
        let header = rtp::Header { version: 2, ssrc: 1, sequence_number, ..Default::default() };
        let message = AttributedPacket::new(Packet::Rtp(rtp::Packet { header, payload: vec![0].into() }));
        TaggedPacket { now: start + Duration::from_millis(ms), transport: TransportContext::default(), message }
    };
    // The third newer packet says at once that it is lost.
    for (sequence, ms) in [(1, 0), (3, 1), (4, 2)] {
        nack.handle_read(packet(sequence, ms)).unwrap();
    }
    assert!(nack.poll_write().is_none());
    nack.handle_read(packet(5, 3)).unwrap();
    assert!(nack.poll_write().is_some() && nack.poll_write().is_none());
    for ms in [43, 51] {
        assert_eq!(nack.poll_timeout(), Some(start + Duration::from_millis(ms)));
        nack.handle_timeout(start + Duration::from_millis(ms)).unwrap();
        assert!(nack.poll_write().is_some() && nack.poll_write().is_none());
    }
    nack.handle_read(packet(2, 60)).unwrap();
    assert_eq!(nack.poll_timeout(), None);
}

#[test]
fn what_a_path_loses_that_is_overrun_is_asked_for_once_at_a_time() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    for (lost, times) in [(16, 3), (17, 2)] {
        let mut log = log(&[1, 2 + lost], now);
        let asked: Vec<usize> = (4..64).map(|ms| log.due(RTT, at(ms)).len()).filter(|asked| *asked > 0).collect();
        assert_eq!(asked, vec![usize::from(lost); times]);
    }
}

#[test]
fn numbers_that_begin_anew_leave_no_gap() {
    let now = Instant::now();
    let mut log = log(&[65_534, 1], now);
    assert_eq!(log.due(RTT, now + PATIENCE), [65_535, 0]);
}

#[test]
fn a_leap_is_a_new_start() {
    let now = Instant::now();
    let mut log = log(&[1, 5_000], now);
    assert!(log.due(RTT, now + PATIENCE).is_empty());
}

#[test]
fn a_packet_that_came_by_itself_after_all_makes_patient() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let mut log = log(&[1, 3], now);
    log.came(2, at(12));
    (5..8).for_each(|sequence| log.came(sequence, at(20)));
    assert!(log.due(RTT, at(31)).is_empty());
    assert_eq!(log.due(RTT, at(32)), [4]);
}

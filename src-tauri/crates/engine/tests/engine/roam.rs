//! Addresses that change under a session.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use parlor_engine::{
    Network, SessionCommand, SessionEvent, SessionOptions,
    netem::{Fault, Impairment},
};
use parlor_protocol::{SessionState, media::TrackRole};

use crate::{
    pair::{Pair, Side, Who, packet},
    recorder::Recorder,
};

/// One round trip between the two.
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// What a pause may take that costs 30 to 200 ms on a quiet machine; a restart would cost more.
const BUSY: Duration = Duration::from_millis(600);

/// Two who talk all the time, and how long each last waited for the other's voice.
pub(crate) struct Talk {
    pub(crate) pair: Pair,
    voices: Vec<tokio::task::JoinHandle<()>>,
    /// How many packets each side's gap counts in, and when the last of them came.
    counted: [(usize, Instant); 2],
    gap: [Duration; 2],
}

impl Talk {
    pub(crate) async fn begin() -> Self {
        Self::over(Pair::connected().await).await
    }

    pub(crate) async fn over(pair: Pair) -> Self {
        let far = Impairment { delay: ROUND_TRIP / 2, ..Impairment::default() };
        pair.a.netem.outgoing(far);
        pair.b.netem.outgoing(far);
        let voices = [pair.a.session.sender(), pair.b.session.sender()].map(|sender| {
            tokio::spawn(async move {
                let mut tick = tokio::time::interval(Duration::from_millis(20));
                for n in 0.. {
                    tick.tick().await;
                    sender.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
                }
            })
        });
        let now = Instant::now();
        let mut talk = Self { pair, voices: voices.into(), counted: [(0, now); 2], gap: [Duration::ZERO; 2] };
        talk.on_for(Duration::from_millis(1200)).await;
        assert!(talk.counted.iter().all(|(count, _)| *count > 30), "{:?}", talk.counted);
        talk.gap = [Duration::ZERO; 2];
        talk
    }

    pub(crate) async fn on_for(&mut self, time: Duration) {
        self.pair.run_for(time).await;
        for (at, side) in [&self.pair.a, &self.pair.b].into_iter().enumerate() {
            let (count, mut last) = self.counted[at];
            for came in &side.came[count..] {
                self.gap[at] = self.gap[at].max(came.saturating_duration_since(last));
                last = *came;
            }
            self.counted[at] = (side.came.len(), last);
            self.gap[at] = self.gap[at].max(last.elapsed());
        }
    }

    /// Each hears the other where it is now. A side takes a voice from anywhere: who hears is who is found.
    async fn assert_both_heard(&mut self) {
        let before = [&self.pair.a, &self.pair.b].map(|side| side.came.len());
        let hears = |side: &Side, before: usize| side.came.len() > before + 20;
        let both = |pair: &mut Pair| hears(&pair.a, before[0]) && hears(&pair.b, before[1]);
        self.pair.until("both hear each other", both).await;
    }

    /// No session noticed anything.
    fn assert_undisturbed(&self) {
        for side in [&self.pair.a, &self.pair.b] {
            let after = side.seen.iter().skip_while(|event| **event != connected()).skip(1);
            let states: Vec<_> = after.filter(|event| matches!(event, SessionEvent::Connection(_))).collect();
            assert!(states.is_empty(), "{states:?}");
        }
    }

    pub(crate) async fn end(self) {
        self.voices.iter().for_each(tokio::task::JoinHandle::abort);
        self.pair.close().await;
    }
}

fn connected() -> SessionEvent {
    SessionEvent::Connection(SessionState::Connected)
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn network(addresses: &[&str], preferred: &str) -> Network {
    Network { addresses: addresses.iter().map(|address| ip(address)).collect(), preferred: [ip(preferred)].into() }
}

pub(crate) fn roam(op: u64, addresses: &[&str], preferred: &str) -> SessionCommand {
    SessionCommand::Roam { op, network: network(addresses, preferred) }
}

/// What was answered, in order.
pub(crate) fn roamed(pair: &Pair) -> Vec<(u64, bool)> {
    let reached = |event: &SessionEvent| match event {
        SessionEvent::Roamed { op, reached } => Some((*op, *reached)),
        _ => None,
    };
    pair.a.seen.iter().filter_map(reached).collect()
}

#[tokio::test]
async fn a_session_moves_to_another_address_when_its_own_is_gone() {
    let mut talk = Talk::begin().await;
    talk.pair.a.command(roam(1, &["127.0.0.2"], "127.0.0.2"));
    talk.on_for(Duration::from_millis(500)).await;
    talk.pair.until("it is said", |pair| roamed(pair).len() == 1).await;
    println!("longest pause at A {:?}, at B {:?}", talk.gap[0], talk.gap[1]);
    assert!(talk.gap.iter().all(|gap| *gap < BUSY), "{:?}", talk.gap);
    talk.pair.a.command(roam(2, &["127.0.0.3"], "127.0.0.3"));
    talk.pair.until("it is said again", |pair| roamed(pair).len() == 2).await;
    assert_eq!(roamed(&talk.pair), [(1, true), (2, true)]);
    talk.on_for(Duration::from_secs(4)).await;
    let ends =
        [talk.pair.a.session.stats().selected.unwrap().local, talk.pair.b.session.stats().selected.unwrap().remote];
    assert!(ends.iter().all(|end| end.address.as_ref().is_some_and(|at| at.starts_with("127.0.0.3:"))), "{ends:?}");
    talk.assert_undisturbed();
    talk.end().await;
}

#[tokio::test]
async fn a_better_address_is_taken_only_when_it_works() {
    let mut talk = Talk::begin().await;
    talk.pair.a.netem.fault(ip("127.0.0.9"), Fault::Lost);
    talk.pair.a.command(roam(1, &["127.0.0.1", "127.0.0.9"], "127.0.0.9"));
    talk.on_for(Duration::from_millis(500)).await;
    talk.pair.until("it is said", |pair| roamed(pair).len() == 1).await;
    talk.pair.a.command(roam(2, &["127.0.0.1", "127.0.0.2"], "127.0.0.2"));
    talk.on_for(Duration::from_millis(500)).await;
    talk.pair.until("it is said again", |pair| roamed(pair).len() == 2).await;
    // The path that was there goes on.
    assert_eq!(roamed(&talk.pair), [(1, true), (2, true)]);
    println!("longest pause at A {:?}, at B {:?}", talk.gap[0], talk.gap[1]);
    assert!(talk.gap.iter().all(|gap| *gap < BUSY), "{:?}", talk.gap);
    talk.pair.until("only one was taken", |pair| pair.a.session.stats().moves == 1).await;
    talk.assert_both_heard().await;
    talk.assert_undisturbed();
    talk.end().await;
}

#[tokio::test]
async fn a_socket_that_is_full_is_left_for_another_address() {
    let mut talk = Talk::begin().await;
    talk.pair.a.netem.fault(ip("127.0.0.1"), Fault::Full);
    // It is full for a while before the system has found another network.
    talk.on_for(Duration::from_millis(300)).await;
    talk.pair.a.command(roam(1, &["127.0.0.1", "127.0.0.2"], "127.0.0.2"));
    talk.pair.until("it is said", |pair| !roamed(pair).is_empty()).await;
    assert_eq!(roamed(&talk.pair), [(1, true)]);
    talk.assert_both_heard().await;
    talk.assert_undisturbed();
    talk.end().await;
}

#[tokio::test]
async fn each_of_many_changes_is_answered_once_and_the_last_is_followed() {
    let mut talk = Talk::begin().await;
    for (op, address) in (1..).zip(["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]) {
        talk.pair.a.command(roam(op, &[address], address));
        // Some of them before the first has sent anything, some while an answer is on its way.
        talk.on_for(ROUND_TRIP * u32::try_from(op - 1).unwrap() / 2).await;
    }
    talk.pair.until("all are answered", |pair| roamed(pair).len() == 4).await;
    assert_eq!(roamed(&talk.pair).last(), Some(&(4, true)));
    talk.assert_both_heard().await;
    let is_there = |pair: &mut Pair| {
        let local = pair.a.session.stats().selected.and_then(|selected| selected.local.address);
        local.is_some_and(|at| at.starts_with("127.0.0.5:"))
    };
    talk.pair.until("A is at the last", is_there).await;
    assert_eq!(roamed(&talk.pair).into_iter().map(|(op, _)| op).collect::<Vec<_>>(), [1, 2, 3, 4]);
    talk.assert_undisturbed();
    talk.end().await;
}

#[tokio::test]
async fn a_nat_that_maps_anew_costs_one_keepalive_and_a_round_trip() {
    let mut talk = Talk::begin().await;
    for _ in 0..3 {
        talk.pair.a.netem.remap();
        talk.on_for(Duration::from_secs(1)).await;
    }
    println!("longest pause at A {:?}, at B {:?}", talk.gap[0], talk.gap[1]);
    assert!(talk.gap.iter().all(|gap| *gap < BUSY), "{:?}", talk.gap);
    talk.on_for(Duration::from_secs(4)).await;
    talk.assert_undisturbed();
    talk.end().await;
}

#[tokio::test]
async fn nobody_is_reached_on_a_dead_path_and_it_is_said_in_time() {
    let mut talk = Talk::begin().await;
    talk.pair.b.netem.blackhole(true);
    let start = Instant::now();
    talk.pair.a.command(roam(1, &["127.0.0.2"], "127.0.0.2"));
    talk.pair.until("it is said", |pair| !roamed(pair).is_empty()).await;
    assert_eq!(roamed(&talk.pair), [(1, false)]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // It goes on asking by itself: the path may be slow to come.
    talk.pair.b.netem.blackhole(false);
    talk.assert_both_heard().await;
    talk.pair.until("it has moved", |pair| pair.a.session.stats().moves == 1).await;
    talk.end().await;
}

#[tokio::test]
async fn silence_is_told_long_before_ice_says_so() {
    let mut talk = Talk::begin().await;
    let told = |pair: &Pair, silent| pair.a.seen.contains(&SessionEvent::Silent(silent));
    let start = Instant::now();
    talk.pair.b.netem.blackhole(true);
    talk.pair.until("it is told", |pair| told(pair, true)).await;
    assert!(start.elapsed() > Duration::from_millis(900) && start.elapsed() < Duration::from_millis(2000));
    talk.assert_undisturbed();
    talk.pair.a.seen.clear();
    talk.pair.b.netem.blackhole(false);
    talk.pair.until("its end is told", |pair| told(pair, false)).await;
    let states = |event: &SessionEvent| matches!(event, SessionEvent::Connection(_));
    assert!(!talk.pair.a.seen.iter().any(states), "{:?}", talk.pair.a.seen);
    talk.end().await;
}

#[tokio::test]
async fn a_voice_that_is_turned_off_is_no_silence() {
    let mut talk = Talk::begin().await;
    talk.voices.remove(1).abort();
    talk.on_for(Duration::from_secs(3)).await;
    assert!(!talk.pair.a.seen.contains(&SessionEvent::Silent(true)));
    talk.end().await;
}

#[tokio::test]
async fn a_session_that_moved_can_restart() {
    let mut talk = Talk::begin().await;
    talk.pair.a.command(roam(1, &["127.0.0.2"], "127.0.0.2"));
    talk.on_for(Duration::from_millis(500)).await;
    talk.pair.negotiate(Who::A, true).await;
    talk.assert_both_heard().await;
    talk.pair.a.netem.remap();
    talk.on_for(Duration::from_secs(1)).await;
    talk.assert_both_heard().await;
    talk.end().await;
}

#[tokio::test]
async fn nobody_without_the_password_turns_roles_round() {
    /// `ICE-CONTROLLED` and `ICE-CONTROLLING` in a check (RFC 8445 §16.1).
    const ROLES: [[u8; 4]; 2] = [[0x80, 0x29, 0, 8], [0x80, 0x2a, 0, 8]];
    let recorder = Recorder::default();
    let options = SessionOptions { runtime: Some(recorder.runtime()), ..Side::options(true) };
    let mut pair = Pair::of(options, Side::options(false));
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    let port = pair.a.candidates[0].candidate.split(' ').nth(5).unwrap().parse().unwrap();
    let checks = || ROLES.map(|role| recorder.containing(&role));
    assert_eq!(checks()[0], 0, "who offers first is the controlling side");

    // Its role, with the greatest number, and nothing else.
    let header = [0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    let forged = [&header[..], &[7; 12], &ROLES[1], &[0xff; 8]].concat();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        nobody.send_to(&forged, SocketAddr::new(ip("127.0.0.1"), port)).unwrap();
        let before = checks()[1];
        pair.until("it goes on to check", |_| checks()[1] > before + 1 || checks()[0] > 0).await;
    }
    assert_eq!(checks()[0], 0, "its role is what it was");
    pair.close().await;
}

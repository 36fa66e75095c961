//! The last DTLS handshake flight, until the other side answers it (RFC 6347 §4.2.4).
//!
//! The stack says a flight again after a second, and one is easily lost: on a bad path, or because the other side does not
//! know yet that the pair works. libwebrtc begins with two round trips, and no less than 50 ms. Here the very datagrams are
//! sent again, so that whoever got them before drops them as repeated (RFC 6347 §4.1.2.6).

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// When a flight is said again, counted from its last datagram. After that it is the stack's turn, which takes a second.
const AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(700)];
/// Datagrams of one flight leave together; what comes later than this is the next, or the stack says the same again.
const TOGETHER: Duration = Duration::from_millis(20);
/// Datagrams that a flight may have. The longest, with a certificate, has five.
const DATAGRAMS: usize = 16;
/// The bytes of a datagram that is kept.
const BYTES: usize = 1500;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flight {
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// Where flights go.
    to: Option<SocketAddr>,
    /// When its last datagram left.
    said: Option<Instant>,
    repeats: usize,
    /// The newest record of the other side: epoch and sequence number.
    newest: Option<u64>,
    /// The other side has finished its handshake.
    over: bool,
}

impl Flight {
    /// Something left: `packet` is what is for the other side, in `datagram`, which went to `to`.
    pub(super) fn sent(&mut self, packet: &[u8], datagram: &[u8], to: SocketAddr, now: Instant) {
        let (CHANGE_CIPHER_SPEC | HANDSHAKE) = packet.first().copied().unwrap_or_default() else { return };
        if self.over || datagram.len() > BYTES {
            return;
        }
        if self.said.is_none_or(|said| now.saturating_duration_since(said) > TOGETHER) {
            self.datagrams.clear();
            self.repeats = 0;
        }
        self.said = Some(now);
        self.to = Some(to);
        if self.datagrams.len() < DATAGRAMS {
            self.datagrams.push((to, datagram.to_vec()));
        }
    }

    /// Something came. From elsewhere than where the flight went, it is anybody's.
    pub(super) fn came(&mut self, packet: &[u8], from: SocketAddr) {
        match packet {
            _ if self.over || self.to.is_some_and(|to| to != from) => {}
            // Its keys are made: it got all that it needs.
            [APPLICATION_DATA | 128..=191, ..] => {
                self.over = true;
                self.answered();
            }
            [20..=63, _, _, record @ ..] => {
                let record = record.first_chunk().map(|number| u64::from_be_bytes(*number));
                // A record from before is no answer: it says that ours was lost.
                if record > self.newest {
                    self.newest = record;
                    self.answered();
                }
            }
            _ => {}
        }
    }

    /// What to say again now.
    pub(super) fn poll(&mut self, now: Instant) -> &[(SocketAddr, Vec<u8>)] {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return &[];
        }
        self.repeats += 1;
        &self.datagrams
    }

    /// When the flight is to be said again, if nothing comes.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let again = AGAIN.get(self.repeats).filter(|_| !self.datagrams.is_empty())?;
        self.said.map(|said| said + *again)
    }

    fn answered(&mut self) {
        self.datagrams.clear();
        self.said = None;
        self.repeats = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000);
    const MS: Duration = Duration::from_millis(1);

    /// A record of this type with this number, in epoch 0.
    fn record(kind: u8, number: u8) -> Vec<u8> {
        vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 1, 0]
    }

    fn say(flight: &mut Flight, packet: &[u8], now: Instant) {
        flight.sent(packet, packet, TO, now);
    }

    fn said_again(flight: &mut Flight, now: Instant) -> Vec<Vec<u8>> {
        flight.poll(now).iter().map(|(_, datagram)| datagram.clone()).collect()
    }

    #[test]
    fn a_flight_is_said_again_whole_three_times() {
        let now = Instant::now();
        let mut flight = Flight::default();
        let whole = [record(HANDSHAKE, 1), record(CHANGE_CIPHER_SPEC, 2), record(HANDSHAKE, 3)];
        whole.iter().for_each(|packet| say(&mut flight, packet, now));
        assert_eq!(flight.poll_timeout(), Some(now + 100 * MS));
        assert!(said_again(&mut flight, now + 99 * MS).is_empty());
        for due in AGAIN {
            assert_eq!(said_again(&mut flight, now + due), whole);
            assert!(said_again(&mut flight, now + due).is_empty());
        }
        assert_eq!(flight.poll_timeout(), None);
    }

    #[test]
    fn an_answer_ends_it() {
        let now = Instant::now();
        let mut flight = Flight::default();
        say(&mut flight, &record(HANDSHAKE, 0), now);
        flight.came(&record(HANDSHAKE, 0), TO);
        assert_eq!(flight.poll_timeout(), None);
        // And the next is a flight of its own.
        say(&mut flight, &record(HANDSHAKE, 1), now);
        assert_eq!(said_again(&mut flight, now + 100 * MS), [record(HANDSHAKE, 1)]);
    }

    #[test]
    fn what_the_other_side_says_again_is_no_answer() {
        let now = Instant::now();
        let mut flight = Flight::default();
        say(&mut flight, &record(HANDSHAKE, 0), now);
        flight.came(&record(HANDSHAKE, 5), TO);
        say(&mut flight, &record(HANDSHAKE, 1), now);
        flight.came(&record(HANDSHAKE, 5), TO);
        flight.came(&record(HANDSHAKE, 4), TO);
        assert_eq!(flight.poll_timeout(), Some(now + 100 * MS));
        flight.came(&record(HANDSHAKE, 6), TO);
        assert_eq!(flight.poll_timeout(), None);
    }

    #[test]
    fn what_the_stack_says_again_takes_the_place_of_what_it_said_before() {
        let now = Instant::now();
        let mut flight = Flight::default();
        say(&mut flight, &record(HANDSHAKE, 1), now);
        say(&mut flight, &record(HANDSHAKE, 2), now + 1000 * MS);
        assert_eq!(said_again(&mut flight, now + 1100 * MS), [record(HANDSHAKE, 2)]);
    }

    #[test]
    fn what_the_other_side_said_first_is_no_answer_when_it_says_it_again() {
        let now = Instant::now();
        let mut flight = Flight::default();
        flight.came(&record(HANDSHAKE, 1), TO);
        say(&mut flight, &record(HANDSHAKE, 0), now);
        flight.came(&record(HANDSHAKE, 1), TO);
        assert_eq!(flight.poll_timeout(), Some(now + 100 * MS));
    }

    #[test]
    fn what_comes_from_elsewhere_changes_nothing() {
        let now = Instant::now();
        let mut flight = Flight::default();
        say(&mut flight, &record(HANDSHAKE, 1), now);
        let elsewhere = SocketAddr::new(TO.ip(), TO.port() + 1);
        for packet in [record(HANDSHAKE, 9), record(APPLICATION_DATA, 9), vec![0x80, 111]] {
            flight.came(&packet, elsewhere);
            assert_eq!(flight.poll_timeout(), Some(now + 100 * MS));
        }
    }

    #[test]
    fn media_and_messages_end_it_for_good() {
        let now = Instant::now();
        for packet in [record(APPLICATION_DATA, 9), vec![0x80, 111]] {
            let mut flight = Flight::default();
            say(&mut flight, &record(HANDSHAKE, 1), now);
            flight.came(&packet, TO);
            assert_eq!(flight.poll_timeout(), None);
            say(&mut flight, &record(HANDSHAKE, 2), now);
            assert_eq!(flight.poll_timeout(), None);
        }
    }

    #[test]
    fn nothing_else_is_kept_and_what_is_kept_is_bounded() {
        let now = Instant::now();
        let mut flight = Flight::default();
        for packet in [vec![], record(21, 0), record(APPLICATION_DATA, 0), vec![0x80, 96], vec![0, 1]] {
            say(&mut flight, &packet, now);
        }
        assert_eq!(flight.poll_timeout(), None);
        flight.sent(&record(HANDSHAKE, 0), &[0; BYTES + 1], TO, now);
        assert_eq!(flight.poll_timeout(), None);
        for number in 0..=255 {
            say(&mut flight, &record(HANDSHAKE, number), now);
        }
        assert_eq!(said_again(&mut flight, now + 100 * MS).len(), DATAGRAMS);
        // Nor does what is too short to be a record hurt.
        flight.came(&[22], TO);
        flight.came(&[22, 0xfe, 0xfd, 0], TO);
    }
}

//! Where the other side really is, as against where ICE believes it to be.
//!
//! Owns: the one address that datagrams of the selected pair are exchanged with, and when another takes its place.
//! Refuses: sockets, clocks, cryptography.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rtc::stun::message::TransactionId;

use super::check::Proof;

/// After such a pause on a path that was steady, somebody who proves to be the other side is taken for it at another
/// address: sound alone comes every 20 ms.
const SILENCE: Duration = Duration::from_millis(100);
/// Datagrams before a path counts as steady: handshakes pause.
const STEADY: u32 = 20;
/// Checks that are remembered, so that none counts twice: those of some seconds.
const REMEMBERED: usize = 64;

/// The path of one socket.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Where the stack sends media.
    remote: Option<SocketAddr>,
    /// Where that is now, since it moved.
    moved_to: Option<SocketAddr>,
    heard: Option<Instant>,
    count: u32,
    /// The other side's newest move.
    told: u64,
    /// Another address that proved to be the other side's, while the one in use was not silent.
    rival: Option<SocketAddr>,
    seen: VecDeque<TransactionId>,
}

impl Path {
    /// The stack sends media there: that is the selected pair.
    pub(super) fn select(&mut self, to: SocketAddr, now: Instant) {
        if self.remote != Some(to) {
            *self = Self { remote: Some(to), heard: Some(now), ..Self::default() };
        }
    }

    /// Where the stack sends media, if it does.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Where what the stack sends there has to go.
    pub(super) fn place(&self, to: SocketAddr) -> SocketAddr {
        self.moved_to.filter(|_| self.remote == Some(to)).unwrap_or(to)
    }

    /// Something came that proves nothing. Gives the address that the stack knows its sender by.
    pub(super) fn heard(&mut self, from: SocketAddr, now: Instant) -> SocketAddr {
        let Some(remote) = self.remote else { return from };
        if from == self.place(remote) {
            self.note(now);
            return remote;
        }
        if self.rival == Some(from) && self.is_silent(now) {
            return self.adopt(from, remote, now);
        }
        from
    }

    /// A check came whose sender is the other side. Gives the address that the stack knows it by.
    pub(super) fn proven(&mut self, from: SocketAddr, proof: Proof, now: Instant) -> SocketAddr {
        let Some(remote) = self.remote else { return from };
        if self.seen.contains(&proof.transaction) {
            return if from == self.place(remote) { remote } else { from };
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(proof.transaction);
        let moved = proof.moved.is_some_and(|number| number > self.told);
        self.told = self.told.max(proof.moved.unwrap_or_default());
        if from == self.place(remote) {
            self.note(now);
            return remote;
        }
        if moved || self.is_silent(now) {
            return self.adopt(from, remote, now);
        }
        self.rival = Some(from);
        from
    }

    /// Nothing has come for a while on a path that was steady.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let silent = |heard| now.saturating_duration_since(heard) >= SILENCE;
        self.count >= STEADY && self.heard.is_some_and(silent)
    }

    fn adopt(&mut self, from: SocketAddr, remote: SocketAddr, now: Instant) -> SocketAddr {
        self.moved_to = Some(from).filter(|from| *from != remote);
        self.rival = None;
        self.note(now);
        remote
    }

    fn note(&mut self, now: Instant) {
        self.heard = Some(now);
        self.count = self.count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.1:1000";
    const THERE: &str = "192.0.2.2:2000";

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn proof(number: u8, moved: Option<u64>) -> Proof {
        Proof { transaction: TransactionId([number; 12]), moved }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// One on which a call runs, and when its last datagram came.
    fn steady() -> (Path, Instant) {
        let mut path = Path::default();
        let mut now = Instant::now();
        path.select(at(HERE), now);
        for _ in 0..STEADY {
            now += ms(20);
            assert_eq!(path.heard(at(HERE), now), at(HERE));
        }
        (path, now)
    }

    #[test]
    fn a_move_that_is_told_is_followed_at_once() {
        let (mut path, now) = steady();
        assert_eq!(path.proven(at(THERE), proof(1, Some(1)), now), at(HERE));
        assert_eq!(path.place(at(HERE)), at(THERE));
        assert_eq!(path.heard(at(THERE), now), at(HERE));
    }

    #[test]
    fn an_older_move_that_comes_late_is_not_followed() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(1, Some(2)), now);
        assert_eq!(path.proven(at("192.0.2.3:3"), proof(2, Some(1)), now), at("192.0.2.3:3"));
        assert_eq!(path.place(at(HERE)), at(THERE));
    }

    #[test]
    fn another_address_is_followed_once_the_one_in_use_is_silent() {
        let (mut path, now) = steady();
        assert_eq!(path.proven(at(THERE), proof(1, None), now + ms(50)), at(THERE));
        assert_eq!(path.heard(at(THERE), now + ms(60)), at(THERE));
        assert_eq!(path.heard(at(THERE), now + ms(100)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(THERE));
    }

    #[test]
    fn who_has_proven_nothing_is_not_followed_however_silent_it_is() {
        let (mut path, now) = steady();
        assert_eq!(path.heard(at(THERE), now + ms(5000)), at(THERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn a_check_counts_once_whoever_sends_it() {
        let (mut path, now) = steady();
        path.proven(at(HERE), proof(1, None), now);
        assert_eq!(path.proven(at(THERE), proof(1, None), now + ms(500)), at(THERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn a_way_back_is_followed_too() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(1, Some(1)), now);
        assert_eq!(path.proven(at(HERE), proof(2, None), now + ms(150)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn late_datagrams_from_the_old_place_change_nothing() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(1, Some(1)), now);
        assert_eq!(path.heard(at(HERE), now + ms(10)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(THERE));
    }

    #[test]
    fn a_handshake_that_pauses_is_not_taken_for_silence() {
        let mut path = Path::default();
        let now = Instant::now();
        path.select(at(HERE), now);
        assert_eq!(path.proven(at(THERE), proof(1, None), now + ms(900)), at(THERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn a_new_pair_begins_anew() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(1, Some(1)), now);
        path.select(at("192.0.2.9:9"), now);
        assert_eq!(path.place(at(HERE)), at(HERE));
    }
}

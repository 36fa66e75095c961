//! Where the other side really is, as against where ICE believes it to be.
//!
//! Owns: the one address that datagrams of the selected pair are exchanged with, and when another takes its place.
//! Refuses: sockets, clocks, cryptography.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::check::Proof;

/// After such a pause on a path that was steady, somebody who proved to be the other side is taken for it at another
/// address: sound alone comes every 20 ms.
const SILENCE: Duration = Duration::from_millis(100);
/// After such a pause the other side is asked whether it is still there.
const DOUBT: Duration = Duration::from_millis(40);
/// Datagrams before a path counts as steady: handshakes pause.
const STEADY: u32 = 20;
/// How often somebody at another address is asked.
const ASK_EVERY: Duration = Duration::from_millis(40);
/// How often at most, for one check that came from there: its sender may be made up, and whoever is there knows nothing.
const ASKS: u32 = 10;
/// How long such a check counts, and the answer to ours: whoever is there goes on to check.
const FRESH: Duration = Duration::from_secs(1);
/// Addresses of one other side that are remembered.
const MAX_SOURCES: usize = 8;

/// The path of one socket.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Where the stack sends media.
    remote: Option<SocketAddr>,
    /// Where that is now, since it moved.
    moved_to: Option<SocketAddr>,
    /// The generation that this was selected in is over, and the next has selected nothing yet.
    over: bool,
    heard: Option<Instant>,
    count: u32,
    /// The other side's newest move.
    told: u64,
    rival: Option<Rival>,
    /// Where else checks of this generation came from. A side may send by another pair than the one that it is sent to by
    /// (RFC 8445 §12.1): Chromium does, for as long as it likes.
    sources: Vec<SocketAddr>,
}

/// Somebody at another address who seems to be the other side. A check can be a recording: only an answer to one of ours,
/// from there, proves that it is.
#[derive(Debug, Clone, Copy)]
struct Rival {
    from: SocketAddr,
    /// The number of the move that it told of.
    moved: Option<u64>,
    asked: Option<Instant>,
    asks: u32,
    answered: bool,
    /// When it came up, or answered.
    since: Instant,
}

impl Path {
    /// Another ICE generation begins, whose candidates are where they say. On a socket that is kept for it the other side may
    /// come from another address, and must not be taken for one that moved: the stack would hear of an address that it does
    /// not know any more.
    pub(super) fn begin(&mut self) {
        (self.moved_to, self.rival, self.over) = (None, None, self.remote.is_some());
        self.sources.clear();
    }

    /// The stack sends media there: that is the selected pair.
    pub(super) fn select(&mut self, to: SocketAddr, now: Instant) {
        self.over = false;
        if self.remote != Some(to) {
            let sources = std::mem::take(&mut self.sources);
            *self = Self { remote: Some(to), heard: Some(now), sources, ..Self::default() };
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

    /// Whether something came within this time.
    pub(super) fn heard_within(&self, time: Duration, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < time)
    }

    /// Whether this is where the other side is.
    pub(super) fn is_there(&self, from: SocketAddr) -> bool {
        self.remote.is_some_and(|remote| self.place(remote) == from)
    }

    /// Whether the other side sends from there, as far as checks tell: one can be a recording, so that nothing may be sent
    /// there for it.
    pub(super) fn comes_from(&self, from: SocketAddr) -> bool {
        self.is_there(from) || self.sources.contains(&from)
    }

    /// Something came that proves nothing. Gives the address that the stack knows its sender by.
    pub(super) fn heard(&mut self, from: SocketAddr, now: Instant) -> SocketAddr {
        let Some(remote) = self.remote else { return from };
        if self.is_there(from) {
            self.note(now);
            return remote;
        }
        self.follow(from, remote, now)
    }

    /// A check came whose sender is the other side, or somebody who recorded it. Gives the address that the stack knows it
    /// by.
    pub(super) fn proven(&mut self, from: SocketAddr, proof: Proof, now: Instant) -> SocketAddr {
        self.remember(from);
        let Some(remote) = self.remote else { return from };
        if self.is_there(from) {
            self.note(now);
            return remote;
        }
        if self.over {
            return from;
        }
        self.expire(now);
        let moved = proof.moved.filter(|number| *number > self.told);
        match &mut self.rival {
            Some(rival) if rival.from == from => rival.moved = rival.moved.max(moved),
            // Who told of no move does not take the place of who did.
            Some(rival) if rival.moved.is_some() && moved.is_none() => {}
            Some(_) | None => {
                self.rival = Some(Rival { from, moved, asked: None, asks: 0, answered: false, since: now });
            }
        }
        self.follow(from, remote, now)
    }

    /// A check of ours was answered from there. Gives the address that the stack knows it by.
    pub(super) fn answered(&mut self, from: SocketAddr, now: Instant) -> SocketAddr {
        self.expire(now);
        if let Some(rival) = self.rival.as_mut().filter(|rival| rival.from == from && !rival.answered) {
            (rival.answered, rival.since) = (true, now);
        }
        self.heard(from, now)
    }

    /// Whom to ask now whether it is there.
    pub(super) fn ask(&mut self, now: Instant) -> Option<SocketAddr> {
        self.expire(now);
        let rival = self.rival.as_mut().filter(|rival| !rival.answered && rival.asks < ASKS)?;
        if rival.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASK_EVERY) {
            return None;
        }
        rival.asked = Some(now);
        rival.asks += 1;
        Some(rival.from)
    }

    /// Nothing has come for a while on a path that was steady, so that it is to be asked.
    pub(super) fn is_doubtful(&self, now: Instant) -> bool {
        self.pauses(DOUBT, now)
    }

    fn pauses(&self, time: Duration, now: Instant) -> bool {
        self.count >= STEADY && self.heard.is_some_and(|heard| now.saturating_duration_since(heard) >= time)
    }

    /// Forgets a rival that was heard of too long ago.
    fn expire(&mut self, now: Instant) {
        self.rival.take_if(|rival| now.saturating_duration_since(rival.since) >= FRESH);
    }

    /// Takes the rival for the other side, if that is due.
    fn follow(&mut self, from: SocketAddr, remote: SocketAddr, now: Instant) -> SocketAddr {
        self.expire(now);
        let silent = self.pauses(SILENCE, now);
        let Some(rival) = self.rival.filter(|rival| rival.from == from && rival.answered) else { return from };
        if rival.moved.is_none() && !silent {
            return from;
        }
        self.moved_to = Some(from).filter(|from| *from != remote);
        self.told = self.told.max(rival.moved.unwrap_or_default());
        self.rival = None;
        self.note(now);
        remote
    }

    fn remember(&mut self, from: SocketAddr) {
        if self.sources.contains(&from) {
            return;
        }
        if self.sources.len() == MAX_SOURCES {
            self.sources.remove(0);
        }
        self.sources.push(from);
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

    fn proof(moved: Option<u64>) -> Proof {
        Proof { moved }
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
    fn a_move_that_is_told_is_followed_as_soon_as_it_answers() {
        let (mut path, now) = steady();
        assert_eq!(path.proven(at(THERE), proof(Some(1)), now), at(THERE));
        assert_eq!(path.ask(now), Some(at(THERE)));
        assert_eq!(path.place(at(HERE)), at(HERE));
        assert_eq!(path.answered(at(THERE), now + ms(40)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(THERE));
        assert_eq!(path.heard(at(THERE), now), at(HERE));
        assert_eq!(path.ask(now + ms(500)), None);
    }

    #[test]
    fn in_another_generation_everybody_is_where_they_come_from() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(Some(1)), now);
        path.answered(at(THERE), now);
        assert_eq!(path.place(at(HERE)), at(THERE));
        path.begin();
        assert_eq!(path.place(at(HERE)), at(HERE));
        let later = now + SILENCE;
        assert_eq!(path.proven(at(THERE), proof(None), later), at(THERE));
        assert_eq!(path.ask(later), None);
        assert_eq!(path.answered(at(THERE), later), at(THERE));
        assert_eq!(path.heard(at(HERE), later), at(HERE));
        // Until it has chosen.
        path.select(at(HERE), later);
        path.proven(at(THERE), proof(Some(2)), later);
        assert_eq!(path.ask(later), Some(at(THERE)));
        assert_eq!(path.answered(at(THERE), later), at(HERE));
    }

    #[test]
    fn who_checked_in_this_generation_may_send_from_there() {
        let (mut path, now) = steady();
        assert!(path.comes_from(at(HERE)) && !path.comes_from(at(THERE)));
        path.proven(at(THERE), proof(None), now);
        assert!(path.comes_from(at(THERE)) && !path.is_there(at(THERE)));
        path.select(at("192.0.2.3:3"), now);
        assert!(path.comes_from(at(THERE)));
        for n in 0..100 {
            path.proven(at(&format!("192.0.2.4:{}", 1000 + n)), proof(None), now);
        }
        assert!(path.comes_from(at("192.0.2.4:1099")) && !path.comes_from(at(THERE)));
        path.begin();
        assert!(!path.comes_from(at("192.0.2.4:1099")));
    }

    #[test]
    fn a_recording_from_elsewhere_is_asked_and_not_followed() {
        let (mut path, now) = steady();
        for moved in [None, Some(1)] {
            path.proven(at(THERE), proof(moved), now + ms(5000));
            assert_eq!(path.heard(at(THERE), now + ms(5000)), at(THERE));
        }
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn an_older_move_that_comes_late_is_not_followed() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(Some(2)), now);
        path.answered(at(THERE), now);
        path.proven(at("192.0.2.3:3"), proof(Some(1)), now);
        assert_eq!(path.answered(at("192.0.2.3:3"), now), at("192.0.2.3:3"));
        assert_eq!(path.place(at(HERE)), at(THERE));
    }

    #[test]
    fn another_address_is_followed_once_it_answers_and_the_one_in_use_is_silent() {
        let (mut path, now) = steady();
        assert_eq!(path.proven(at(THERE), proof(None), now + ms(50)), at(THERE));
        assert_eq!(path.answered(at(THERE), now + ms(90)), at(THERE));
        assert_eq!(path.heard(at(THERE), now + ms(100)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(THERE));
    }

    #[test]
    fn who_has_proven_nothing_is_not_followed_however_silent_it_is() {
        let (mut path, now) = steady();
        assert_eq!(path.heard(at(THERE), now + ms(5000)), at(THERE));
        assert_eq!(path.answered(at(THERE), now + ms(5000)), at(THERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn nobody_is_asked_more_often_than_it_helps() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(None), now);
        assert_eq!(path.ask(now), Some(at(THERE)));
        path.proven(at(THERE), proof(None), now + ms(10));
        assert_eq!(path.ask(now + ms(10)), None);
        assert_eq!(path.ask(now + ASK_EVERY), Some(at(THERE)));
    }

    #[test]
    fn who_never_answers_is_not_asked_for_ever_and_stands_in_nobodys_way() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(Some(1)), now);
        let asked = (0..1000).filter(|n| path.ask(now + ms(20) * *n).is_some()).count();
        assert_eq!(asked, usize::try_from(ASKS).unwrap());

        let (mut path, now) = steady();
        let mapped = at("192.0.2.3:3");
        path.proven(at(THERE), proof(Some(1)), now);
        path.ask(now);
        let later = now + FRESH;
        path.proven(mapped, proof(None), later);
        assert_eq!(path.ask(later), Some(mapped));
        assert_eq!(path.answered(mapped, later + ms(40)), at(HERE));
        assert_eq!(path.place(at(HERE)), mapped);
    }

    #[test]
    fn a_slow_answer_counts_where_checks_go_on() {
        let (mut path, now) = steady();
        for n in 0..8 {
            path.proven(at(THERE), proof(None), now + ms(200) * n);
            path.ask(now + ms(200) * n);
        }
        assert_eq!(path.answered(at(THERE), now + ms(1500)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(THERE));
    }

    #[test]
    fn who_proved_itself_long_ago_has_to_do_so_again() {
        let (mut path, mut now) = steady();
        path.proven(at(THERE), proof(None), now);
        path.answered(at(THERE), now);
        for _ in 0..60 {
            now += ms(20);
            path.heard(at(HERE), now);
        }
        now += SILENCE;
        assert_eq!(path.heard(at(THERE), now), at(THERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
        path.proven(at(THERE), proof(None), now);
        assert_eq!(path.ask(now), Some(at(THERE)));
        assert_eq!(path.answered(at(THERE), now), at(HERE));
    }

    #[test]
    fn a_way_back_is_followed_too() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(Some(1)), now);
        path.answered(at(THERE), now);
        path.proven(at(HERE), proof(None), now + ms(150));
        assert_eq!(path.answered(at(HERE), now + ms(150)), at(HERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn a_handshake_that_pauses_is_not_taken_for_silence() {
        let mut path = Path::default();
        let now = Instant::now();
        path.select(at(HERE), now);
        path.proven(at(THERE), proof(None), now + ms(900));
        assert_eq!(path.answered(at(THERE), now + ms(900)), at(THERE));
        assert_eq!(path.place(at(HERE)), at(HERE));
    }

    #[test]
    fn a_new_pair_begins_anew() {
        let (mut path, now) = steady();
        path.proven(at(THERE), proof(Some(1)), now);
        path.answered(at(THERE), now);
        path.select(at("192.0.2.9:9"), now);
        assert_eq!(path.place(at(HERE)), at(HERE));
    }
}

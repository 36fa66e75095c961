//! Remote candidates, held until the description that they belong to is applied (RFC 8838 §4.4).
//!
//! The connection would refuse one that comes too early, and take one that comes too late for one of its own
//! generation: both are kept from it here, by user fragment.

use std::collections::VecDeque;

use parlor_protocol::negotiation::Candidate;

/// Candidates that wait; when there are more, the oldest is dropped.
const MAX_WAITING: usize = 100;
/// User fragments that are remembered as ignored or over.
const MAX_OVER: usize = 16;

/// A candidate, or the end of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trickle {
    Candidate(Candidate),
    End { ufrag: String },
}

impl Trickle {
    /// The ICE generation's user fragment, wherever it is told; empty where it is not.
    fn ufrag(&self) -> &str {
        match self {
            Self::Candidate(Candidate { candidate, ufrag, .. }) if ufrag.is_empty() => {
                let mut words = candidate.split_ascii_whitespace();
                words.find(|word| *word == "ufrag").and_then(|_| words.next()).unwrap_or_default()
            }
            Self::Candidate(candidate) => &candidate.ufrag,
            Self::End { ufrag } => ufrag,
        }
    }
}

/// The remote candidates of one session.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    current: Option<String>,
    /// A description with this fragment is being applied: what the connection is told now, it hears when that is done.
    coming: Option<String>,
    /// Fragments of ignored offers and of generations that are over.
    over: VecDeque<String>,
    waiting: VecDeque<Trickle>,
}

impl Candidates {
    /// One came. Gives it back if it can be used now.
    pub(crate) fn receive(&mut self, trickle: Trickle) -> Option<Trickle> {
        let ufrag = trickle.ufrag();
        if let Some(current) = &self.current
            && (ufrag == current || ufrag.is_empty())
            && self.coming.as_ref().is_none_or(|coming| coming == current)
        {
            return Some(trickle);
        }
        if self.over.iter().any(|over| over == ufrag) {
            return None;
        }
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(trickle);
        None
    }

    /// A description with this fragment is being applied.
    pub(crate) fn applying(&mut self, ufrag: &str) {
        self.coming = Some(ufrag.to_owned());
    }

    /// It was not. Gives what waited for the fragment that is in use still.
    pub(crate) fn not_applied(&mut self) -> Vec<Trickle> {
        self.coming = None;
        let current = self.current.clone();
        current.map(|current| self.take(&current)).unwrap_or_default()
    }

    /// A description with this fragment was applied. Gives what waited for it.
    pub(crate) fn applied(&mut self, ufrag: &str) -> Vec<Trickle> {
        if self.current.as_deref() != Some(ufrag)
            && let Some(old) = self.current.replace(ufrag.to_owned())
        {
            self.forget(old);
        }
        self.coming = None;
        self.over.retain(|over| over != ufrag);
        self.take(ufrag)
    }

    fn take(&mut self, ufrag: &str) -> Vec<Trickle> {
        let belongs = |trickle: &Trickle| trickle.ufrag() == ufrag || trickle.ufrag().is_empty();
        let (ready, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(belongs);
        self.waiting = waiting.into();
        ready
    }

    /// An offer with this fragment was ignored: so are its candidates, unless it is the running generation's.
    pub(crate) fn ignored(&mut self, ufrag: &str) {
        if self.current.as_deref() != Some(ufrag) {
            self.forget(ufrag.to_owned());
        }
    }

    /// Whether a description with this fragment begins a new ICE generation.
    pub(crate) fn is_new(&self, ufrag: &str) -> bool {
        self.current.as_deref() != Some(ufrag)
    }

    fn forget(&mut self, ufrag: String) {
        self.waiting.retain(|trickle| trickle.ufrag() != ufrag);
        if self.over.len() == MAX_OVER {
            self.over.pop_front();
        }
        self.over.push_back(ufrag);
    }
}

/// The user fragment of a description (RFC 8839 §5.4); empty where it has none.
pub(crate) fn ufrag(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.trim().strip_prefix("a=ice-ufrag:")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(ufrag: &str) -> Trickle {
        Trickle::Candidate(Candidate { candidate: "candidate:1".into(), mid: "0".into(), ufrag: ufrag.into() })
    }

    #[test]
    fn a_candidate_waits_for_its_description() {
        let mut candidates = Candidates::default();
        assert_eq!(candidates.receive(candidate("a")), None);
        assert_eq!(candidates.applied("a"), [candidate("a")]);
        assert_eq!(candidates.receive(candidate("a")), Some(candidate("a")));
    }

    #[test]
    fn a_candidate_of_the_last_generation_does_not_reach_the_new_one() {
        let mut candidates = Candidates::default();
        candidates.applied("a");
        candidates.applied("b");
        assert_eq!(candidates.receive(candidate("a")), None);
        assert!(candidates.applied("b").is_empty());
    }

    #[test]
    fn one_that_comes_while_the_next_generation_is_being_applied_is_used_if_that_fails() {
        for fails in [true, false] {
            let mut candidates = Candidates::default();
            candidates.applied("a");
            candidates.applying("b");
            assert_eq!(candidates.receive(candidate("a")), None);
            if fails {
                assert_eq!(candidates.not_applied(), [candidate("a")]);
                assert_eq!(candidates.receive(candidate("a")), Some(candidate("a")));
            } else {
                assert!(candidates.applied("b").is_empty());
            }
        }
        let mut candidates = Candidates::default();
        candidates.applied("a");
        candidates.applying("a");
        assert_eq!(candidates.receive(candidate("a")), Some(candidate("a")));
    }

    #[test]
    fn candidates_of_the_last_generation_take_no_place_from_those_of_the_next() {
        let mut candidates = Candidates::default();
        candidates.applied("a");
        candidates.applied("b");
        candidates.receive(candidate("c"));
        for _ in 0..MAX_WAITING {
            assert_eq!(candidates.receive(candidate("a")), None);
        }
        assert_eq!(candidates.applied("c"), [candidate("c")]);
    }

    #[test]
    fn an_early_candidate_of_the_next_generation_waits_although_another_offer_was_ignored() {
        let mut candidates = Candidates::default();
        candidates.applied("a");
        assert_eq!(candidates.receive(candidate("c")), None);
        assert_eq!(candidates.receive(candidate("b")), None);
        candidates.ignored("b");
        assert!(candidates.applied("c").contains(&candidate("c")));
        assert_eq!(candidates.receive(candidate("b")), None);
    }

    #[test]
    fn ignoring_a_plain_offer_does_not_ignore_the_running_generation() {
        let mut candidates = Candidates::default();
        candidates.applied("a");
        candidates.ignored("a");
        assert_eq!(candidates.receive(candidate("a")), Some(candidate("a")));
    }

    #[test]
    fn a_fragment_inside_the_candidate_counts_where_none_is_beside_it() {
        let line = "candidate:1 1 udp 1 127.0.0.1 9 typ host generation 0 ufrag zz";
        let trickle = Trickle::Candidate(Candidate { candidate: line.into(), mid: "0".into(), ufrag: String::new() });
        let mut candidates = Candidates::default();
        candidates.applied("a");
        assert_eq!(candidates.receive(trickle.clone()), None);
        assert_eq!(candidates.applied("zz"), [trickle]);
    }

    #[test]
    fn the_oldest_of_too_many_is_dropped() {
        let mut candidates = Candidates::default();
        for number in 0..=MAX_WAITING {
            candidates.receive(candidate(if number == 0 { "first" } else { "rest" }));
        }
        assert!(candidates.applied("first").is_empty());
    }
}

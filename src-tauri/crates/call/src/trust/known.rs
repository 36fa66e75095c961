//! Whom the person has verified in this room, and who only has their name.
//!
//! A peer's id is made from its key, so somebody with another key is another peer: nothing ties them to the one who was
//! verified but what they call themselves. So that is what is looked at: who comes with the name of somebody verified,
//! and not with their key, is said loudly. A name proves nothing, and one that only looks alike is not found.

use std::collections::{BTreeMap, BTreeSet};

use parlor_protocol::{PeerId, trust::KnownPeer};

/// Peers that are kept for a room; whoever was verified first is forgotten first.
const MAX_KNOWN: usize = 256;
/// Warnings that are remembered as read, and as told.
const MAX_MARKS: usize = 256;
/// What people are called who gave no name: it is nobody's.
const NAMELESS: &str = "guest";

/// Whom the person knows in this room.
#[derive(Debug, Default)]
pub(crate) struct Known {
    verified: BTreeMap<PeerId, KnownPeer>,
    /// The person says that their words differ.
    differ: BTreeSet<PeerId>,
    /// The warning about this peer under this name was read.
    dismissed: BTreeSet<(PeerId, String)>,
    /// The same, and the warning was told.
    told: BTreeSet<(PeerId, String)>,
}

/// What somebody is to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Unknown,
    /// Under this name.
    Verified {
        name: String,
    },
    /// Somebody else was verified under this name.
    Changed {
        name: String,
    },
    /// Their words are not ours.
    Differ,
}

impl Known {
    /// What was kept of earlier calls.
    pub(crate) fn load(&mut self, peers: Vec<KnownPeer>) {
        self.verified = peers.into_iter().map(|known| (known.peer, known)).collect();
        self.trim();
    }

    /// What there is to keep, by id.
    pub(crate) fn list(&self) -> Vec<KnownPeer> {
        self.verified.values().cloned().collect()
    }

    /// What somebody is who calls themselves so now.
    pub(crate) fn standing(&self, peer: PeerId, name: &str) -> Standing {
        if self.differ.contains(&peer) {
            return Standing::Differ;
        }
        let folded = fold(name);
        let own = self.verified.get(&peer);
        if let Some(own) = own.filter(|own| fold(&own.name) == folded) {
            return Standing::Verified { name: own.name.clone() };
        }
        let claims = !folded.is_empty() && folded != NAMELESS;
        let owner = self.verified.values().find(|known| claims && known.peer != peer && fold(&known.name) == folded);
        match (owner, own) {
            (Some(owner), _) if !self.dismissed.contains(&(peer, folded)) => {
                Standing::Changed { name: owner.name.clone() }
            }
            (_, Some(own)) => Standing::Verified { name: own.name.clone() },
            (_, None) => Standing::Unknown,
        }
    }

    /// Whom this peer may be taken for, where that is still to be told. It is told once for each of its names.
    pub(crate) fn tell(&mut self, peer: PeerId, name: &str) -> Option<String> {
        match self.standing(peer, name) {
            Standing::Changed { name: owner } => mark(&mut self.told, (peer, fold(name))).then_some(owner),
            Standing::Unknown | Standing::Verified { .. } | Standing::Differ => None,
        }
    }

    /// Their words are ours.
    pub(crate) fn verify(&mut self, known: KnownPeer) {
        self.differ.remove(&known.peer);
        self.verified.insert(known.peer, known);
        self.trim();
    }

    /// They are as unknown as before they were verified. Whether they were.
    pub(crate) fn forget(&mut self, peer: PeerId) -> bool {
        self.verified.remove(&peer).is_some()
    }

    /// Their words are not ours. Whether they were verified until now.
    pub(crate) fn differ(&mut self, peer: PeerId) -> bool {
        mark(&mut self.differ, peer);
        self.forget(peer)
    }

    /// The person has read the warning about them under this name.
    pub(crate) fn dismiss(&mut self, peer: PeerId, name: &str) {
        if !self.differ.remove(&peer) {
            mark(&mut self.dismissed, (peer, fold(name)));
        }
    }

    fn trim(&mut self) {
        while self.verified.len() > MAX_KNOWN {
            let oldest = self.verified.values().min_by_key(|known| known.verified_ms).map(|known| known.peer);
            oldest.map(|peer| self.verified.remove(&peer));
        }
    }
}

/// Adds a mark, in place of another where there are too many. Whether it is new.
fn mark<T: Ord>(marks: &mut BTreeSet<T>, it: T) -> bool {
    if !marks.contains(&it) && marks.len() >= MAX_MARKS {
        marks.pop_first();
    }
    marks.insert(it)
}

/// What is compared of a name: its letters and digits, in lower case. A name without any is compared as it is.
fn fold(name: &str) -> String {
    let folded: String = name.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect();
    if folded.is_empty() { name.split_whitespace().collect() } else { folded }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: PeerId = PeerId([1; 16]);
    const BEN: PeerId = PeerId([2; 16]);
    const OTHER: PeerId = PeerId([3; 16]);

    fn known() -> Known {
        let mut known = Known::default();
        known.load(vec![kept(ANNA, "Anna Lindqvist", 1), kept(BEN, "Ben", 2)]);
        known
    }

    fn kept(peer: PeerId, name: &str, verified_ms: u64) -> KnownPeer {
        KnownPeer { peer, name: name.to_owned(), verified_ms }
    }

    fn changed(name: &str) -> Standing {
        Standing::Changed { name: name.to_owned() }
    }

    fn verified(name: &str) -> Standing {
        Standing::Verified { name: name.to_owned() }
    }

    #[test]
    fn a_verified_key_is_verified_whatever_its_owner_is_called_now() {
        let known = known();
        assert_eq!(known.standing(ANNA, "Anna Lindqvist"), verified("Anna Lindqvist"));
        assert_eq!(known.standing(ANNA, "A. L."), verified("Anna Lindqvist"));
        assert_eq!(known.standing(OTHER, "Chloe"), Standing::Unknown);
    }

    #[test]
    fn a_verified_name_with_another_key_is_said_whatever_its_case_and_spaces() {
        let known = known();
        for name in ["Anna Lindqvist", "anna  lindqvist", " ANNA\u{200b}LINDQVIST.", "Anna-Lindqvist"] {
            assert_eq!(known.standing(OTHER, name), changed("Anna Lindqvist"), "{name}");
        }
    }

    #[test]
    fn somebody_verified_does_not_pass_for_somebody_else_verified() {
        assert_eq!(known().standing(BEN, "Anna Lindqvist"), changed("Anna Lindqvist"));
    }

    #[test]
    fn names_that_nobody_gave_belong_to_nobody() {
        let mut known = Known::default();
        known.load(vec![kept(ANNA, "Guest", 1), kept(BEN, "", 2)]);
        assert_eq!(known.standing(OTHER, "guest"), Standing::Unknown);
        assert_eq!(known.standing(OTHER, "  "), Standing::Unknown);
    }

    #[test]
    fn names_without_letters_are_compared_too() {
        let mut known = Known::default();
        known.load(vec![kept(ANNA, "🎥 🎬", 1)]);
        assert_eq!(known.standing(OTHER, "🎥🎬"), changed("🎥 🎬"));
        assert_eq!(known.standing(OTHER, "🎬"), Standing::Unknown);
    }

    #[test]
    fn a_warning_is_told_once_and_goes_when_it_was_read() {
        let mut known = known();
        assert_eq!(known.tell(OTHER, "ben").as_deref(), Some("Ben"));
        assert_eq!(known.tell(OTHER, "Ben"), None);
        assert_eq!(known.tell(OTHER, "anna lindqvist").as_deref(), Some("Anna Lindqvist"));
        known.dismiss(OTHER, "Ben");
        assert_eq!(known.standing(OTHER, "BEN"), Standing::Unknown);
        assert_eq!(known.standing(OTHER, "Anna Lindqvist"), changed("Anna Lindqvist"));
    }

    #[test]
    fn two_keys_of_one_name_can_both_be_verified() {
        let mut known = known();
        known.verify(kept(OTHER, "Ben", 3));
        assert_eq!(known.standing(OTHER, "Ben"), verified("Ben"));
        assert_eq!(known.standing(BEN, "Ben"), verified("Ben"));
    }

    #[test]
    fn words_that_differ_take_the_verification_back_until_they_match() {
        let mut known = known();
        assert!(known.differ(BEN));
        assert_eq!(known.standing(BEN, "Ben"), Standing::Differ);
        assert!(known.list().iter().all(|kept| kept.peer != BEN));
        known.verify(kept(BEN, "Ben", 3));
        assert_eq!(known.standing(BEN, "Ben"), verified("Ben"));
    }

    #[test]
    fn so_many_are_kept_and_no_more() {
        let mut known = Known::default();
        let id = |n: u16| PeerId([n.to_be_bytes(); 8].concat().try_into().unwrap());
        for n in 0..300 {
            known.verify(kept(id(n), "Somebody", n.into()));
            known.differ(id(n + 1000));
        }
        assert_eq!(known.list().len(), MAX_KNOWN);
        assert_eq!(known.list()[0].verified_ms, 44);
        assert_eq!(known.differ.len(), MAX_MARKS);
    }
}

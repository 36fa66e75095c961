//! Whether what a peer shows stands still.
//!
//! Only pictures count: a live microphone may pause for as long as it likes (docs/protocol.md §10), a picture may not.

use std::collections::BTreeSet;

use parlor_protocol::media::{MediaState, TrackRole};

/// What comes of one peer's tracks.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Nothing has come of them for a while, as their receiver sees it.
    stalled: BTreeSet<TrackRole>,
    /// They have just been turned on, or have just got a path: nothing need have come yet.
    fresh: BTreeSet<TrackRole>,
}

impl Flow {
    /// Nothing comes of a track any more, or something again.
    pub(crate) fn set_stalled(&mut self, role: TrackRole, stalled: bool) {
        if stalled {
            self.stalled.insert(role);
        } else {
            self.stalled.remove(&role);
        }
    }

    /// From now on something may be expected of a track, if not at once.
    pub(crate) fn expect(&mut self, role: TrackRole) {
        self.fresh.insert(role);
    }

    /// Everything that was expected has had its time.
    pub(crate) fn ripen(&mut self) {
        self.fresh.clear();
    }

    /// A picture that is on stands still.
    pub(crate) fn is_frozen(&self, on: MediaState) -> bool {
        self.stalled.iter().any(|role| !role.is_audio() && on.is_on(*role) && !self.fresh.contains(role))
    }
}

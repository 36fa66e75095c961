//! What was thrown away of what others sent, counted: races are normal, peers may be hostile, neither makes noise.

/// How many messages were thrown away since the call began, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// More than a peer may send.
    pub flood: u64,
    /// Signed by another key than they claim.
    pub forged: u64,
    /// Not what this protocol says, or not theirs to say: internal events under a peer's name included.
    pub malformed: u64,
    /// Larger than allowed.
    pub oversized: u64,
    /// Of sessions and runs that are over, or of generations that are not the session's.
    pub stale: u64,
    /// On channels that nobody here knows.
    pub unknown: u64,
}

/// Why something is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Flood,
    Forged,
    Malformed,
    Oversized,
    Stale,
    Unknown,
}

impl Dropped {
    /// Counts one.
    pub(crate) fn count(&mut self, why: Why) {
        tracing::debug!(?why, "dropped");
        *match why {
            Why::Flood => &mut self.flood,
            Why::Forged => &mut self.forged,
            Why::Malformed => &mut self.malformed,
            Why::Oversized => &mut self.oversized,
            Why::Stale => &mut self.stale,
            Why::Unknown => &mut self.unknown,
        } += 1;
    }
}

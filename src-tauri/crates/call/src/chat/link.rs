//! What is known of one peer's chat: what it has, what is on its way to it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parlor_protocol::{InstanceId, MessageId};

use crate::bucket::Bucket;

/// When to believe that what was put on a channel, and not acknowledged, did not arrive.
const RESEND_AFTER: Duration = Duration::from_secs(5);
/// When to try again after the channel took no more.
const REFUSED_AFTER: Duration = Duration::from_secs(2);

/// The chat channel of one peer.
#[derive(Debug)]
pub(super) struct Link {
    healthy: bool,
    /// Something came.
    heard: bool,
    /// The peer's last `have`.
    has: Option<BTreeMap<InstanceId, u32>>,
    /// By run, the highest number up to which everything was put on the channel, and when.
    sent: BTreeMap<InstanceId, (u32, Instant)>,
    have_at: Option<Instant>,
    messages: Bucket,
}

impl Link {
    pub(super) fn new() -> Self {
        let messages = Bucket::new(200, Duration::from_millis(50));
        Self { healthy: true, heard: false, has: None, sent: BTreeMap::new(), have_at: None, messages }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Whether this is the first message that came.
    pub(super) fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.heard, true)
    }

    /// Whether it has just come back.
    pub(super) fn set_healthy(&mut self, healthy: bool) -> bool {
        !std::mem::replace(&mut self.healthy, healthy) && healthy
    }

    /// Whether the peer keeps within what a peer may say.
    pub(super) fn may_speak(&mut self, now: Instant) -> bool {
        self.messages.take(now)
    }

    pub(super) fn heard_have(&mut self, up_to: BTreeMap<InstanceId, u32>) {
        self.has = Some(up_to);
    }

    /// Up to which number the peer has a run.
    pub(super) fn has_up_to(&self, instance: InstanceId) -> u32 {
        self.has.as_ref().and_then(|has| has.get(&instance)).copied().unwrap_or(0)
    }

    /// What the peer has or will have without further doing. `None` while it cannot be told or cannot be reached.
    pub(super) fn wanted(&mut self, now: Instant) -> Option<BTreeMap<InstanceId, u32>> {
        let mut has = self.has.clone().filter(|_| self.healthy)?;
        self.sent.retain(|_, (_, at)| now.saturating_duration_since(*at) < RESEND_AFTER);
        for (instance, (n, _)) in &self.sent {
            let up_to = has.entry(*instance).or_default();
            *up_to = (*up_to).max(*n);
        }
        Some(has)
    }

    /// A message was put on the channel, after everything before it in its run.
    pub(super) fn sent(&mut self, id: MessageId, now: Instant) {
        self.sent.insert(id.instance, (id.n, now));
    }

    /// A message was put on the channel; it may be that those before it were not.
    pub(super) fn sent_next(&mut self, id: MessageId, now: Instant) {
        let before = self.sent.get(&id.instance).map_or(0, |(n, _)| *n).max(self.has_up_to(id.instance));
        if self.has.is_some() && before + 1 == id.n {
            self.sent(id, now);
        }
    }

    /// The channel took no more.
    pub(super) fn refused(&mut self, now: Instant) {
        self.sent.clear();
        self.have_by(now + REFUSED_AFTER);
    }

    /// The peer shall be told what we have, at the latest then.
    pub(super) fn have_by(&mut self, at: Instant) {
        self.have_at = Some(self.have_at.map_or(at, |set| set.min(at)));
    }

    pub(super) fn next_have(&self) -> Option<Instant> {
        self.have_at.filter(|_| self.healthy)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next_have().is_some_and(|at| at <= now);
        if due {
            self.have_at = None;
        }
        due
    }
}

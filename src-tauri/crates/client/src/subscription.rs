//! Which events somebody wants to hear of: whole groups, or single events.

use std::str::FromStr;

use parlor_protocol::headless::HeadlessEvent;

/// Events of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `joined` and `left`: our own end of the call.
    Call,
    /// `peer-connect` and `peer-disconnect`: `ctrl` to a peer opened, and ended.
    Channel,
    /// What was said.
    Chat,
    /// What failed.
    Error,
    /// `stats` and `diagnostics`.
    Figures,
    /// `session-state` and `verification-words`.
    Session,
    /// `signaling-up`, `signaling-down` and `signaling-error`.
    Signaling,
    /// `track-added` and `track-removed`, `first-frame` and `first-audio`.
    Track,
}

const GROUPS: [(&str, Group); 8] = [
    ("call", Group::Call),
    ("channel", Group::Channel),
    ("chat", Group::Chat),
    ("error", Group::Error),
    ("figures", Group::Figures),
    ("session", Group::Session),
    ("signaling", Group::Signaling),
    ("track", Group::Track),
];

/// The single events, with the names that they have for scripts.
const EVENTS: [&str; 17] = [
    "chat",
    "diagnostics",
    "error",
    "first-audio",
    "first-frame",
    "joined",
    "left",
    "peer-connect",
    "peer-disconnect",
    "session-state",
    "signaling-down",
    "signaling-error",
    "signaling-up",
    "stats",
    "track-added",
    "track-removed",
    "verification-words",
];

/// A group or a single event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// One event, by its name.
    Event(&'static str),
    /// All of a group.
    Group(Group),
}

/// Neither a group nor an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no event and no group of events")]
pub struct UnknownEvent(String);

impl Subscription {
    /// Whether an event is one of those.
    pub fn takes(self, event: &HeadlessEvent) -> bool {
        let (group, name) = kind(event);
        match self {
            Self::Event(wanted) => wanted == name,
            Self::Group(wanted) => wanted == group,
        }
    }
}

/// `session`, or `session-state`.
impl FromStr for Subscription {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let group = GROUPS.into_iter().find(|(name, _)| *name == text).map(|(_, group)| Self::Group(group));
        let event = || EVENTS.into_iter().find(|name| *name == text).map(Self::Event);
        group.or_else(event).ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

/// An event's group and name.
fn kind(event: &HeadlessEvent) -> (Group, &'static str) {
    match event {
        HeadlessEvent::Joined { .. } => (Group::Call, "joined"),
        HeadlessEvent::SignalingUp => (Group::Signaling, "signaling-up"),
        HeadlessEvent::SignalingDown { .. } => (Group::Signaling, "signaling-down"),
        HeadlessEvent::SignalingError { .. } => (Group::Signaling, "signaling-error"),
        HeadlessEvent::SessionState(_) => (Group::Session, "session-state"),
        HeadlessEvent::PeerConnect { .. } => (Group::Channel, "peer-connect"),
        HeadlessEvent::PeerDisconnect { .. } => (Group::Channel, "peer-disconnect"),
        HeadlessEvent::TrackAdded { .. } => (Group::Track, "track-added"),
        HeadlessEvent::TrackRemoved { .. } => (Group::Track, "track-removed"),
        HeadlessEvent::FirstFrame { .. } => (Group::Track, "first-frame"),
        HeadlessEvent::FirstAudio { .. } => (Group::Track, "first-audio"),
        HeadlessEvent::Chat { .. } => (Group::Chat, "chat"),
        HeadlessEvent::Diagnostics { .. } => (Group::Figures, "diagnostics"),
        HeadlessEvent::Error { .. } => (Group::Error, "error"),
        HeadlessEvent::Stats(_) => (Group::Figures, "stats"),
        HeadlessEvent::VerificationWords { .. } => (Group::Session, "verification-words"),
        HeadlessEvent::Left { .. } => (Group::Call, "left"),
    }
}

#[cfg(test)]
mod tests {
    use parlor_protocol::{media::TrackRole, session::Remedy};

    use super::*;

    fn events() -> Vec<HeadlessEvent> {
        let peer = parlor_protocol::PeerId([7; 16]);
        vec![
            HeadlessEvent::SignalingUp,
            HeadlessEvent::SignalingDown { reason: "closed".into() },
            HeadlessEvent::SignalingError { code: "replaced".into(), message: "Elsewhere.".into() },
            HeadlessEvent::PeerConnect { peer, name: "Ben".into() },
            HeadlessEvent::PeerDisconnect { peer, reason: "left".into() },
            HeadlessEvent::TrackAdded { peer, track: TrackRole::Camera },
            HeadlessEvent::TrackRemoved { peer, track: TrackRole::Camera },
            HeadlessEvent::FirstFrame { peer, track: TrackRole::Camera, width: 2, height: 2 },
            HeadlessEvent::FirstAudio { peer },
            HeadlessEvent::Error { code: "closed".into(), message: "Over.".into(), remedy: Remedy::Rejoin },
            HeadlessEvent::Stats(Box::default()),
            HeadlessEvent::Left { reason: "left".into() },
        ]
    }

    fn heard(subscription: &str) -> Vec<&'static str> {
        let subscription: Subscription = subscription.parse().expect("a group or an event");
        events().iter().filter(|event| subscription.takes(event)).map(|event| kind(event).1).collect()
    }

    #[test]
    fn names_are_those_that_scripts_read() {
        for event in events() {
            let written = serde_json::to_value(&event).expect("JSON");
            let (_, name) = kind(&event);
            assert_eq!(written["event"], name);
            assert!(EVENTS.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_group_is_all_of_its_events_and_no_other() {
        assert_eq!(heard("signaling"), ["signaling-up", "signaling-down", "signaling-error"]);
        assert_eq!(heard("channel"), ["peer-connect", "peer-disconnect"]);
        assert_eq!(heard("track"), ["track-added", "track-removed", "first-frame", "first-audio"]);
        assert_eq!(heard("call"), ["left"]);
        assert_eq!(heard("error"), ["error"]);
    }

    #[test]
    fn an_event_is_itself_alone() {
        assert_eq!(heard("peer-disconnect"), ["peer-disconnect"]);
        assert_eq!(heard("track-added"), ["track-added"]);
        assert_eq!(heard("chat"), [""; 0]);
    }

    #[test]
    fn what_is_neither_is_said() {
        let error = "tracks".parse::<Subscription>().expect_err("no group");
        assert_eq!(error.to_string(), "\"tracks\" is no event and no group of events");
    }
}

//! A model of one session's RTCPeerConnection: the offer/answer machine without implicit rollback, ICE as far as
//! credentials and reachability go, channels that lose and reorder nothing.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_protocol::{
    SessionState,
    negotiation::{Candidate, Description, DescriptionKind},
};

use super::world::PcId;
use crate::{EngineCommand, EngineEvent, Timings, candidates::ufrag};

/// How long ICE and DTLS take once both sides know each other's credentials, where nothing is lost.
pub(super) const ICE_TAKES: Duration = Duration::from_millis(150);
/// Silence until it is noticed that nothing comes back for what is sent.
const SILENT_AFTER: Duration = Duration::from_millis(700);
/// What came within this time shows that a path works.
const WELL: Duration = Duration::from_millis(300);
/// How long an answer that was said ahead waits to be taken up.
const AHEAD: Duration = Duration::from_secs(12);
/// In descriptions: they hold the candidates of their generation.
const KEPT: &str = "\nx-kept";
/// Messages that may wait on the channels.
const MAX_WAITING: usize = 4096;

/// One connection.
#[derive(Debug)]
pub(super) struct Pc {
    pub(super) state: SessionState,
    certificate: u8,
    /// Silence until `disconnected`, and from there until `failed`: never where that is zero.
    disconnected_after: Duration,
    failed_after: Duration,
    /// The network of its side that its sockets and candidates belong to.
    pub(super) network: u64,
    /// Something else than its sockets carries it, or was to: a restart cannot keep it.
    moved: bool,
    offering: Option<Pending>,
    ahead: Option<Ahead>,
    /// Descriptions reach the other end by another way.
    signaling_up: bool,
    /// Credentials in use, ours and theirs.
    pub(super) local: Option<String>,
    pub(super) remote: Option<String>,
    /// A candidate of the other side for its present credentials.
    pub(super) reachable: bool,
    /// The other end, as long as it fits.
    pub(super) partner: Option<PcId>,
    /// Since when both sides could hear each other, without a break.
    up_since: Option<Instant>,
    /// Since when this side could hear the other one, without a break.
    hears_since: Option<Instant>,
    state_since: Instant,
    heard: Instant,
    silent: bool,
    pub(super) channels: bool,
    pub(super) outbox: VecDeque<(&'static str, Bytes)>,
    /// Something on the channels is sent again, and the rest waits.
    pub(super) held_until: Instant,
    pub(super) offers: u32,
}

/// An offer that is out.
#[derive(Debug)]
struct Pending {
    ufrag: String,
    number: u64,
    /// A restart that waits for its answer while the path works.
    staged: bool,
}

/// An answer that was said and not set yet.
#[derive(Debug)]
struct Ahead {
    local: String,
    remote: String,
    since: Instant,
}

/// What the path between two ends carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// To this end.
    pub(super) hears: bool,
    /// From this end.
    pub(super) heard: bool,
}

/// What goes wrong in the model when the core misuses it.
pub(super) type Misuse = String;

impl Pc {
    /// `certificate`: the byte that its fingerprint is made of.
    pub(super) fn new(certificate: u8, timings: &Timings, network: u64, now: Instant) -> Self {
        Self {
            state: SessionState::New,
            certificate,
            disconnected_after: timings.ice_disconnected,
            failed_after: timings.ice_failed,
            network,
            moved: false,
            offering: None,
            ahead: None,
            signaling_up: true,
            local: None,
            remote: None,
            reachable: false,
            partner: None,
            up_since: None,
            hears_since: None,
            state_since: now,
            heard: now,
            silent: false,
            channels: false,
            outbox: VecDeque::new(),
            held_until: now,
            offers: 0,
        }
    }

    /// Carries a command out. `network`: the one that its side is in. `fresh` gives numbers that were never used.
    pub(super) fn carry_out(
        &mut self,
        command: EngineCommand,
        network: u64,
        now: Instant,
        fresh: &mut impl FnMut() -> u64,
    ) -> Result<Vec<EngineEvent>, Misuse> {
        let failed = |op, error: &str| vec![EngineEvent::OpFailed { op, error: error.to_owned() }];
        let mut events = Vec::new();
        match command {
            EngineCommand::Open { .. } | EngineCommand::Roam { .. } | EngineCommand::Close => {}
            EngineCommand::Signaling(up) => self.signaling_up = up,
            EngineCommand::Offer { op, ice_restart } => {
                events.extend(self.settle(now));
                if self.offering.is_some() {
                    return Ok(failed(op, "have-local-offer"));
                }
                let staged = ice_restart && self.is_well(now);
                if ice_restart && !staged && !self.signaling_up {
                    events.extend(failed(op, "nobody could answer"));
                    return Ok(events);
                }
                self.offers += 1;
                let renew = ice_restart || self.local.is_none();
                let ufrag = if renew { format!("u{}", fresh()) } else { self.local.clone().unwrap_or_default() };
                let number = fresh();
                if ice_restart && !staged {
                    self.drop_pair(now, &mut events);
                }
                let kept = if staged { KEPT } else { "" };
                let certificate = fingerprint(self.certificate);
                let sdp = format!("a=ice-ufrag:{ufrag}\n{certificate}{kept}\nx-offer:{number}");
                self.offering = Some(Pending { ufrag: ufrag.clone(), number, staged });
                events.insert(0, description(op, DescriptionKind::Offer, sdp));
                if renew && !staged {
                    self.bind(network);
                    events.extend(gathered(&ufrag));
                }
            }
            EngineCommand::Apply { op, description: theirs, rollback } => match theirs.kind {
                DescriptionKind::Offer => {
                    events.extend(self.settle(now));
                    if self.offering.is_some() && !rollback {
                        return Ok(failed(op, "have-local-offer applying an offer"));
                    }
                    if self.offering.take().is_some_and(|pending| pending.staged) {
                        self.drop_pair(now, &mut events);
                    }
                    let remote = ufrag(&theirs.sdp).to_owned();
                    let restart = self.remote.as_ref() != Some(&remote);
                    let number = theirs.sdp.rsplit("x-offer:").next().unwrap_or_default();
                    if restart && self.remote.is_some() && !rollback && self.is_well(now) {
                        let local = format!("u{}", fresh());
                        let certificate = fingerprint(self.certificate);
                        let sdp = format!("a=ice-ufrag:{local}\n{certificate}{KEPT}\nx-answers:{number}");
                        self.ahead = Some(Ahead { local, remote, since: now });
                        events.insert(0, description(op, DescriptionKind::Answer, sdp));
                        return Ok(events);
                    }
                    if restart && self.remote.is_some() && !self.signaling_up {
                        events.extend(failed(op, "nobody could answer"));
                        return Ok(events);
                    }
                    if restart {
                        if self.remote.is_some() {
                            self.drop_pair(now, &mut events);
                        }
                        self.local = Some(format!("u{}", fresh()));
                        self.remote = Some(remote);
                        self.reachable = false;
                        self.bind(network);
                    }
                    let local = self.local.clone().unwrap_or_default();
                    let sdp = format!("a=ice-ufrag:{local}\n{}\nx-answers:{number}", fingerprint(self.certificate));
                    events.insert(0, description(op, DescriptionKind::Answer, sdp));
                    if restart {
                        events.extend(gathered(&local));
                    }
                }
                DescriptionKind::Answer => {
                    let Some(pending) = self.offering.take() else {
                        return Ok(failed(op, "stable applying an answer"));
                    };
                    if !theirs.sdp.ends_with(&format!("x-answers:{}", pending.number)) {
                        return Err("an answer was applied to another offer than it answers".to_owned());
                    }
                    let remote = ufrag(&theirs.sdp).to_owned();
                    if self.remote.as_ref() != Some(&remote) {
                        self.reachable = theirs.sdp.contains(KEPT);
                    }
                    if pending.staged {
                        self.drop_pair(now, &mut events);
                        events.extend(gathered(&pending.ufrag));
                    }
                    self.local = Some(pending.ufrag);
                    self.remote = Some(remote);
                    events.push(EngineEvent::Applied { op });
                }
            },
            EngineCommand::Rollback { op } => {
                events.extend(self.settle(now));
                self.offering = None;
                events.push(EngineEvent::Applied { op });
            }
            // One of a generation to come is kept for it, and is not needed: its sockets are those that are known.
            EngineCommand::Candidate(candidate)
                if self.ahead.as_ref().is_some_and(|ahead| ahead.remote == candidate.ufrag) => {}
            EngineCommand::Candidate(candidate) => {
                if self.remote.as_ref() != Some(&candidate.ufrag) {
                    return Err(format!("a candidate of {} while {:?} is in use", candidate.ufrag, self.remote));
                }
                self.reachable = true;
            }
            EngineCommand::EndOfCandidates => {
                if self.remote.is_none() {
                    return Err("the end of candidates before any description".to_owned());
                }
            }
            EngineCommand::Send { label, data } => {
                if !self.channels || self.outbox.len() >= MAX_WAITING {
                    return Ok(vec![EngineEvent::SendRefused { label: label.to_owned() }]);
                }
                self.outbox.push_back((label, data));
            }
        }
        Ok(events)
    }

    /// The credentials that were answered ahead, ours and theirs.
    pub(super) fn ahead(&self) -> Option<(String, String)> {
        self.ahead.as_ref().map(|ahead| (ahead.local.clone(), ahead.remote.clone()))
    }

    /// Whether what was answered ahead is to be set: `taken_up`, the other end has it.
    pub(super) fn look_ahead(&mut self, taken_up: bool, now: Instant) -> Vec<EngineEvent> {
        if taken_up || (!self.is_well(now) && self.signaling_up) {
            return self.settle(now);
        }
        self.ahead.take_if(|ahead| now - ahead.since > AHEAD);
        Vec::new()
    }

    fn settle(&mut self, now: Instant) -> Vec<EngineEvent> {
        let mut events = Vec::new();
        if let Some(Ahead { local, remote, .. }) = self.ahead.take() {
            self.drop_pair(now, &mut events);
            events.extend(gathered(&local));
            (self.local, self.remote, self.reachable) = (Some(local), Some(remote), true);
        }
        events
    }

    /// The session is to go on in another network. `reached`: the other end answers there.
    pub(super) fn follow(&mut self, network: u64, reached: bool) {
        self.moved |= self.network != network;
        if reached {
            self.network = network;
        }
    }

    /// Has new sockets, where its side is now.
    fn bind(&mut self, network: u64) {
        self.network = network;
        self.moved = false;
    }

    /// Whether there is a path that a restart can keep.
    fn is_well(&self, now: Instant) -> bool {
        self.state == SessionState::Connected && !self.moved && now - self.heard < WELL
    }

    /// Time has passed. A check needs the path both ways; to stay connected it is enough to hear the other side.
    pub(super) fn tick(&mut self, path: Path, takes: Duration, now: Instant) -> Option<SessionState> {
        let since = |since: Option<Instant>, lasts: bool| if lasts { since.or(Some(now)) } else { None };
        self.up_since = since(self.up_since, path.hears && path.heard);
        self.hears_since = since(self.hears_since, path.hears);
        if path.hears {
            self.heard = now;
        }
        let up_for = self.up_since.map(|since| now - since);
        let hears_for = self.hears_since.map(|since| now - since);
        let waits = now - self.state_since;
        let fails_after = |wait: Duration| !self.failed_after.is_zero() && waits > wait + self.failed_after;
        let next = match self.state {
            SessionState::New if self.remote.is_some() && self.local.is_some() => SessionState::Connecting,
            SessionState::Connecting if up_for.is_some_and(|up| up >= takes) => SessionState::Connected,
            SessionState::Connecting if fails_after(self.disconnected_after) => SessionState::Failed,
            SessionState::Connected if now - self.heard > self.disconnected_after => SessionState::Disconnected,
            SessionState::Disconnected if hears_for.is_some_and(|up| up >= takes) => SessionState::Connected,
            SessionState::Disconnected if fails_after(Duration::ZERO) => SessionState::Failed,
            SessionState::New
            | SessionState::Connecting
            | SessionState::Connected
            | SessionState::Disconnected
            | SessionState::Failed
            | SessionState::Closed => return None,
        };
        self.state = next;
        self.state_since = now;
        Some(next)
    }

    /// Whether nothing comes back any more, or something again, where that is news.
    pub(super) fn silence(&mut self, now: Instant) -> Option<bool> {
        let silent = self.state == SessionState::Connected && now - self.heard > SILENT_AFTER;
        (std::mem::replace(&mut self.silent, silent) != silent).then_some(silent)
    }

    /// A restart gives the path up before there is a new one.
    fn drop_pair(&mut self, now: Instant, events: &mut Vec<EngineEvent>) {
        self.up_since = None;
        if self.state != SessionState::Connecting {
            self.state = SessionState::Connecting;
            self.state_since = now;
            events.push(EngineEvent::Connection(SessionState::Connecting));
        }
    }
}

/// The line of a description that names a certificate (RFC 8122 §5).
pub(super) fn fingerprint(certificate: u8) -> String {
    format!("a=fingerprint:sha-256 {}", vec![format!("{certificate:02X}"); 32].join(":"))
}

fn description(op: u64, kind: DescriptionKind, sdp: String) -> EngineEvent {
    EngineEvent::Description { op, description: Description { kind, sdp, tracks: Default::default() } }
}

fn gathered(ufrag: &str) -> Vec<EngineEvent> {
    let candidate = |n: u32| {
        EngineEvent::Candidate(Candidate {
            candidate: format!("candidate:{n}"),
            mid: "0".to_owned(),
            ufrag: ufrag.to_owned(),
        })
    };
    vec![candidate(1), candidate(2), EngineEvent::EndOfCandidates { ufrag: ufrag.to_owned() }]
}

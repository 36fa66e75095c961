//! The timeline: what happened when, for whoever has to find out why it went wrong.

use parlor_protocol::{
    PeerId,
    chat::ChatWire,
    ctrl::CtrlMessage,
    media::TrackRole,
    negotiation::{Description, DescriptionKind, Negotiation, NegotiationBody},
    peer::PeerBody,
    signal::Address,
};

use super::{World, people::letter};
use crate::{
    CallEvent, Command, Dropped, EngineCommand, EngineEvent, Input, Output, SignalingInput, candidates::ufrag,
};

impl World {
    /// Tells something, with the virtual time and whom it happens to.
    pub(in crate::sim) fn note(&self, node: Option<usize>, text: impl FnOnce() -> String) {
        if self.loud {
            let at = (self.now - self.start).as_secs_f64();
            let who = node.map_or_else(|| "--".to_owned(), |node| self.label(node));
            println!("{at:9.3}  {who:<4} {}", text());
        }
    }

    pub(super) fn note_input(&self, node: usize, input: &Input) {
        self.note(Some(node), || match input {
            Input::Command(command) => format!("person: {}", self.command_text(command)),
            Input::NetworkChanged => "machine: the network changed".to_owned(),
            Input::Signaling(input) => format!("server: {}", self.told(input)),
            Input::Engine { session, event } => format!("session {}: {}", session.0, self.event_text(event)),
        });
    }

    pub(super) fn note_output(&self, node: usize, output: &Output) {
        match output {
            Output::Engine { session, command } => {
                self.note(Some(node), || format!("  session {} shall {}", session.0, self.engine_text(command)))
            }
            Output::Signal { to, body } => self.note(Some(node), || {
                let to = to.map_or_else(|| "all".to_owned(), |to| self.name(to));
                format!("  says to {to}: {}", self.body(body))
            }),
            Output::Event(event) => self.note(Some(node), || format!("  EVENT {}", self.news(event))),
            Output::ViewChanged => {}
        }
    }

    /// Tells what the core has thrown away since it was last looked at.
    pub(super) fn note_dropped(&mut self, node: usize) {
        let Some(dropped) = self.nodes[node].call.as_ref().map(crate::Call::dropped) else { return };
        let before = std::mem::replace(&mut self.nodes[node].dropped, dropped);
        if before != dropped {
            self.note(Some(node), || format!("  drops {}", difference(before, dropped)));
        }
    }

    pub(super) fn judge(&self, node: usize, verdict: Result<(), String>) {
        if let Err(wrong) = verdict {
            self.fail(&format!("{}: {wrong}", self.label(node)));
        }
    }

    /// Says the seed and ends the test.
    pub(in crate::sim) fn fail(&self, wrong: &str) -> ! {
        let at = (self.now - self.start).as_secs_f64();
        panic!("seed {} at {at:.3} s: {wrong}", self.seed);
    }

    /// A node and which of its runs it is in: `A1`.
    pub(super) fn label(&self, node: usize) -> String {
        format!("{}{}", letter(node), self.nodes[node].run)
    }

    pub(super) fn name(&self, address: Address) -> String {
        let run = address.instance.0[8..12].iter().fold(0, |run, byte| run << 8 | u32::from(*byte));
        match self.node_of(address.peer) {
            Some(node) if address.instance.0[0] == u8::try_from(node).unwrap_or(0xff) => {
                format!("{}{run}", letter(node))
            }
            Some(node) => format!("{}?", letter(node)),
            None => format!("{address:?}"),
        }
    }

    fn who(&self, peer: PeerId) -> String {
        self.node_of(peer).map_or_else(|| format!("{peer:?}"), |node| letter(node).to_string())
    }

    pub(super) fn told(&self, input: &SignalingInput) -> String {
        match input {
            SignalingInput::Greeted(_) => "everybody was greeted".to_owned(),
            SignalingInput::Up { roster, .. } => {
                let names: Vec<String> = roster.iter().map(|member| self.name(member.address)).collect();
                format!("in the room with [{}]", names.join(" "))
            }
            SignalingInput::Down { retry_in } => format!("gone, tried again in {retry_in:?}"),
            SignalingInput::PeerJoined(member) => format!("{} is here", self.name(member.address)),
            SignalingInput::PeerLeft { address, reason } => format!("{} {reason:?}", self.name(*address)),
            SignalingInput::PeerBack(address) => format!("{} is back", self.name(*address)),
            SignalingInput::Message { from, broadcast, message } => {
                let to = if *broadcast { " to all" } else { "" };
                format!("{} says{to}: {}", self.name(*from), self.body(&message.body))
            }
            SignalingInput::Ignored { from } => format!("something of {} for the second time", self.name(*from)),
            SignalingInput::Unreadable { from } => format!("something of {} with another key", self.name(*from)),
            SignalingInput::Unsupported { from } => format!("something of {} of another version", self.name(*from)),
            SignalingInput::Refused { code } => format!("refuses us: {code:?}"),
        }
    }

    pub(super) fn body(&self, body: &PeerBody) -> String {
        match body {
            PeerBody::Bye { generation } => format!("bye {generation}"),
            PeerBody::Hello(_) => "hello".to_owned(),
            PeerBody::Negotiation(step) => self.step(step),
            PeerBody::Unsupported { highest } => format!("unsupported, {highest} is known"),
            PeerBody::WantOffer { generation } => format!("want-offer above {generation}"),
        }
    }

    fn step(&self, step: &Negotiation) -> String {
        let Negotiation { generation, sequence, answers, body } = step;
        let what = match body {
            NegotiationBody::Description(description) => self.description(description),
            NegotiationBody::Candidate(candidate) => format!("candidate of {}", candidate.ufrag),
            NegotiationBody::EndOfCandidates { ufrag } => format!("end of candidates of {ufrag}"),
            NegotiationBody::RestartReady => "restart-ready".to_owned(),
            NegotiationBody::RestartReadyQuery => "restart-ready-query".to_owned(),
        };
        let answers = answers.map_or_else(String::new, |answers| format!(" to step {answers}"));
        format!("{what}{answers} (generation {generation}, step {sequence})")
    }

    fn description(&self, description: &Description) -> String {
        let kind = match description.kind {
            DescriptionKind::Offer => "offer",
            DescriptionKind::Answer => "answer",
        };
        format!("{kind} {}", ufrag(&description.sdp))
    }

    fn engine_text(&self, command: &EngineCommand) -> String {
        match command {
            EngineCommand::Apply { op, description, rollback } => {
                let first = if *rollback { "take the own offer back and " } else { "" };
                format!("{first}apply {} (operation {op})", self.description(description))
            }
            EngineCommand::Offer { op, ice_restart } => {
                format!("make an offer{} (operation {op})", if *ice_restart { " that restarts ICE" } else { "" })
            }
            EngineCommand::Send { label, data } => format!("send on {label}: {}", self.channel(label, data)),
            EngineCommand::Candidate(candidate) => format!("use a candidate of {}", candidate.ufrag),
            EngineCommand::Open { .. }
            | EngineCommand::Rollback { .. }
            | EngineCommand::EndOfCandidates
            | EngineCommand::Roam { .. }
            | EngineCommand::Signaling(_)
            | EngineCommand::Close => format!("{command:?}"),
        }
    }

    fn event_text(&self, event: &EngineEvent) -> String {
        match event {
            EngineEvent::Description { op, description } => {
                format!("made {} (operation {op})", self.description(description))
            }
            EngineEvent::Connection(state) => format!("is {state:?}"),
            EngineEvent::ChannelMessage { label, data } => format!("heard on {label}: {}", self.channel(label, data)),
            EngineEvent::Candidate(candidate) => format!("found a candidate of {}", candidate.ufrag),
            EngineEvent::Applied { .. }
            | EngineEvent::OpFailed { .. }
            | EngineEvent::EndOfCandidates { .. }
            | EngineEvent::ChannelOpen { .. }
            | EngineEvent::ChannelClosed { .. }
            | EngineEvent::SendRefused { .. }
            | EngineEvent::Silent(_)
            | EngineEvent::NegotiationNeeded
            | EngineEvent::Roamed { .. }
            | EngineEvent::TrackStarted { .. }
            | EngineEvent::Dead { .. } => format!("{event:?}"),
        }
    }

    fn channel(&self, label: &str, data: &[u8]) -> String {
        let text = String::from_utf8_lossy(&data[..data.len().min(120)]).into_owned();
        match label {
            "ctrl" => match serde_json::from_slice(data) {
                Ok(CtrlMessage::Negotiation(step)) => self.step(&step),
                Ok(CtrlMessage::MediaState { media, .. }) => {
                    let on: Vec<&TrackRole> = TrackRole::ALL.iter().filter(|role| media.is_on(**role)).collect();
                    format!("media-state {on:?}")
                }
                Ok(_) | Err(_) => text,
            },
            "chat" => match serde_json::from_slice(data) {
                Ok(ChatWire::Have { up_to }) => format!("have {up_to:?}"),
                Ok(ChatWire::Messages { messages, fill, .. }) => {
                    format!("{} messages{}", messages.len(), if fill { " to fill a gap" } else { "" })
                }
                Err(_) => text,
            },
            _ => text,
        }
    }

    fn command_text(&self, command: &Command) -> String {
        match command {
            Command::Dismiss(peer) => format!("dismiss {}", self.who(*peer)),
            Command::Reconnect(peer) => format!("reconnect {} now", self.who(*peer)),
            Command::Renew(peer) => format!("renew {}", self.who(*peer)),
            Command::Retry(peer) => format!("retry {}", self.who(*peer)),
            Command::Chat { .. }
            | Command::ChatRead
            | Command::DismissWarning(_)
            | Command::Know(_)
            | Command::Leave
            | Command::MediaFlow { .. }
            | Command::PictureSeen { .. }
            | Command::SetMedia(_)
            | Command::SetName(_)
            | Command::SetView { .. }
            | Command::Unverify(_)
            | Command::Verify(_)
            | Command::WordsDiffer(_) => format!("{command:?}"),
        }
    }

    fn news(&self, event: &CallEvent) -> String {
        match event {
            CallEvent::SessionState(event) => {
                let cause = event.cause.map_or_else(String::new, |cause| format!(", {cause:?}"));
                let frozen = if event.frozen { ", frozen" } else { "" };
                let who = self.who(event.peer);
                format!(
                    "{who} is {:?}{cause}, attempt {}, remedy {:?}{frozen}",
                    event.state, event.attempt, event.remedy
                )
            }
            CallEvent::PeerConnect { peer, .. } => format!("peer-connect {}", self.who(*peer)),
            CallEvent::PeerDisconnect { peer, reason } => format!("peer-disconnect {}: {reason}", self.who(*peer)),
            CallEvent::Chat { peer, text, .. } => format!("chat of {}: {text}", self.who(*peer)),
            CallEvent::TrackAdded { peer, track } => format!("track of {} added: {track:?}", self.who(*peer)),
            CallEvent::TrackRemoved { peer, track } => format!("track of {} removed: {track:?}", self.who(*peer)),
            CallEvent::KnownPeers(_)
            | CallEvent::Left { .. }
            | CallEvent::Notice(_)
            | CallEvent::PeerView { .. }
            | CallEvent::Refused(_)
            | CallEvent::VerificationWords { .. } => format!("{event:?}"),
        }
    }
}

fn difference(before: Dropped, after: Dropped) -> String {
    let counts = [
        ("flood", after.flood - before.flood),
        ("forged", after.forged - before.forged),
        ("malformed", after.malformed - before.malformed),
        ("oversized", after.oversized - before.oversized),
        ("stale", after.stale - before.stale),
        ("unknown", after.unknown - before.unknown),
    ];
    let counts = counts.iter().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{n} as {why}"));
    counts.collect::<Vec<_>>().join(", ")
}

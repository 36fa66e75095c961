//! What happened, for whoever has to find out why it went wrong.

use super::{TIMELINE, World};
use crate::{EngineCommand, EngineEvent, Input, SessionKey, candidates::ufrag};

impl World {
    pub(super) fn note_input(&mut self, node: usize, input: &Input) {
        if let Input::Engine { event: EngineEvent::ChannelMessage { label, data }, .. } = input
            && self.loud
        {
            return self.note(format!("{node} hears on {label} {}", String::from_utf8_lossy(data)));
        }
        if !self.loud
            && let Input::Engine { event: EngineEvent::ChannelMessage { .. }, .. } = input
        {
            return;
        }
        self.note(format!("{node} <- {input:?}"));
    }

    pub(super) fn note_command(&mut self, node: usize, session: SessionKey, command: &EngineCommand) {
        let text = match command {
            EngineCommand::Send { .. } => return,
            EngineCommand::Apply { op, description, rollback } => {
                format!("Apply {op} {:?} of {} rollback {rollback}", description.kind, ufrag(&description.sdp))
            }
            EngineCommand::Open { .. }
            | EngineCommand::Offer { .. }
            | EngineCommand::Rollback { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Close => format!("{command:?}"),
        };
        self.note(format!("{node} -> {session:?} {text}"));
    }

    pub(in crate::sim) fn note(&mut self, line: String) {
        if self.timeline.len() == TIMELINE && !self.loud {
            self.timeline.pop_front();
        }
        let at = (self.now - self.start).as_secs_f64();
        self.timeline.push_back(format!("{at:9.3} {line}"));
    }

    pub(super) fn judge(&self, node: usize, verdict: Result<(), String>) {
        if let Err(wrong) = verdict {
            self.fail(&format!("{node}: {wrong}"));
        }
    }

    /// Says the seed and what happened, and ends the test.
    pub(in crate::sim) fn fail(&self, wrong: &str) -> ! {
        let lines: Vec<&str> = self.timeline.iter().map(String::as_str).collect();
        let seed = self.seed;
        panic!("\n{}\n\nseed {seed}: {wrong}\nagain with PARLOR_SIM_SEED={seed}", lines.join("\n"));
    }
}

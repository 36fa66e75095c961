//! What the client tells the window, while it waits: of snapshots, levels and diagnostics only the newest counts.

use std::collections::VecDeque;

use parlor_protocol::ui::UiEvent;
use tauri::ipc::InvokeResponseBody;

use crate::outlet::Queue;

/// Notices and changes of sessions that may wait; of more the oldest are lost, as a person would have lost sight of them.
const WORDS: usize = 64;

/// The events that wait.
#[derive(Default)]
pub(crate) struct UiEvents {
    snapshot: Option<UiEvent>,
    levels: Option<UiEvent>,
    diagnostics: Option<UiEvent>,
    words: VecDeque<UiEvent>,
}

impl UiEvents {
    /// Adds one.
    pub(crate) fn put(&mut self, event: UiEvent) {
        match event {
            UiEvent::Snapshot(_) => self.snapshot = Some(event),
            UiEvent::Diagnostics(_) => self.diagnostics = Some(event),
            UiEvent::Levels(_) => self.levels = Some(event),
            UiEvent::Notice(_) | UiEvent::SessionState(_) => {
                if self.words.len() == WORDS {
                    self.words.pop_front();
                    tracing::warn!("the window is behind: a notice was lost");
                }
                self.words.push_back(event);
            }
        }
    }
}

impl Queue for UiEvents {
    fn take(&mut self) -> Option<InvokeResponseBody> {
        let event = self.snapshot.take().or_else(|| self.words.pop_front());
        let event = event.or_else(|| self.diagnostics.take()).or_else(|| self.levels.take())?;
        match serde_json::to_string(&event) {
            Ok(text) => Some(InvokeResponseBody::Json(text)),
            Err(error) => {
                tracing::error!(%error, "an event cannot be written");
                self.take()
            }
        }
    }

    fn restart(&mut self) {
        // What was on its way to the page before is gone with it; its successor is sent a snapshot at once.
        self.levels = None;
        self.diagnostics = None;
    }
}

#[cfg(test)]
mod tests {
    use parlor_protocol::ui::{Levels, Notice, Tone};

    use super::*;

    fn levels(microphone: f32) -> UiEvent {
        UiEvent::Levels(Levels { microphone, speaks_muted: false, peers: Vec::new() })
    }

    fn notice(code: usize) -> UiEvent {
        UiEvent::Notice(Notice { code: code.to_string(), tone: Tone::Neutral, text: String::new(), peer: None })
    }

    fn texts(events: &mut UiEvents) -> Vec<String> {
        std::iter::from_fn(|| events.take())
            .map(|body| match body {
                InvokeResponseBody::Json(text) => text,
                InvokeResponseBody::Raw(_) => panic!("raw"),
            })
            .collect()
    }

    #[test]
    fn only_the_newest_levels_are_sent() {
        let mut events = UiEvents::default();
        events.put(levels(0.25));
        events.put(levels(0.5));
        let texts = texts(&mut events);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].contains("0.5"), "{}", texts[0]);
    }

    #[test]
    fn notices_keep_their_order_and_go_before_levels() {
        let mut events = UiEvents::default();
        events.put(levels(0.5));
        events.put(notice(1));
        events.put(notice(2));
        let texts = texts(&mut events);
        assert!(texts[0].contains("\"1\"") && texts[1].contains("\"2\"") && texts[2].contains("levels"), "{texts:?}");
    }

    #[test]
    fn of_too_many_notices_the_oldest_are_lost() {
        let mut events = UiEvents::default();
        for code in 0..=WORDS {
            events.put(notice(code));
        }
        let texts = texts(&mut events);
        assert_eq!(texts.len(), WORDS);
        assert!(texts[0].contains("\"1\""), "{}", texts[0]);
    }
}

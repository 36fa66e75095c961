//! Reports on the call, for whoever looks for a fault.

use std::time::Instant;

use parlor_protocol::{
    PeerId,
    diagnostics::Diagnostics,
    headless::HeadlessEvent,
    ui::{Tone, UiEvent},
};

use super::Owner;
use crate::{ClientEvent, diagnostics};

impl Owner {
    /// The window shows reports from now on, or none any more.
    pub(super) fn watch_diagnostics(&mut self, on: bool, addresses: bool) {
        self.diagnosis.watched = on.then_some(addresses);
        self.show_diagnostics();
    }

    /// A report, if the window shows them.
    pub(super) fn show_diagnostics(&self) {
        if let Some(addresses) = self.diagnosis.watched {
            self.tell(UiEvent::Diagnostics(Box::new(self.diagnosed(addresses))));
        }
    }

    /// A report for a script.
    pub(super) fn tell_diagnostics(&self, addresses: bool) {
        let report = Box::new(self.diagnosed(addresses));
        let text = diagnostics::text(&report, None);
        self.headless(HeadlessEvent::Diagnostics { report, text });
    }

    /// A report, or what of it concerns one person, for the clipboard.
    pub(super) fn copy_diagnostics(&self, only: Option<PeerId>, addresses: bool) {
        self.send(ClientEvent::CopyText(diagnostics::text(&self.diagnosed(addresses), only)));
        self.notice("diagnostics-copied", Tone::Ok, "Diagnostics copied");
    }

    fn diagnosed(&self, addresses: bool) -> Diagnostics {
        let room = self.room.as_ref().map(|room| room.diagnosed(self.clock, Instant::now()));
        self.diagnosis.report(room, addresses, self.clock.now_ms())
    }
}

//! The report as text, to be copied and sent to whoever may know more.

use parlor_protocol::{
    PeerId,
    diagnostics::{Diagnostics, Fact},
};

/// The report, or what of it concerns one person.
pub(crate) fn text(report: &Diagnostics, only: Option<PeerId>) -> String {
    let mut text = String::from("Parlor diagnostics\n");
    lines(&mut text, &report.facts);
    let peers = report.room.iter().flat_map(|room| &room.peers);
    for peer in peers.filter(|peer| only.is_none_or(|only| peer.peer == only)) {
        text.push_str(&format!("\nPerson {}\n", peer.tile));
        lines(&mut text, &peer.facts);
        lines(&mut text, &peer.technical);
    }
    text
}

fn lines(text: &mut String, facts: &[Fact]) {
    for Fact { name, value } in facts {
        text.push_str(&format!("{name}: {value}\n"));
    }
}

//! The report in words: what people see, and below it what those see who look for the fault.

use std::collections::BTreeMap;

use parlor_protocol::{
    SessionState,
    diagnostics::{Candidate, Diagnostics, DroppedMessages, Fact, PeerDiagnostics, Transport},
    headless::SessionStats,
    session::Cause,
};

use super::units::{bytes, percent, rate, span, times};
use crate::words::kebab;

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact { name: name.into(), value: value.into() }
}

/// The machine and the room.
pub(super) fn of_room(report: &Diagnostics) -> Vec<Fact> {
    let mut facts = vec![fact("Parlor", format!("{}, {}", report.version, report.system))];
    match &report.room {
        Some(room) => {
            let signaling = &room.signaling;
            let state = if signaling.up { "connected" } else { "not connected" };
            let reason = signaling.reason.as_ref().map(|reason| format!(", last because of {reason}"));
            let downs = match signaling.downs {
                0 => String::new(),
                downs => format!(", lost or not reached {}{}", times(downs), reason.unwrap_or_default()),
            };
            facts.push(fact("In the room for", span(report.now.saturating_sub(room.since))));
            facts.push(fact("Room server", format!("{state}, reached {}{downs}", times(signaling.ups))));
            facts.push(fact("Messages thrown away", dropped(&room.dropped)));
        }
        None => facts.push(fact("Room", "none")),
    }
    facts.push(fact("Log", report.log.as_deref().unwrap_or("none")));
    facts
}

/// The sound devices that ran dry, and the length of their callbacks since then in milliseconds.
pub(super) fn of_sound(dry: &BTreeMap<&'static str, u32>) -> Vec<Fact> {
    let words = |ms| format!("ran dry again and again, and holds more since then (callbacks of {ms} ms)");
    dry.iter().map(|(name, ms)| fact(name, words(ms))).collect()
}

fn dropped(dropped: &DroppedMessages) -> String {
    let DroppedMessages { flood, forged, malformed, oversized, stale, unknown } = *dropped;
    let counts = [
        (flood, "too many"),
        (forged, "forged"),
        (malformed, "malformed"),
        (oversized, "too large"),
        (stale, "late"),
        (unknown, "of no use here"),
    ];
    let counted = counts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}"));
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() { "none".into() } else { counted.join(", ") }
}

/// One person, for people.
pub(super) fn of_peer(peer: &PeerDiagnostics, figures: Option<&SessionStats>, now: u64) -> Vec<Fact> {
    let mut facts = vec![fact("Connection", connection(peer)), fact("For", span(now.saturating_sub(peer.since)))];
    if let Some(transport) = &peer.transport {
        if let Some(rtt) = transport.rtt_ms {
            facts.push(fact("Round trip", format!("{rtt:.0} ms")));
        }
        facts.push(fact("Lost on the way to them", percent(transport.loss)));
        facts.push(fact("Sent", sent(transport, figures)));
        facts.push(fact("Received", received(transport, figures)));
    }
    if let Some(figures) = figures {
        let freezes = match figures.video_in.freezes {
            0 => "none".into(),
            count => format!("{count}, {} in all", span(figures.video_in.freeze_ms)),
        };
        facts.push(fact("Freezes of their picture", freezes));
        let sound = &figures.audio_in;
        let made_up = percent(sound.concealed_ratio);
        facts.push(fact("Their sound", format!("{made_up} made up, waits {:.0} ms", sound.buffer_ms)));
    }
    let history = &peer.history;
    let gaps = match history.gaps {
        0 => "none".into(),
        1 => format!("1, of {}", span(history.longest_gap_ms)),
        gaps => format!("{gaps}, the longest {}, {} in all", span(history.longest_gap_ms), span(history.gap_ms)),
    };
    facts.push(fact("Gaps", gaps));
    facts.push(fact("Restarts", history.restarts.to_string()));
    facts.push(fact("Connections made", history.sessions.to_string()));
    facts
}

/// How they are connected, in one sentence.
fn connection(peer: &PeerDiagnostics) -> String {
    match peer.state {
        SessionState::New => "Being set up".into(),
        SessionState::Connecting if peer.attempt > 0 => format!("Connecting again, attempt {}", peer.attempt),
        SessionState::Connecting => "Connecting".into(),
        SessionState::Connected => {
            let path = path(peer.transport.as_ref());
            if peer.frozen { format!("{path}; their picture has stopped") } else { path }
        }
        SessionState::Disconnected if peer.attempt > 0 => format!("Interrupted, attempt {} to return", peer.attempt),
        SessionState::Disconnected => "Interrupted".into(),
        SessionState::Failed => format!("Failed: {}", cause(peer.cause)),
        SessionState::Closed => "Over".into(),
    }
}

fn path(transport: Option<&Transport>) -> String {
    let Some(pair) = transport.and_then(|transport| transport.pair.as_ref()) else { return "Connected".into() };
    let relays = [&pair.local, &pair.remote].map(|end| end.kind == "relay");
    let over = match &pair.local.relay_protocol {
        Some(protocol) => protocol.to_uppercase(),
        // How a relay is reached is not always known.
        None if pair.local.kind == "relay" => return "Connected through a relay".into(),
        None => pair.local.protocol.to_uppercase(),
    };
    let over = match pair.local.link.as_deref() {
        Some("wifi") => format!("over Wi-Fi ({over})"),
        Some("cable") => format!("over cable ({over})"),
        Some("tunnel") => format!("over a VPN ({over})"),
        _ => format!("over {over}"),
    };
    match relays {
        [false, false] => format!("Connected directly, {over}"),
        [true, _] => format!("Connected through a relay, {over}"),
        [false, true] => format!("Connected through their relay, {over}"),
    }
}

fn cause(cause: Option<Cause>) -> &'static str {
    match cause {
        Some(Cause::ConnectTimeout) => "no way to each other was found in time",
        Some(Cause::Internal) => "something in this app broke, and the log says what",
        Some(Cause::Left) => "we left",
        Some(Cause::NetworkLost) => "the path went silent",
        Some(Cause::NegotiationFailed) => "the two sides could not agree",
        Some(Cause::NoRelay) => "only relays may be used, and none is known",
        Some(Cause::Overloaded) => "this app could not keep up",
        Some(Cause::PeerLeft) => "they left",
        Some(Cause::PeerLost) => "the room server lost them too",
        Some(Cause::Replaced) => "a newer run of theirs took its place",
        None => "no reason is known",
    }
}

fn sent(transport: &Transport, figures: Option<&SessionStats>) -> String {
    let room = format!("{}, of {} that fit", rate(transport.bitrate_out), rate(transport.estimate));
    let video = figures.map(|figures| &figures.video_out).filter(|video| video.fps >= 0.5);
    match video {
        Some(video) => format!("{room}; pictures of {}×{} at {:.0} a second", video.width, video.height, video.fps),
        None => room,
    }
}

fn received(transport: &Transport, figures: Option<&SessionStats>) -> String {
    let bits = rate(transport.bitrate_in);
    let video = figures.map(|figures| &figures.video_in).filter(|video| video.fps >= 0.5);
    match video {
        Some(video) => format!("{bits}; pictures of {}×{} at {:.0} a second", video.width, video.height, video.fps),
        None => bits,
    }
}

/// One person, for those who look for the fault.
pub(super) fn technical(peer: &PeerDiagnostics) -> Vec<Fact> {
    let mut facts = vec![fact("Peer", peer.peer.to_string()), fact("State", kebab(peer.state))];
    if let Some(cause) = peer.cause {
        facts.push(fact("Cause", kebab(cause)));
    }
    let Some(transport) = &peer.transport else { return facts };
    for (name, value) in [
        ("ICE", &transport.ice),
        ("Gathering", &transport.gathering),
        ("Signaling", &transport.signaling),
        ("DTLS", &transport.dtls),
        ("SCTP", &transport.sctp),
    ] {
        facts.push(fact(name, if value.is_empty() { "not known" } else { value }));
    }
    if let Some(pair) = &transport.pair {
        facts.push(fact("Pair", format!("{}/{}", pair.local.kind, pair.remote.kind)));
        facts.push(fact("Our candidate", candidate(&pair.local)));
        facts.push(fact("Their candidate", candidate(&pair.remote)));
    }
    facts.push(fact("Other pairs taken", transport.pair_changes.to_string()));
    facts.push(fact("Moves to another address of ours", transport.moves.to_string()));
    facts.push(fact("Our candidates", counts(transport, true)));
    facts.push(fact("Their candidates", counts(transport, false)));
    let (out, back) = (bytes(transport.bytes_sent), bytes(transport.bytes_received));
    facts.push(fact("Sent in all", format!("{out} in {} packets", transport.packets_sent)));
    facts.push(fact("Received in all", format!("{back} in {} packets", transport.packets_received)));
    let Transport { retransmitted, nacked, send_dropped, receive_dropped, .. } = transport;
    facts.push(fact("Packets sent again", retransmitted.to_string()));
    facts.push(fact("Packets asked for again", nacked.to_string()));
    facts.push(fact("Packets thrown away", format!("{send_dropped} unsent, {receive_dropped} unread")));
    facts
}

fn candidate(candidate: &Candidate) -> String {
    let Candidate { kind, protocol, relay_protocol, address, link } = candidate;
    let relay = relay_protocol.as_ref().map(|protocol| format!("by {protocol}"));
    let parts = [Some(kind.clone()), Some(protocol.clone()), relay, address.clone(), link.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn counts(transport: &Transport, local: bool) -> String {
    let counts = transport.candidates.iter().filter(|count| count.local == local);
    let counts: Vec<String> = counts.map(|count| format!("{} {}", count.count, count.kind)).collect();
    if counts.is_empty() { "none".into() } else { counts.join(", ") }
}

//! Reads descriptions as far as the session must know them, before the stack is given them.
//!
//! Owns: which m-lines a description has, and refusing one that would leave the connection half changed. The stack moves
//! its signaling state before it looks at most of a description, so what it would stumble over is found here first.

use std::collections::BTreeSet;

use parlor_protocol::negotiation::{Description, DescriptionKind};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::peer_connection::RTCSessionDescription;

use crate::{error::EngineError, roam::Secret};

/// Bytes in a description; a call with four tracks needs a tenth.
const MAX_BYTES: usize = 64 * 1024;
/// Candidates of one ICE generation that are used: each is asked at from every address of ours, for as long as a session
/// may take to connect.
pub(crate) const MAX_CANDIDATES: usize = 32;
/// m-lines in a description. Each costs memory for as long as the session lives.
const MAX_LINES: usize = 32;

/// A description that the stack can take.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    /// For the stack, without candidates.
    pub(crate) description: RTCSessionDescription,
    /// Candidates, `candidate:…`, which the stack is told one by one: of those in a description it keeps no figures, and
    /// connects to none over TCP.
    pub(crate) candidates: Vec<String>,
    /// The m-lines, without the data channels'.
    pub(crate) lines: Vec<Line>,
    /// User fragment of the ICE generation (RFC 8839 §5.4).
    pub(crate) ufrag: String,
}

/// One m-line of sound or pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) mid: String,
    pub(crate) kind: RtpCodecKind,
    /// The other side would take something on it.
    pub(crate) receives: bool,
}

/// Reads the other side's description.
pub(crate) fn parse(description: &Description) -> Result<Parsed, EngineError> {
    if description.sdp.len() > MAX_BYTES {
        return Err(bad("too long"));
    }
    let (sdp, candidates) = without_candidates(&drop_lines_without_source(&description.sdp));
    let made = match description.kind {
        DescriptionKind::Offer => RTCSessionDescription::offer(sdp),
        DescriptionKind::Answer => RTCSessionDescription::answer(sdp),
    };
    let made = made.map_err(|_| bad("not a session description"))?;
    let session = made.unmarshal().map_err(|_| bad("not a session description"))?;
    if session.media_descriptions.is_empty() || session.media_descriptions.len() > MAX_LINES {
        return Err(bad("no m-lines, or too many"));
    }
    let mut lines = Vec::new();
    let mut mids = BTreeSet::new();
    let mut sources = BTreeSet::new();
    let mut ufrag = session.attribute("ice-ufrag").cloned().unwrap_or_default();
    let mut secrets = session.attribute("ice-pwd").is_some();
    let mut fingerprint = session.attribute("fingerprint").is_some();
    for media in &session.media_descriptions {
        let Some(mid) = media.attribute("mid").flatten().filter(|mid| !mid.is_empty()) else {
            return Err(bad("an m-line without a mid"));
        };
        if !mids.insert(mid) {
            return Err(bad("two m-lines with one mid"));
        }
        for source in own_sources(media) {
            if !sources.insert(source) {
                return Err(bad("one SSRC on two m-lines"));
            }
        }
        if let Some(value) = media.attribute("ice-ufrag").flatten()
            && ufrag.is_empty()
        {
            ufrag = value.to_owned();
        }
        secrets |= media.attribute("ice-pwd").is_some();
        fingerprint |= media.attribute("fingerprint").is_some();
        // All other lines are the data channels'.
        let kind = RtpCodecKind::from(media.media_name.media.as_str());
        if kind == RtpCodecKind::Audio || kind == RtpCodecKind::Video {
            let receives = media.attribute("sendonly").is_none() && media.attribute("inactive").is_none();
            lines.push(Line { mid: mid.to_owned(), kind, receives });
        }
    }
    if ufrag.is_empty() || !secrets || !fingerprint {
        return Err(bad("no ICE credentials or no fingerprint"));
    }
    Ok(Parsed { description: made, candidates, lines, ufrag })
}

/// The user fragment of a description of our own.
pub(crate) fn ufrag(sdp: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default().trim().to_owned()
}

/// The name and password of a description's ICE generation.
pub(crate) fn secret(sdp: &str) -> Option<Secret> {
    let value = |name| sdp.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    Some(Secret { ufrag: value("a=ice-ufrag:")?, pwd: value("a=ice-pwd:")? })
}

/// The mid of a description's first m-line.
pub(crate) fn first_mid(sdp: &str) -> String {
    mids(sdp).next().unwrap_or_default().to_owned()
}

/// Whether an answer has the offer's m-lines, in the offer's order (RFC 3264 §6).
pub(crate) fn answers(offer: &str, answer: &str) -> bool {
    mids(offer).eq(mids(answer))
}

fn mids(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(str::trim)
}

fn bad(why: &str) -> EngineError {
    EngineError::Description(why.to_owned())
}

fn own_sources(media: &rtc::sdp::MediaDescription) -> BTreeSet<u32> {
    media
        .attributes
        .iter()
        .filter(|attribute| attribute.key == "ssrc")
        .filter_map(|attribute| attribute.value.as_ref()?.split(' ').next()?.parse().ok())
        .collect()
}

/// Whether the other side may have us ask there: its candidates are what it says, and an answer to none of them is known to
/// come. The addresses that no host has are the tunnels' (`tunnel::ways`); TCP is a connection that is made at once.
pub(crate) fn is_admitted(candidate: &str, tcp: bool) -> bool {
    let words: Vec<&str> = candidate.split_ascii_whitespace().collect();
    let address = words.get(4).and_then(|address| address.parse::<std::net::IpAddr>().ok());
    let nobodys = match address {
        Some(std::net::IpAddr::V4(address)) => address.octets()[0] == 0,
        Some(std::net::IpAddr::V6(address)) => address.segments()[..4] == [0x100, 0, 0, 0] || address.is_unspecified(),
        // A name, for mDNS.
        None => false,
    };
    let is_tcp = words.get(2).is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"));
    !nobodys && (tcp || !is_tcp)
}

/// What tells a candidate from others: its protocol, address and port (RFC 8839 §5.1). Browsers say the rest of it differently
/// in a description and beside it.
pub(crate) fn place(candidate: &str) -> String {
    let words: Vec<&str> = candidate.split_ascii_whitespace().collect();
    [2, 4, 5].map(|at| words.get(at).copied().unwrap_or_default().to_ascii_lowercase()).join(" ")
}

/// A description without its candidates, and these.
fn without_candidates(sdp: &str) -> (String, Vec<String>) {
    let mut candidates = Vec::new();
    let mut kept = |line: &&str| {
        let Some(candidate) = line.trim_end().strip_prefix("a=").filter(|value| value.starts_with("candidate:")) else {
            return true;
        };
        candidates.push(candidate.to_owned());
        false
    };
    let sdp = sdp.split_inclusive('\n').filter(|line| kept(line)).collect();
    (sdp, candidates)
}

/// A line may name its stream (`msid`) without the SSRC that it will use. The stack cannot receive such a line beside
/// others and refuses the whole description; without the name it takes the line as one that sends nothing yet.
fn drop_lines_without_source(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    let mut section: Vec<&str> = Vec::new();
    let mut flush = |section: &mut Vec<&str>| {
        let has_source = section.iter().any(|line| line.starts_with("a=ssrc:") || line.starts_with("a=rid:"));
        for line in section.drain(..) {
            if has_source || !line.starts_with("a=msid:") {
                out.push_str(line);
                out.push_str("\r\n");
            }
        }
    };
    for line in sdp.lines() {
        if line.starts_with("m=") {
            flush(&mut section);
        }
        section.push(line.trim_end());
    }
    flush(&mut section);
    out
}

//! Descriptions that are said before the stack has set them: what it would say, from what is in force.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::roam::Secret;

/// Who begins DTLS (RFC 8842 §5). A restart changes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Active,
    Passive,
}

impl Setup {
    /// Ours, from the two descriptions that are in force.
    pub(crate) fn ours(local: &str, remote: &str) -> Option<Self> {
        Self::read(local).or_else(|| Self::read(remote).map(Self::other))
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
        }
    }

    fn read(sdp: &str) -> Option<Self> {
        match value(sdp, "a=setup:")? {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// Whether an offer restarts ICE and changes nothing else that matters: the same lines in the same directions, the same
/// certificate.
pub(crate) fn is_restart_alone(in_force: &str, offer: &str) -> bool {
    let kept = |sdp: &str| -> Vec<String> {
        let matters = |line: &&str| {
            ["a=mid:", "a=fingerprint:"].iter().any(|name| line.starts_with(name))
                || ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"].contains(line)
        };
        sdp.lines().map(str::trim_end).filter(matters).map(str::to_ascii_lowercase).collect()
    };
    kept(in_force) == kept(offer)
}

/// Another description with the credentials and the version of one that was made for a restart.
pub(crate) fn renewed(in_force: &str, made: &str, secret: &Secret) -> String {
    let origin = made.lines().find(|line| line.starts_with("o=")).map(str::trim_end);
    rewrite(in_force, |line| {
        if line.starts_with("o=") {
            origin.unwrap_or(line).to_owned()
        } else if line.starts_with("a=ice-ufrag:") {
            format!("a=ice-ufrag:{}", secret.ufrag)
        } else if line.starts_with("a=ice-pwd:") {
            format!("a=ice-pwd:{}", secret.pwd)
        } else {
            line.to_owned()
        }
    })
}

/// A description as an answer's: which side begins DTLS is decided.
pub(crate) fn decided(sdp: &str, setup: Setup) -> String {
    rewrite(sdp, |line| match line.strip_prefix("a=setup:") {
        Some(_) => format!("a=setup:{}", setup.name()),
        None => line.to_owned(),
    })
}

/// A description with these candidates and no others, on its first line: all lines share one transport (RFC 8843 §10).
pub(crate) fn with_candidates<'a>(sdp: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::with_capacity(sdp.len());
    let mut candidates = Some(candidates);
    for line in sdp.lines().map(str::trim_end) {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        push(&mut out, line);
        if line.starts_with("a=mid:") {
            for candidate in candidates.take().into_iter().flatten() {
                push(&mut out, &format!("a={}", candidate.trim_start_matches("a=")));
            }
        }
    }
    out
}

/// Candidates, or a description that holds some, with other addresses of ours.
pub(super) fn told(text: &str, moved: &BTreeMap<SocketAddr, SocketAddr>) -> String {
    let told = |line: &str| {
        let is_candidate = line.trim_start_matches("a=").starts_with("candidate:");
        if is_candidate { candidate(line, moved) } else { line.to_owned() }
    };
    if text.contains('\n') { rewrite(text, told) } else { told(text) }
}

/// One of ours, or one that a server made of it (RFC 8839 §5.1).
fn candidate(line: &str, moved: &BTreeMap<SocketAddr, SocketAddr>) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let named = |word: &str| words.iter().position(|other| other == word).map(|at| at + 1);
    let places = [Some((4, 5)), named("raddr").zip(named("rport"))];
    for (host, port) in places.into_iter().flatten() {
        let (Some(ip), Some(number)) = (words.get(host), words.get(port)) else { continue };
        let (Ok(ip), Ok(number)) = (ip.parse(), number.parse()) else { continue };
        if let Some(real) = moved.get(&SocketAddr::new(ip, number)) {
            words[port] = real.port().to_string();
        }
    }
    words.join(" ")
}

fn value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn rewrite(sdp: &str, line: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(sdp.len());
    sdp.lines().for_each(|before| push(&mut out, &line(before.trim_end())));
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "v=0\r\no=- 7 3 IN IP4 0.0.0.0\r\na=fingerprint:sha-256 AA\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
                         a=setup:actpass\r\na=mid:0\r\na=ice-ufrag:old\r\na=ice-pwd:oldpwd\r\n\
                         a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\na=end-of-candidates\r\na=sendrecv\r\n";

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_description_is_renewed_and_stays_what_it_was() {
        let secret = Secret { ufrag: "new".to_owned(), pwd: "newpwd".to_owned() };
        let renewed = renewed(LOCAL, "v=0\r\no=- 7 4 IN IP4 0.0.0.0\r\n", &secret);
        let expected = LOCAL.replace("7 3", "7 4").replace("oldpwd", "newpwd").replace("ufrag:old", "ufrag:new");
        assert_eq!(renewed, expected);
        assert!(is_restart_alone(LOCAL, &renewed));
    }

    #[test]
    fn what_is_more_than_a_restart_is_seen() {
        for (before, after) in [("sendrecv", "inactive"), ("mid:0", "mid:1"), ("sha-256 AA", "sha-256 AB")] {
            assert!(!is_restart_alone(LOCAL, &LOCAL.replace(before, after)), "{after}");
        }
        let more = format!("{LOCAL}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendrecv\r\n");
        assert!(!is_restart_alone(LOCAL, &more));
    }

    #[test]
    fn who_begins_dtls_is_read_from_whichever_side_answered() {
        let passive = LOCAL.replace("actpass", "passive");
        assert_eq!(Setup::ours(LOCAL, &passive), Some(Setup::Active));
        assert_eq!(Setup::ours(&passive, LOCAL), Some(Setup::Passive));
        assert_eq!(Setup::ours(LOCAL, LOCAL), None);
        assert!(decided(LOCAL, Setup::Passive).contains("a=setup:passive\r\n"));
    }

    #[test]
    fn candidates_are_replaced_on_the_first_line() {
        let sdp = with_candidates(LOCAL, ["candidate:2 1 udp 1 192.0.2.2 5000 typ host"]);
        assert_eq!(sdp.matches("candidate").count(), 1, "{sdp}");
        assert!(sdp.contains("a=mid:0\r\na=candidate:2 1 udp 1 192.0.2.2 5000 typ host\r\n"), "{sdp}");
    }

    #[test]
    fn candidates_are_told_where_the_sockets_are() {
        let moved = [(at("192.0.2.1:4000"), at("192.0.2.1:9")), (at("[fd00::1]:7"), at("[fd00::1]:8"))].into();
        assert!(told(LOCAL, &moved).contains("192.0.2.1 9 typ host\r\n"));
        let reflexive = "candidate:1 1 udp 1 203.0.113.5 4000 typ srflx raddr 192.0.2.1 rport 4000";
        assert!(told(reflexive, &moved).ends_with("203.0.113.5 4000 typ srflx raddr 192.0.2.1 rport 9"));
        assert!(told("candidate:1 1 udp 1 fd00::1 7 typ host", &moved).ends_with("fd00::1 8 typ host"));
        let others = "candidate:1 1 udp 1 198.51.100.1 4000 typ relay raddr 192.0.2.7 rport 4000";
        assert_eq!(told(others, &moved), others);
        assert_eq!(told("candidate:1 1 udp", &moved), "candidate:1 1 udp");
    }
}

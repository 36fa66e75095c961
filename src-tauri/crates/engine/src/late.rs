//! Candidates of TCP, which are told only where datagrams do not get through.
//!
//! The stack takes the first pair that works and stays with it, and on many paths TCP works first. Media over it is late
//! for ever after one loss, and cannot be taken along to another network.

use std::time::{Duration, Instant};

use parlor_protocol::negotiation::Candidate;

/// How long datagrams have, from when both sides know each other: some checks, on a path of 300 ms.
const DATAGRAMS_FIRST: Duration = Duration::from_secs(1);

/// The TCP candidates of one ICE generation, and its end of candidates while they wait.
#[derive(Debug, Default)]
pub(crate) struct Late {
    waiting: Vec<Candidate>,
    end: Option<String>,
    since: Option<Instant>,
}

impl Late {
    /// A new generation of our own begins.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Both sides know each other.
    pub(crate) fn agreed(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// A local candidate. Gives it back if it can be told at once.
    pub(crate) fn hold(&mut self, candidate: Candidate) -> Option<Candidate> {
        if !is_tcp(&candidate.candidate) {
            return Some(candidate);
        }
        self.waiting.push(candidate);
        None
    }

    /// No more candidates are found. Gives the generation back if that can be told at once.
    pub(crate) fn hold_end(&mut self, ufrag: String) -> Option<String> {
        if self.waiting.is_empty() {
            return Some(ufrag);
        }
        self.end = Some(ufrag);
        None
    }

    /// What is due now: nothing more to tell but the end where the session is connected.
    pub(crate) fn take(&mut self, connected: bool, now: Instant) -> (Vec<Candidate>, Option<String>) {
        if connected {
            self.waiting.clear();
            return (Vec::new(), self.end.take());
        }
        if self.since.is_none_or(|since| now.saturating_duration_since(since) < DATAGRAMS_FIRST) {
            return (Vec::new(), None);
        }
        (std::mem::take(&mut self.waiting), self.end.take())
    }
}

/// A description without them: they are told one by one, if at all.
pub(crate) fn without(sdp: &str) -> String {
    let kept = |line: &&str| !line.strip_prefix("a=").is_some_and(is_tcp);
    sdp.split_inclusive('\n').filter(kept).collect()
}

/// Whether a candidate's transport is TCP (RFC 6544 §4.5).
pub(crate) fn is_tcp(candidate: &str) -> bool {
    let mut words = candidate.split_ascii_whitespace();
    let is_candidate = words.next().is_some_and(|word| word.starts_with("candidate:"));
    is_candidate && words.nth(1).is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active";
    const UDP: &str = "candidate:2 1 udp 1 192.0.2.1 4000 typ host";

    fn candidate(candidate: &str) -> Candidate {
        Candidate { candidate: candidate.to_owned(), mid: "0".to_owned(), ufrag: "u".to_owned() }
    }

    fn waiting(now: Instant) -> Late {
        let mut late = Late::default();
        assert_eq!(late.hold(candidate(UDP)), Some(candidate(UDP)));
        assert_eq!(late.hold(candidate(TCP)), None);
        assert_eq!(late.hold_end("u".to_owned()), None);
        late.agreed(now);
        late
    }

    #[test]
    fn tcp_is_told_when_datagrams_had_their_time() {
        let now = Instant::now();
        let mut late = waiting(now);
        assert_eq!(late.take(false, now + DATAGRAMS_FIRST / 2), (vec![], None));
        assert_eq!(late.take(false, now + DATAGRAMS_FIRST), (vec![candidate(TCP)], Some("u".to_owned())));
        assert_eq!(late.take(false, now + DATAGRAMS_FIRST * 2), (vec![], None));
    }

    #[test]
    fn tcp_is_not_told_where_datagrams_get_through() {
        let now = Instant::now();
        let mut late = waiting(now);
        assert_eq!(late.take(true, now), (vec![], Some("u".to_owned())));
        assert_eq!(late.take(false, now + DATAGRAMS_FIRST), (vec![], None));
    }

    #[test]
    fn nothing_is_told_late_while_the_other_side_is_not_known() {
        let mut late = Late::default();
        late.hold(candidate(TCP));
        assert_eq!(late.take(false, Instant::now() + DATAGRAMS_FIRST * 9), (vec![], None));
    }

    #[test]
    fn a_description_loses_these_lines_and_no_others() {
        let sdp = format!("v=0\r\na={TCP}\r\na={UDP}\r\nm=audio 9 TCP/TLS/RTP/SAVP 111\r\n");
        assert_eq!(without(&sdp), format!("v=0\r\na={UDP}\r\nm=audio 9 TCP/TLS/RTP/SAVP 111\r\n"));
    }
}

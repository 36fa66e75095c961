//! Takes our own addresses out of what is told to the other side, where relays alone are allowed (RFC 8828 §5.2, mode 4).
//!
//! The stack gathers nothing but relay candidates then. What it says is looked through all the same: a relay candidate
//! names the address that it was asked for from, and what is told cannot be taken back.

/// A candidate (RFC 8839 §5.1) as it may be told: a relay's, without the address behind it.
pub(crate) fn candidate(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let mut told = Vec::new();
    let mut relay = false;
    while let Some(word) = words.next() {
        told.push(word);
        match word {
            "typ" => {
                let kind = words.next()?;
                relay = kind == "relay";
                told.push(kind);
            }
            // Written as nothing (RFC 8839 §5.1), since browsers expect the words.
            "raddr" => {
                let address = words.next()?;
                told.push(if address.contains(':') { "::" } else { "0.0.0.0" });
            }
            "rport" => {
                words.next()?;
                told.push("0");
            }
            _ => {}
        }
    }
    relay.then(|| told.join(" "))
}

/// A description as it may be told.
pub(crate) fn description(sdp: &str) -> String {
    let mut told = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        let line = if line.starts_with("a=candidate:") {
            match candidate(line) {
                Some(candidate) => candidate,
                None => continue,
            }
        } else if line.starts_with("c=") {
            "c=IN IP4 0.0.0.0".to_owned()
        } else if let Some(origin) = line.strip_prefix("o=") {
            // Name, session and version; what follows is the address (RFC 8866 §5.2).
            let names: Vec<_> = origin.split(' ').take(3).collect();
            format!("o={} IN IP4 0.0.0.0", names.join(" "))
        } else if line.starts_with("a=rtcp:") {
            // Of no meaning where RTCP goes with RTP, which is everywhere here (RFC 8834 §4.5).
            continue;
        } else {
            line.to_owned()
        };
        told.push_str(&line);
        told.push_str("\r\n");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str =
        "candidate:1 1 udp 16777215 198.51.100.7 50000 typ relay raddr 192.168.1.2 rport 40000 generation 0";
    const TOLD: &str = "candidate:1 1 udp 16777215 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0 generation 0";

    #[test]
    fn a_relay_is_told_and_what_is_behind_it_is_not() {
        assert_eq!(candidate(RELAY).as_deref(), Some(TOLD));
        let six = "candidate:1 1 udp 1 2001:db8::7 50000 typ relay raddr fd00::2 rport 40000";
        assert!(candidate(six).unwrap().ends_with("raddr :: rport 0"));
    }

    #[test]
    fn all_other_candidates_are_kept_to_ourselves() {
        for line in [
            "candidate:1 1 udp 2130706431 192.168.1.2 40000 typ host",
            "candidate:1 1 udp 1694498815 203.0.113.5 40000 typ srflx raddr 192.168.1.2 rport 40000",
            "candidate:1 1 udp 1694498815 203.0.113.5 40000 typ prflx raddr 192.168.1.2 rport 40000",
            "candidate:1 1 tcp 2105458943 192.168.1.2 9 typ host tcptype active",
            "candidate:1 1 udp 1 198.51.100.7 50000",
            "candidate:1 1 udp 1 198.51.100.7 50000 typ",
            "candidate:1 1 udp 1 198.51.100.7 50000 typ relay raddr",
            "",
        ] {
            assert_eq!(candidate(line), None, "{line}");
        }
    }

    #[test]
    fn a_description_holds_relays_alone() {
        let sdp = format!(
            "v=0\r\no=- 1 2 IN IP4 192.168.1.2\r\nc=IN IP4 192.168.1.2\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
             a=rtcp:9 IN IP4 192.168.1.2\r\na=candidate:1 1 udp 1 192.168.1.2 4 typ host\r\na={RELAY}\r\na=mid:0\r\n"
        );
        let told = description(&sdp);
        assert!(!told.contains("192.168.1.2"), "{told}");
        assert!(told.contains(TOLD) && told.contains("o=- 1 2 IN IP4 0.0.0.0\r\n") && told.ends_with("a=mid:0\r\n"));
    }
}

//! The fingerprint of a DTLS certificate, as a description gives it (RFC 8122 §5).

/// SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) [u8; 32]);

/// What a description says of its side's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// One certificate, in every line the same.
    One(Fingerprint),
    /// Several, or one by another hash: a stack may choose which of them it checks, so that none of them binds it.
    Unclear,
}

/// Reads all `a=fingerprint` lines of a description.
pub(super) fn read(sdp: &str) -> Said {
    let mut said = Said::Nothing;
    for line in sdp.lines() {
        let Some(value) = line.trim_end().strip_prefix("a=fingerprint:") else { continue };
        said = match (said, parse(value)) {
            (Said::Nothing, Some(found)) => Said::One(found),
            (Said::One(known), Some(found)) if known == found => said,
            (Said::Nothing | Said::One(_) | Said::Unclear, _) => return Said::Unclear,
        };
    }
    said
}

/// `sha-256 AB:CD:…`; names of hashes and digits in either case.
fn parse(value: &str) -> Option<Fingerprint> {
    let (hash, digits) = value.trim_start().split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut bytes = [0; 32];
    let mut pairs = digits.trim().split(':');
    for byte in &mut bytes {
        let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(Fingerprint(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(hash: &str, byte: &str, pairs: usize) -> String {
        format!("a=fingerprint:{hash} {}\r\n", vec![byte; pairs].join(":"))
    }

    #[test]
    fn the_same_certificate_in_every_section_is_one() {
        let sdp = format!("v=0\r\n{}m=audio 9\r\n{}", line("sha-256", "aB", 32), line("SHA-256", "Ab", 32));
        assert_eq!(read(&sdp), Said::One(Fingerprint([0xab; 32])));
        assert_eq!(read("v=0\r\na=ice-ufrag:x\r\n"), Said::Nothing);
    }

    #[test]
    fn two_certificates_or_another_hash_bind_to_none() {
        let good = line("sha-256", "AB", 32);
        for other in [line("sha-256", "AC", 32), line("sha-512", "AB", 64), line("sha-1", "AB", 20)] {
            assert_eq!(read(&format!("{good}{other}")), Said::Unclear);
            assert_eq!(read(&format!("{other}{good}")), Said::Unclear);
        }
    }

    #[test]
    fn what_is_no_fingerprint_is_unclear() {
        for sdp in [
            line("sha-256", "AB", 31),
            line("sha-256", "AB", 33),
            line("sha-256", "A", 32),
            line("sha-256", "+A", 32),
            line("sha-256", "é", 32),
            "a=fingerprint:sha-256\r\n".to_owned(),
            "a=fingerprint:\r\n".to_owned(),
        ] {
            assert_eq!(read(&sdp), Said::Unclear, "{sdp}");
        }
    }
}

//! What a datagram to or from a TURN server carries (RFC 8656 §11, §12).

/// Magic cookie of STUN (RFC 8489 §5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// The `DATA` attribute (RFC 8656 §18.4).
const DATA: [u8; 2] = [0x00, 0x13];

/// The packet that a server passes on, or has passed on; `None` for datagrams of every other kind. Empty where there is
/// none in it.
pub(super) fn packet(datagram: &[u8]) -> Option<&[u8]> {
    match datagram {
        // Channel data.
        [0x40..=0x4f, _, _, _, packet @ ..] => Some(packet),
        // Send and data indications: type, length, cookie, transaction.
        [0x00, 0x16 | 0x17, _, _, message @ ..] if message.starts_with(&COOKIE) => {
            Some(message.get(16..).and_then(data).unwrap_or_default())
        }
        _ => None,
    }
}

/// The value of the first `DATA` among attributes.
fn data(mut attributes: &[u8]) -> Option<&[u8]> {
    while let [a, b, c, d, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        if [*a, *b] == DATA {
            return rest.get(..length);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indication(kind: u8, attributes: &[u8]) -> Vec<u8> {
        [&[0, kind, 0, 0][..], &COOKIE, &[7; 12], attributes].concat()
    }

    #[test]
    fn what_is_passed_on_is_found() {
        assert_eq!(packet(&[0x40, 0, 0, 2, 22, 1]), Some(&[22, 1][..]));
        // After an address of six bytes, which are padded.
        let attributes = [0, 0x12, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0x13, 0, 3, 22, 8, 9, 0];
        for kind in [0x16, 0x17] {
            assert_eq!(packet(&indication(kind, &attributes)), Some(&[22, 8, 9][..]));
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        for attributes in [&[][..], &[0, 0x13, 0, 9, 1], &[0, 0x12, 0xff, 0xff], &[0, 0x13], &[0, 0x12, 0, 0]] {
            assert_eq!(packet(&indication(0x17, attributes)), Some(&[][..]));
        }
        for other in [&[][..], &[0x40], &[0, 0x17], &[0, 1, 0, 0], &[22, 0xfe, 0xfd], &[0x80, 96]] {
            assert_eq!(packet(other), None);
        }
    }
}

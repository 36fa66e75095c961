//! STUN messages and ChannelData on a stream of bytes: both say how long they are (RFC 8489 §6.2.2, RFC 8656 §12.5).

use bytes::{Buf, BytesMut};

/// A STUN message's header, in bytes (RFC 8489 §5).
const STUN_HEADER: usize = 20;
/// ChannelData's header, in bytes (RFC 8656 §12.4).
const CHANNEL_HEADER: usize = 4;
/// The first byte of the highest channel number (RFC 8656 §12).
const LAST_CHANNEL: u8 = 0x4f;
/// In every STUN message from the fifth byte on (RFC 8489 §5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The stream holds something else: where the next message begins cannot be known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage;

/// What a message's first bytes tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Of the message.
    bytes: usize,
    /// Between it and the next one.
    padding: usize,
}

/// Cuts a stream into messages. What it holds is bounded by the lengths that can be written: 64 KiB and a header.
#[derive(Debug, Default)]
pub(super) struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    /// Where the next bytes of the stream go, at the end.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next message that is there as a whole, without padding.
    pub(super) fn next(&mut self) -> Result<Option<BytesMut>, Garbage> {
        let Some(head) = head(&self.buffer)? else { return Ok(None) };
        if self.buffer.len() < head.bytes + head.padding {
            return Ok(None);
        }
        let message = self.buffer.split_to(head.bytes);
        self.buffer.advance(head.padding);
        Ok(Some(message))
    }
}

/// A datagram as it goes onto the stream; nothing, when it is none that would be understood there.
pub(super) fn frame(datagram: &[u8]) -> Option<Vec<u8>> {
    let head = head(datagram).ok()??;
    // On UDP, ChannelData may come padded or not.
    let message = datagram.get(..head.bytes)?;
    if datagram.len() > head.bytes + head.padding {
        return None;
    }
    let mut framed = Vec::with_capacity(head.bytes + head.padding);
    framed.extend_from_slice(message);
    framed.resize(head.bytes + head.padding, 0);
    Some(framed)
}

/// Whether a datagram asks the server something: it means more to a server than data for what it does not know.
pub(super) fn is_request(datagram: &[u8]) -> bool {
    // The class bits of the type, which are 00 in a request (RFC 8489 §5).
    matches!(datagram, [first, second, ..] if first & 0xc1 == 0 && second & 0x10 == 0)
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Garbage> {
    let Some(&[first, _, high, low]) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    match first >> 6 {
        0 if !length.is_multiple_of(4) => Err(Garbage),
        0 => match bytes.get(4..8) {
            Some(cookie) if cookie != COOKIE => Err(Garbage),
            Some(_) => Ok(Some(Head { bytes: STUN_HEADER + length, padding: 0 })),
            None => Ok(None),
        },
        1 if first <= LAST_CHANNEL => {
            Ok(Some(Head { bytes: CHANNEL_HEADER + length, padding: length.next_multiple_of(4) - length }))
        }
        _ => Err(Garbage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(body: usize) -> Vec<u8> {
        let mut message = vec![0, 1];
        message.extend(u16::try_from(body).unwrap().to_be_bytes());
        message.extend(COOKIE);
        message.resize(STUN_HEADER + body, 7);
        message
    }

    fn channel(body: usize) -> Vec<u8> {
        let mut message = vec![0x40, 0];
        message.extend(u16::try_from(body).unwrap().to_be_bytes());
        message.resize(CHANNEL_HEADER + body, 9);
        message
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_the_stream_is_cut() {
        let messages = [stun(0), channel(0), channel(5), stun(64), channel(65_535), channel(1200), stun(65_532)];
        let stream: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
        for step in [1, 3, 7, 1000, stream.len()] {
            let mut deframer = Deframer::default();
            let mut out = Vec::new();
            for part in stream.chunks(step) {
                deframer.buffer().extend_from_slice(part);
                while let Some(message) = deframer.next().unwrap() {
                    out.push(message.to_vec());
                }
            }
            assert!(out == messages, "in parts of {step}");
            assert!(deframer.buffer().is_empty());
        }
    }

    #[test]
    fn channel_data_is_padded_to_four_bytes_once() {
        assert_eq!(frame(&channel(5)).unwrap().len(), 12);
        let mut padded = channel(5);
        padded.resize(12, 0);
        assert_eq!(frame(&padded).unwrap(), padded);
    }

    #[test]
    fn what_the_server_would_not_understand_is_not_sent() {
        let mut long = channel(5);
        long.resize(13, 0);
        let mut short = channel(5);
        short.pop();
        for datagram in [&[][..], &[0x40], &[0x80; 40], &[22; 100], &long, &short, &stun(8)[..20], &[0xff; 4]] {
            assert_eq!(frame(datagram), None, "{datagram:?}");
        }
    }

    #[test]
    fn a_hostile_stream_ends_and_costs_no_memory() {
        for bytes in [&[0x80, 0, 0, 0][..], &[0xff; 64], b"SSH-2.0-server\r\n", &[0, 1, 0, 3, 0], &[0; 20]] {
            let mut deframer = Deframer::default();
            deframer.buffer().extend_from_slice(bytes);
            assert_eq!(deframer.next(), Err(Garbage), "{bytes:?}");
        }
        // A length that never comes true is waited for, and is 64 KiB at most.
        let mut deframer = Deframer::default();
        deframer.buffer().extend_from_slice(&[0x40, 0, 0xff, 0xff]);
        deframer.buffer().resize(65_538, 0);
        assert_eq!(deframer.next(), Ok(None));
        deframer.buffer().resize(65_540, 0);
        assert_eq!(deframer.next().unwrap().unwrap().len(), 65_539);
    }

    #[test]
    fn requests_are_told_from_data() {
        assert!(is_request(&stun(0)));
        assert!(is_request(&[0x00, 0x03]), "Allocate");
        assert!(!is_request(&[0x00, 0x16]), "Send indication");
        assert!(!is_request(&[0x01, 0x01]), "Binding response");
        assert!(!is_request(&channel(4)));
        assert!(!is_request(&[]));
    }
}

//! The uncompressed beginning of a VP8 frame (RFC 6386 §9.1).

use super::MOST_SIDE;

/// Bytes of a key frame before its compressed part.
const KEY_BYTES: usize = 10;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// Whether the frame can be decoded without any before it. `None` for an empty frame.
pub(super) fn is_key(frame: &[u8]) -> Option<bool> {
    frame.first().map(|first| first & 1 == 0)
}

/// Width and height of a key frame. `None` where it is no key frame, is cut off, lacks the start code or has sides that
/// nothing here handles.
pub(super) fn key_size(frame: &[u8]) -> Option<(u32, u32)> {
    let header = frame.get(..KEY_BYTES)?;
    if !is_key(header)? || header[3..6] != START_CODE {
        return None;
    }
    // The upper two bits ask for scaling at display, which nobody does.
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let (width, height) = (side(header[6], header[7]), side(header[8], header[9]));
    let fits = |side: u32| (1..=MOST_SIDE).contains(&side);
    (fits(width) && fits(height)).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_tells_its_size() {
        let frame = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x01, 7];
        assert_eq!(key_size(&frame), Some((640, 360)));
    }

    #[test]
    fn what_is_no_key_frame_has_no_size() {
        let good = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
        let mut delta = good;
        delta[0] |= 1;
        let mut no_code = good;
        no_code[4] = 0;
        let mut no_width = good;
        no_width[6..8].fill(0);
        let mut vast = good;
        vast[7] = 0x3f;
        for frame in [&delta[..], &no_code, &no_width, &vast, &good[..9], &[]] {
            assert_eq!(key_size(frame), None, "{frame:?}");
        }
    }
}

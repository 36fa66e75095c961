//! The header before each picture on its way to the window, so that encoded and raw pictures share one channel.
//!
//! One channel message is a run of frames, each a header of [`HEADER_BYTES`] and its payload, with zero bytes after the
//! last up to [`LEAST_BYTES`]: a shorter raw message would be turned into JSON on its way. All numbers little-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | version, 1; 0 means padding, nothing follows |
//! | 1 | codec: 1 VP8, 2 I420 |
//! | 2 | flags: bit 0 key frame, bit 1 mirror it |
//! | 3 | reserved |
//! | 4..8 | tile |
//! | 8..10 | width in pixels |
//! | 10..12 | height in pixels |
//! | 12..16 | payload length in bytes |
//! | 16..24 | presentation time in microseconds |

use bytes::{BufMut, BytesMut};

/// Bytes before each payload.
pub const HEADER_BYTES: usize = 24;
/// The least length of a channel message.
pub const LEAST_BYTES: usize = 1024;

const VERSION: u8 = 1;
const FLAG_KEY: u8 = 1;
const FLAG_MIRROR: u8 = 2;

/// How a picture's payload is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameCodec {
    /// One VP8 frame (RFC 6386).
    Vp8,
    /// Planes Y, U, V without padding; chroma sides rounded up.
    I420,
}

/// What the window must know of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// How the payload is coded.
    pub codec: FrameCodec,
    /// It can be decoded without any before it.
    pub key: bool,
    /// Show it mirrored: one's own face.
    pub mirror: bool,
    /// The tile it belongs to; 0 is one's own picture.
    pub tile: u32,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// Presentation time in microseconds; grows within a tile.
    pub time_us: u64,
}

/// Appends one frame to a channel message.
pub fn put(message: &mut BytesMut, header: FrameHeader, payload: &[u8]) {
    message.reserve(HEADER_BYTES + payload.len());
    message.put_u8(VERSION);
    message.put_u8(match header.codec {
        FrameCodec::Vp8 => 1,
        FrameCodec::I420 => 2,
    });
    message.put_u8(u8::from(header.key) * FLAG_KEY + u8::from(header.mirror) * FLAG_MIRROR);
    message.put_u8(0);
    message.put_u32_le(header.tile);
    message.put_u16_le(header.width);
    message.put_u16_le(header.height);
    message.put_u32_le(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    message.put_u64_le(header.time_us);
    message.put_slice(payload);
}

/// Fills a channel message up to its least length.
pub fn finish(message: &mut BytesMut) {
    if message.len() < LEAST_BYTES {
        message.resize(LEAST_BYTES, 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lies_where_the_table_says() {
        let mut message = BytesMut::new();
        let header = FrameHeader {
            codec: FrameCodec::Vp8,
            key: true,
            mirror: false,
            tile: 7,
            width: 1280,
            height: 720,
            time_us: 33_333,
        };
        put(&mut message, header, b"abc");
        finish(&mut message);
        assert_eq!(message.len(), LEAST_BYTES);
        assert_eq!(message[..4], [1, 1, 1, 0]);
        assert_eq!(message[4..8], 7u32.to_le_bytes());
        assert_eq!(message[8..10], 1280u16.to_le_bytes());
        assert_eq!(message[12..16], 3u32.to_le_bytes());
        assert_eq!(message[16..24], 33_333u64.to_le_bytes());
        assert_eq!(&message[24..27], b"abc");
        assert_eq!(message[27], 0);
    }
}

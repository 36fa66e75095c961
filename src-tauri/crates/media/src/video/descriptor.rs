//! The VP8 payload descriptor before each packet's part of a frame (RFC 7741 §4.2).

/// Bytes of the descriptor that we write.
pub(super) const WRITTEN_BYTES: usize = 6;

/// What a packet says of the frame it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Descriptor {
    /// The packet holds the first bytes of a frame: the start of partition 0.
    pub(super) starts: bool,
    /// Nothing refers to the frame.
    pub(super) unreferenced: bool,
    /// Counts frames; 7 or 15 bits.
    pub(super) picture: Option<PictureId>,
    /// Counts frames of the base layer, modulo 256: the last one before or at this frame.
    pub(super) base: Option<u8>,
    /// The temporal layer.
    pub(super) layer: Option<Layer>,
}

/// A frame's number, and how many bits it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureId {
    pub(super) number: u16,
    pub(super) bits: u8,
}

impl PictureId {
    /// Whether `self` is the frame right after `other`.
    pub(super) fn follows(self, other: Self) -> bool {
        let mask = (1u16 << self.bits) - 1;
        self.bits == other.bits && self.number == other.number.wrapping_add(1) & mask
    }
}

/// A temporal layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) number: u8,
    /// The frame refers to the base layer alone.
    pub(super) sync: bool,
}

impl Descriptor {
    /// Reads the descriptor; the rest is the frame's part. `None` where it is cut off.
    pub(super) fn parse(payload: &[u8]) -> Option<(Self, usize)> {
        let mut bytes = Reader { bytes: payload, at: 0 };
        let first = bytes.next()?;
        let mut descriptor =
            Self { starts: first & 0x10 != 0 && first & 0x07 == 0, unreferenced: first & 0x20 != 0, ..Self::default() };
        if first & 0x80 == 0 {
            return Some((descriptor, bytes.at));
        }
        let extension = bytes.next()?;
        if extension & 0x80 != 0 {
            descriptor.picture = Some(bytes.picture()?);
        }
        if extension & 0x40 != 0 {
            descriptor.base = Some(bytes.next()?);
        }
        if extension & 0x30 != 0 {
            let byte = bytes.next()?;
            if extension & 0x20 != 0 {
                descriptor.layer = Some(Layer { number: byte >> 6, sync: byte & 0x20 != 0 });
            }
        }
        Some((descriptor, bytes.at))
    }

    /// Writes the descriptor with all its fields: picture id of 15 bits, base layer count, layer.
    pub(super) fn write(starts: bool, picture: u16, base: u8, layer: u8) -> [u8; WRITTEN_BYTES] {
        let upper = layer > 0;
        let [high, low] = (picture | 0x8000).to_be_bytes();
        [
            0x80 | u8::from(upper) << 5 | u8::from(starts) << 4,
            // I, L and T: all but the key frame index.
            0xe0,
            high,
            low,
            base,
            // Every frame above the base layer refers to that alone.
            layer << 6 | u8::from(upper) << 5,
        ]
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn picture(&mut self) -> Option<PictureId> {
        let high = self.next()?;
        if high & 0x80 == 0 {
            return Some(PictureId { number: u16::from(high), bits: 7 });
        }
        Some(PictureId { number: u16::from_be_bytes([high & 0x7f, self.next()?]), bits: 15 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(starts: bool, picture in 0u16..0x8000, base: u8, layer in 0u8..2) {
            let bytes = Descriptor::write(starts, picture, base, layer);
            let (read, length) = Descriptor::parse(&bytes).unwrap();
            prop_assert_eq!(length, WRITTEN_BYTES);
            prop_assert_eq!(read, Descriptor {
                starts,
                unreferenced: layer == 1,
                picture: Some(PictureId { number: picture, bits: 15 }),
                base: Some(base),
                layer: Some(Layer { number: layer, sync: layer == 1 }),
            });
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            if let Some((_, length)) = Descriptor::parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    #[test]
    fn short_forms_are_read() {
        assert_eq!(Descriptor::parse(&[0x10]), Some((Descriptor { starts: true, ..Descriptor::default() }, 1)));
        let seven = Some(PictureId { number: 0x11, bits: 7 });
        let expected = Descriptor { starts: true, picture: seven, ..Descriptor::default() };
        assert_eq!(Descriptor::parse(&[0x90, 0x80, 0x11]), Some((expected, 3)));
        // Another partition than the first begins no frame.
        assert_eq!(Descriptor::parse(&[0x11]), Some((Descriptor::default(), 1)));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = Descriptor::write(true, 300, 1, 1);
        for length in 0..WRITTEN_BYTES {
            assert_eq!(Descriptor::parse(&whole[..length]), None);
        }
    }

    #[test]
    fn picture_numbers_wrap() {
        let id = |number, bits| PictureId { number, bits };
        assert!(id(0, 15).follows(id(0x7fff, 15)));
        assert!(id(0, 7).follows(id(0x7f, 7)));
        assert!(!id(0, 15).follows(id(0x7f, 7)));
        assert!(!id(2, 15).follows(id(0, 15)));
    }
}

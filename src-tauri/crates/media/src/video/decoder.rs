//! VP8 frames to pictures.

use super::{Error, Picture, frame_header, vpx::Decoder};

/// A VP8 decoder for what strangers send: bad frames are errors, and the next key frame heals everything.
pub struct Vp8Decoder {
    inner: Decoder,
    state: State,
}

enum State {
    /// No picture to refer to.
    Empty,
    /// The last frame was good.
    Good,
    /// Something failed: what comes would be drawn upon garbage.
    Broken,
}

impl Vp8Decoder {
    /// A decoder that waits for a key frame.
    ///
    /// # Errors
    /// libvpx refuses.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { inner: Decoder::new()?, state: State::Empty })
    }

    /// Decodes one frame. `None` for a frame that is not meant to be shown.
    ///
    /// # Errors
    /// The frame is damaged, or a key frame must come first.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, Error> {
        match (frame_header::is_key(frame), &self.state) {
            (None, _) => return Err(Error::Frame("it is empty".to_owned())),
            (Some(false), State::Empty | State::Broken) => return Err(Error::KeyFrameNeeded),
            (Some(false), State::Good) => {}
            (Some(true), state) => {
                if frame_header::key_size(frame).is_none() {
                    self.state = State::Broken;
                    return Err(Error::Frame("its header is wrong".to_owned()));
                }
                if let State::Broken = state {
                    self.inner = Decoder::new()?;
                }
            }
        }
        let decoded = self.inner.decode(frame);
        self.state = if decoded.is_ok() { State::Good } else { State::Broken };
        decoded
    }
}

impl std::fmt::Debug for Vp8Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vp8Decoder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::video::{Vp8Encoder, pattern::Pattern};

    fn frames(count: u32) -> Vec<Vec<u8>> {
        let (pattern, mut encoder) = (Pattern::new(160, 90).unwrap(), Vp8Encoder::new(160, 90, 30, 400_000).unwrap());
        let start = Instant::now();
        let picture = |counter| pattern.draw(counter, start + std::time::Duration::from_millis(33) * counter);
        (0..count)
            .filter_map(|at| encoder.encode(&picture(at), false).unwrap())
            .map(|frame| frame.data.to_vec())
            .collect()
    }

    #[test]
    fn a_stream_must_begin_with_a_key_frame() {
        let mut decoder = Vp8Decoder::new().unwrap();
        assert_eq!(decoder.decode(&frames(2)[1]), Err(Error::KeyFrameNeeded));
    }

    #[test]
    fn an_empty_frame_is_an_error() {
        assert!(matches!(Vp8Decoder::new().unwrap().decode(&[]), Err(Error::Frame(_))));
    }

    #[test]
    fn after_an_error_only_a_key_frame_heals() {
        let (frames, mut decoder) = (frames(3), Vp8Decoder::new().unwrap());
        assert!(decoder.decode(&frames[0]).unwrap().is_some());
        assert!(decoder.decode(&frames[1][..2]).is_err());
        assert_eq!(decoder.decode(&frames[2]), Err(Error::KeyFrameNeeded));
        assert!(decoder.decode(&frames[0]).unwrap().is_some());
        assert!(decoder.decode(&frames[2]).is_ok());
    }

    #[test]
    fn a_vast_picture_is_refused_before_it_is_made() {
        let mut frame = frames(1).remove(0);
        frame[7] = 0x3f;
        frame[9] = 0x3f;
        let error = Vp8Decoder::new().unwrap().decode(&frame).unwrap_err();
        assert_eq!(error.to_string(), "a damaged frame: its header is wrong");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_survived(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Vp8Decoder::new().unwrap();
            let _either = decoder.decode(&garbage);
            let whole = [&[0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 64, 0], &garbage[..]].concat();
            let _either = decoder.decode(&whole);
        }

        #[test]
        fn changed_frames_are_survived_and_a_key_frame_heals(
            changes in proptest::collection::vec((0usize..6, any::<prop::sample::Index>(), any::<u8>()), 1..12),
        ) {
            let (mut damaged, mut decoder) = (frames(6), Vp8Decoder::new().unwrap());
            let key = damaged[0].clone();
            for (frame, at, value) in changes {
                let frame = &mut damaged[frame];
                let at = at.index(frame.len());
                frame[at] = value;
            }
            for frame in &damaged {
                let _either = decoder.decode(frame);
            }
            prop_assert!(decoder.decode(&key).unwrap().is_some());
        }
    }
}

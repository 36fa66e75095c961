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

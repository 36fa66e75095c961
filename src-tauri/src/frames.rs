//! Pictures on their way to the window. What waits goes as one message; a tile that has too much waiting loses its own
//! pictures up to its next key frame, and no other tile notices. One's own picture, for which nobody waits, goes with
//! somebody else's where there is one: each message costs the window more than the picture in it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use parlor_protocol::frame::{self, FrameHeader};

/// Pictures of one tile that may wait: a sixth of a second at 30 a second. A window further behind shows the past.
const WAITING: u8 = 5;
/// How many useless pictures pass before a key frame is asked for again: half a second at 30 a second.
const ASK_AGAIN: u32 = 15;
/// Tiles that can be without their key frame at a time; there are never so many in a room.
const TILES: usize = 64;

/// The tile of one's own picture, which is raw: the newest is all that counts.
const OWN: u32 = 0;
/// How long ago somebody else's picture may be for one's own to wait for the next: a little more than a frame.
const COMPANY: Duration = Duration::from_millis(45);

/// The pictures that wait.
#[derive(Default)]
pub(crate) struct Frames {
    message: BytesMut,
    tiles: BTreeMap<u32, Backlog>,
    own: Option<(FrameHeader, Vec<u8>)>,
    /// The tiles of the message that was taken last.
    taken: Vec<u32>,
    /// When the last picture of somebody else came.
    other: Option<Instant>,
    alone: bool,
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Lost, and with it all that follow up to the tile's next key frame, which should be asked for now.
    KeyFrameNeeded,
    /// Lost.
    Lost,
    /// On its way.
    Taken,
}

/// One tile's.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Backlog {
    waiting: u8,
    /// A picture was lost: none before the next key frame can be decoded.
    broken: bool,
    /// Pictures without use since there is room again.
    useless: u32,
}

impl Frames {
    /// Adds a picture.
    pub(crate) fn put(&mut self, header: FrameHeader, payload: &[u8], now: Instant) -> Fate {
        if header.tile == OWN {
            self.own = Some((header, payload.to_vec()));
            self.alone = self.other.is_none_or(|other| now.saturating_duration_since(other) >= COMPANY);
            return Fate::Taken;
        }
        let backlog = self.tiles.entry(header.tile).or_default();
        if backlog.waiting >= WAITING {
            // Asking now would only bring one more picture for which there is no room.
            backlog.broken = true;
            return Fate::Lost;
        }
        if backlog.broken && !header.key {
            backlog.useless += 1;
            return if backlog.useless % ASK_AGAIN == 1 { Fate::KeyFrameNeeded } else { Fate::Lost };
        }
        self.other = Some(now);
        *backlog = Backlog { waiting: backlog.waiting + 1, ..Backlog::default() };
        frame::put(&mut self.message, header, payload);
        Fate::Taken
    }

    /// What waits, as one message; nothing where one's own picture alone does and may get company.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        if self.message.is_empty() && !self.alone {
            return None;
        }
        self.alone = false;
        if let Some((header, payload)) = self.own.take() {
            frame::put(&mut self.message, header, &payload);
        }
        if self.message.is_empty() {
            return None;
        }
        frame::finish(&mut self.message);
        self.taken.clear();
        self.taken.extend(self.tiles.iter().filter(|(_, backlog)| backlog.waiting > 0).map(|(tile, _)| *tile));
        self.tiles.retain(|_, backlog| {
            backlog.waiting = 0;
            backlog.broken
        });
        while self.tiles.len() > TILES {
            self.tiles.pop_first();
        }
        Some(std::mem::take(&mut self.message).into())
    }

    /// The message that was taken last did not arrive. Without what was in it nothing can be decoded that follows, and what waits is
    /// thrown away: each tile goes on with a key frame.
    pub(crate) fn lose(&mut self) {
        for tile in self.taken.drain(..) {
            self.tiles.entry(tile).or_default();
        }
        for backlog in self.tiles.values_mut() {
            *backlog = Backlog { broken: true, ..Backlog::default() };
        }
        self.message.clear();
    }

    /// Another page took the place of the one that was served. It has decoded nothing of this; it asks for key frames.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use parlor_protocol::frame::{FrameCodec, HEADER_BYTES, LEAST_BYTES};

    use super::*;

    fn put(frames: &mut Frames, header: FrameHeader, payload: &[u8]) -> Fate {
        frames.put(header, payload, Instant::now())
    }

    fn header(tile: u32, key: bool) -> FrameHeader {
        FrameHeader { codec: FrameCodec::Vp8, key, mirror: false, tile, width: 16, height: 16, time_us: 0 }
    }

    fn bytes(frames: &mut Frames) -> Vec<u8> {
        frames.take().unwrap_or_default()
    }

    #[test]
    fn what_waits_goes_as_one_message() {
        let mut frames = Frames::default();
        put(&mut frames, header(1, true), &[1; 600]);
        put(&mut frames, header(2, true), &[2; 700]);
        let message = bytes(&mut frames);
        assert_eq!(message.len(), 2 * HEADER_BYTES + 1300);
        assert_eq!(message[HEADER_BYTES], 1);
        assert_eq!(message[2 * HEADER_BYTES + 600], 2);
        assert!(frames.take().is_none());
    }

    #[test]
    fn a_short_message_is_filled_up() {
        let mut frames = Frames::default();
        put(&mut frames, header(1, true), &[1]);
        assert_eq!(bytes(&mut frames).len(), LEAST_BYTES);
    }

    /// A tile that has lost a picture, and room again.
    fn broken() -> Frames {
        let mut frames = Frames::default();
        for _ in 0..=WAITING {
            put(&mut frames, header(1, false), &[0; 100]);
        }
        frames.take();
        frames
    }

    #[test]
    fn a_tile_that_is_behind_loses_its_own_pictures_alone() {
        let mut frames = Frames::default();
        for _ in 0..WAITING {
            assert_eq!(put(&mut frames, header(1, true), &[0; 100]), Fate::Taken);
        }
        assert_eq!(put(&mut frames, header(1, false), &[0; 100]), Fate::Lost);
        assert_eq!(put(&mut frames, header(2, false), &[0; 100]), Fate::Taken);
    }

    #[test]
    fn a_tile_that_lost_a_picture_goes_on_with_a_key_frame() {
        let mut frames = broken();
        assert_ne!(put(&mut frames, header(1, false), &[0; 100]), Fate::Taken);
        assert_eq!(put(&mut frames, header(1, true), &[0; 100]), Fate::Taken);
        assert_eq!(put(&mut frames, header(1, false), &[0; 100]), Fate::Taken);
    }

    #[test]
    fn a_key_frame_is_asked_for_when_there_is_room_and_again_when_none_comes() {
        let mut frames = broken();
        let asked: Vec<u32> =
            (0..40).filter(|_| put(&mut frames, header(1, false), &[]) == Fate::KeyFrameNeeded).collect();
        assert_eq!(asked, [0, ASK_AGAIN, 2 * ASK_AGAIN]);
    }

    #[test]
    fn a_message_that_is_lost_takes_what_waits_with_it_and_tiles_go_on_with_key_frames() {
        let mut frames = Frames::default();
        put(&mut frames, header(1, true), &[1; 600]);
        bytes(&mut frames);
        put(&mut frames, header(2, true), &[2; 600]);
        frames.lose();
        assert!(frames.take().is_none());
        for tile in [1, 2] {
            assert_eq!(put(&mut frames, header(tile, false), &[3; 600]), Fate::KeyFrameNeeded);
            assert_eq!(put(&mut frames, header(tile, false), &[4; 600]), Fate::Lost);
        }
        // Nothing of this one was in it.
        assert_eq!(put(&mut frames, header(3, false), &[5; 600]), Fate::Taken);
        assert_eq!(put(&mut frames, header(1, true), &[6; 600]), Fate::Taken);
        let message = bytes(&mut frames);
        assert_eq!((message[HEADER_BYTES], message[2 * HEADER_BYTES + 600]), (5, 6));
    }

    #[test]
    fn ones_own_picture_goes_with_somebody_elses() {
        let (mut frames, now) = (Frames::default(), Instant::now());
        frames.put(header(1, true), &[1; 600], now);
        bytes(&mut frames);
        frames.put(header(OWN, true), &[2; 600], now);
        frames.put(header(OWN, true), &[3; 600], now + Duration::from_millis(30));
        assert!(frames.take().is_none());
        frames.put(header(1, false), &[4; 600], now + Duration::from_millis(33));
        let message = bytes(&mut frames);
        assert_eq!(message.len(), 2 * (HEADER_BYTES + 600));
        assert_eq!((message[HEADER_BYTES], message[2 * HEADER_BYTES + 600]), (4, 3));
    }

    #[test]
    fn ones_own_picture_goes_alone_where_there_is_no_other() {
        let (mut frames, now) = (Frames::default(), Instant::now());
        frames.put(header(OWN, true), &[1; 2000], now);
        assert_eq!(bytes(&mut frames).len(), HEADER_BYTES + 2000);
        frames.put(header(1, true), &[2; 2000], now);
        bytes(&mut frames);
        frames.put(header(OWN, true), &[3; 2000], now + COMPANY);
        assert_eq!(bytes(&mut frames)[HEADER_BYTES], 3);
        assert!(frames.take().is_none());
    }

    #[test]
    fn a_tile_without_a_picture_is_no_company() {
        let (mut frames, now) = (broken(), Instant::now() + COMPANY);
        frames.put(header(1, false), &[1; 2000], now);
        frames.put(header(OWN, true), &[2; 2000], now);
        assert_eq!(bytes(&mut frames)[HEADER_BYTES], 2);
    }

    #[test]
    fn tiles_that_come_and_go_leave_nothing_behind() {
        let mut frames = Frames::default();
        for tile in 0..1000 {
            for _ in 0..=WAITING {
                put(&mut frames, header(tile, false), &[]);
            }
            frames.take();
        }
        assert!(frames.tiles.len() <= TILES, "{}", frames.tiles.len());
    }
}

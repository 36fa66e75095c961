//! Times of a track that go on whatever its source is.

use std::time::Instant;

use parlor_media::video::CLOCK;

/// Keeps a sound track's timestamps growing when its source is changed for another with a clock of its own.
#[derive(Debug, Default)]
pub(super) struct Rebase {
    last: u32,
    offset: Option<u32>,
}

impl Rebase {
    /// The next timestamp is of another source.
    pub(super) fn restart(&mut self) {
        self.offset = None;
    }

    /// A source's timestamp on the track's clock; the first of a source follows the last one by `step`.
    pub(super) fn map(&mut self, timestamp: u32, step: u32) -> u32 {
        let next = self.last.wrapping_add(step);
        let offset = *self.offset.get_or_insert(next.wrapping_sub(timestamp));
        self.last = timestamp.wrapping_add(offset);
        self.last
    }
}

/// A picture track's clock: the time at which each picture was taken, whichever encoder it comes from.
#[derive(Debug)]
pub(super) struct PictureClock {
    offset: u32,
    start: Option<Instant>,
    /// Ticks from the start to the last picture.
    last: Option<u64>,
}

impl PictureClock {
    /// Times begin at random (RFC 3550 §5.1).
    pub(super) fn new() -> Self {
        Self { offset: rand::random(), start: None, last: None }
    }

    /// The timestamp of a picture, in 1/90000 s; later than the one before, also where the picture is not.
    pub(super) fn map(&mut self, captured: Instant) -> u32 {
        let start = *self.start.get_or_insert(captured);
        let micros = captured.saturating_duration_since(start).as_micros();
        let ticks = u64::try_from(micros * u128::from(CLOCK) / 1_000_000).unwrap_or(u64::MAX);
        let ticks = self.last.map_or(ticks, |last| ticks.max(last + 1));
        self.last = Some(ticks);
        #[allow(clippy::cast_possible_truncation, reason = "timestamps wrap")]
        self.offset.wrapping_add(ticks as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn another_source_goes_on_where_the_first_ended() {
        let mut clock = Rebase { last: 100, offset: None };
        assert_eq!((clock.map(5000, 10), clock.map(5010, 10)), (110, 120));
        clock.restart();
        assert_eq!((clock.map(7, 10), clock.map(17, 10)), (130, 140));
    }

    #[test]
    fn pictures_have_the_times_at_which_they_were_taken_and_never_go_back() {
        let (mut clock, start) = (PictureClock { offset: u32::MAX, start: None, last: None }, Instant::now());
        let mut at = |ms| clock.map(start + Duration::from_millis(ms)).wrapping_sub(u32::MAX);
        assert_eq!([0, 100, 90, 100, 200].map(&mut at), [0, 9000, 9001, 9002, 18_000]);
        // A camera that was off for a day.
        let day = 24 * 3600 * 1000;
        let (first, second) = (at(day), at(day + 100));
        assert_eq!(second.wrapping_sub(first), 9000);
    }
}

//! One encoding, without a thread and without a clock: which pictures become frames, and which of those stand alone.

use std::time::{Duration, Instant};

use parlor_protocol::device::VideoFormat;

use crate::video::{EncodedFrame, Error, Picture, Vp8Encoder, fit, scale};

/// The least time between two key frames that were asked for: people who join together share one.
const KEY_EVERY: Duration = Duration::from_millis(500);
/// How long a wanted key frame waits for a new picture before it is made of the last one.
const KEY_PATIENCE: Duration = Duration::from_millis(150);

/// What is wanted of the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Bits a second of both temporal layers.
    pub(super) bitrate: u32,
    /// Somebody takes the upper temporal layer. Without, its pictures are not encoded: every second one.
    pub(super) upper: bool,
    /// Somebody needs a key frame.
    pub(super) key: bool,
}

/// One encoding of a source.
#[derive(Debug)]
pub(super) struct Encoding {
    format: VideoFormat,
    pace: Pace,
    encoder: Option<Vp8Encoder>,
    last_key: Option<Instant>,
}

impl Encoding {
    /// Pictures are scaled down to fit `format`, and come no faster than it says.
    pub(super) fn new(format: VideoFormat) -> Self {
        Self { format, pace: Pace::new(format.fps), encoder: None, last_key: None }
    }

    /// Another size and rate from the next picture on. Another size is another stream: it begins with a key frame.
    pub(super) fn set_format(&mut self, format: VideoFormat) {
        if self.format != format {
            self.format = format;
            self.pace = Pace::new(format.fps);
            self.encoder.iter_mut().for_each(|encoder| encoder.set_fps(format.fps));
        }
    }

    /// Nobody takes the frames: there is no encoder to keep. The next frame will be a key frame, which comes no sooner after
    /// the last one than any other: who looks away and back again is sent no more of them than who asks for them.
    pub(super) fn rest(&mut self) {
        self.encoder = None;
    }

    /// When the last picture must be encoded again, because a key frame is wanted and no new picture comes.
    pub(super) fn repeat_at(&self, shown: Instant, now: Instant) -> Instant {
        self.last_key.map_or(now, |last| last + KEY_EVERY).max(shown + KEY_PATIENCE)
    }

    /// Encodes a picture, unless it comes too early or the rate control leaves it out. A key frame that is wanted less than
    /// 500 ms after another waits, and whoever else wants one by then shares it. `fresh`: the picture was not encoded before.
    ///
    /// # Errors
    /// libvpx refuses; the next picture begins anew.
    pub(super) fn picture(
        &mut self,
        picture: &Picture,
        fresh: bool,
        wish: Wish,
        now: Instant,
    ) -> Result<Option<EncodedFrame>, Error> {
        let may_be_key = self.last_key.is_none_or(|last| now >= last + KEY_EVERY);
        if self.encoder.is_none() && !may_be_key {
            return Ok(None);
        }
        let key = wish.key && may_be_key;
        if !self.pace.take(if fresh { picture.captured } else { now }, key) {
            return Ok(None);
        }
        if !wish.upper && !key && self.encoder.as_mut().is_some_and(Vp8Encoder::pass_over) {
            return Ok(None);
        }
        let (width, height) = fit((picture.width, picture.height), (self.format.width, self.format.height));
        let scaled = ((width, height) != (picture.width, picture.height)).then(|| scale(picture, width, height));
        let repeated = (!fresh).then(|| Picture { captured: now, ..scaled.as_ref().unwrap_or(picture).clone() });
        let encoded = self.encode(repeated.as_ref().or(scaled.as_ref()).unwrap_or(picture), wish, key);
        match &encoded {
            Ok(Some(frame)) if frame.key => self.last_key = Some(now),
            Ok(_) => {}
            Err(_) => self.encoder = None,
        }
        encoded
    }

    fn encode(&mut self, picture: &Picture, wish: Wish, key: bool) -> Result<Option<EncodedFrame>, Error> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Vp8Encoder::new(picture.width, picture.height, self.format.fps, wish.bitrate)?),
        };
        encoder.set_rates(wish.bitrate, wish.upper)?;
        encoder.encode(picture, key)
    }
}

/// Lets pictures through at no more than a rate, evenly: a source that jitters around the rate loses none.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    due: Option<Instant>,
}

impl Pace {
    fn new(fps: u32) -> Self {
        Self { interval: Duration::from_secs(1) / fps.max(1), due: None }
    }

    fn take(&mut self, captured: Instant, urgent: bool) -> bool {
        let due = self.due.unwrap_or(captured);
        // Half an interval early is nearer to this frame's time than to the next one's.
        if captured + self.interval / 2 < due && !urgent {
            return false;
        }
        // A source that paused must not be let through faster afterwards.
        let late = captured.saturating_duration_since(due) > self.interval;
        self.due = Some(if late || urgent { captured } else { due } + self.interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{Vp8Decoder, pattern::Pattern, pattern::read_counter};

    const FORMAT: VideoFormat = VideoFormat { width: 160, height: 90, fps: 30 };

    /// Runs for so many seconds at 30 pictures a second. `wants` says at which pictures somebody asks for a key frame; the
    /// wish stands until it is granted. Gives the frames and the numbers of their pictures.
    fn run(seconds: u32, wants: impl Fn(u32) -> bool) -> Vec<(u32, EncodedFrame)> {
        let (pattern, start) = (Pattern::new(320, 180).unwrap(), Instant::now());
        let (mut encoding, mut key, mut frames) = (Encoding::new(FORMAT), true, Vec::new());
        for counter in 0..seconds * 30 {
            key |= wants(counter);
            let now = start + Duration::from_secs(1) * counter / 30;
            let wish = Wish { bitrate: 300_000, upper: true, key };
            let frame = encoding.picture(&pattern.draw(counter, now), true, wish, now).unwrap();
            key &= !frame.as_ref().is_some_and(|frame| frame.key);
            frames.extend(frame.map(|frame| (counter, frame)));
        }
        frames
    }

    fn keys(frames: &[(u32, EncodedFrame)]) -> Vec<u32> {
        frames.iter().filter(|(_, frame)| frame.key).map(|(counter, _)| *counter).collect()
    }

    #[test]
    fn six_who_join_within_a_second_share_three_key_frames_and_each_sees_the_picture_at_once() {
        let joins = [1, 5, 11, 17, 23, 29];
        let frames = run(3, |counter| joins.contains(&counter));
        let keys = keys(&frames);
        assert!(keys.len() <= 3, "the first, and one each half second: {keys:?}");
        for join in joins {
            let mut decoder = Vp8Decoder::new().unwrap();
            let taken = frames.iter().filter(|(counter, _)| *counter >= join).skip_while(|(_, frame)| !frame.key);
            let mut shown = taken.map(|(counter, frame)| {
                let picture = decoder.decode(&frame.data).unwrap().unwrap();
                assert_eq!(read_counter(&picture), Some(*counter));
                *counter
            });
            assert!(shown.next().is_some_and(|first| first <= join + 15), "after half a second at most");
            assert!(shown.count() > 30);
        }
    }

    #[test]
    fn whoever_asks_at_every_picture_gets_two_key_frames_a_second() {
        let keys = keys(&run(4, |_| true));
        assert!((8..=9).contains(&keys.len()), "{keys:?}");
        assert!(keys.windows(2).all(|pair| pair[1] - pair[0] >= 15), "{keys:?}");
    }

    #[test]
    fn an_encoder_that_rested_begins_with_a_key_frame_unasked() {
        let (pattern, start) = (Pattern::new(160, 90).unwrap(), Instant::now());
        let mut encoding = Encoding::new(FORMAT);
        let next = |encoding: &mut Encoding, counter: u32| {
            let now = start + Duration::from_secs(1) * counter / 30;
            let wish = Wish { bitrate: 300_000, upper: true, key: false };
            encoding.picture(&pattern.draw(counter, now), true, wish, now).unwrap().unwrap().key
        };
        assert_eq!([0, 1, 2].map(|counter| next(&mut encoding, counter)), [true, false, false]);
        encoding.rest();
        assert!(encoding.encoder.is_none());
        assert_eq!([15, 16].map(|counter| next(&mut encoding, counter)), [true, false]);
    }

    #[test]
    fn who_looks_away_and_back_again_gets_no_more_key_frames_than_who_asks_for_them() {
        let (pattern, start) = (Pattern::new(160, 90).unwrap(), Instant::now());
        let (mut encoding, mut keys) = (Encoding::new(FORMAT), Vec::new());
        for counter in 0..90 {
            // Ten times a second.
            if counter % 3 == 0 {
                encoding.rest();
            }
            let now = start + Duration::from_secs(1) * counter / 30;
            let wish = Wish { bitrate: 300_000, upper: true, key: true };
            let frame = encoding.picture(&pattern.draw(counter, now), true, wish, now).unwrap();
            keys.extend(frame.filter(|frame| frame.key).map(|_| counter));
        }
        assert!((5..=6).contains(&keys.len()) && keys.windows(2).all(|pair| pair[1] - pair[0] >= 15), "{keys:?}");
    }

    #[test]
    fn another_size_in_the_middle_is_decoded() {
        let (pattern, start) = (Pattern::new(640, 360).unwrap(), Instant::now());
        let (mut encoding, mut decoder) = (Encoding::new(FORMAT), Vp8Decoder::new().unwrap());
        for counter in 0..40 {
            if counter == 20 {
                encoding.set_format(VideoFormat { width: 320, height: 180, fps: 30 });
            }
            let now = start + Duration::from_secs(1) * counter / 30;
            let wish = Wish { bitrate: 600_000, upper: true, key: false };
            let Some(frame) = encoding.picture(&pattern.draw(counter, now), true, wish, now).unwrap() else { continue };
            assert_eq!(frame.key, counter == 0 || counter == 20);
            assert_eq!(frame.width, if counter < 20 { 160 } else { 320 });
            assert_eq!(read_counter(&decoder.decode(&frame.data).unwrap().unwrap()), Some(counter));
        }
    }

    #[test]
    fn without_an_upper_layer_every_second_picture_is_left_out_and_it_comes_back_without_a_key_frame() {
        let (pattern, start) = (Pattern::new(320, 180).unwrap(), Instant::now());
        let (mut encoding, mut decoder) = (Encoding::new(FORMAT), Vp8Decoder::new().unwrap());
        let (mut counters, mut bytes) = (Vec::new(), [0; 12]);
        for counter in 0..360 {
            let second = counter / 30;
            let now = start + Duration::from_secs(1) * counter / 30;
            let wish = Wish { bitrate: 300_000, upper: !(3..9).contains(&second), key: false };
            let Some(frame) = encoding.picture(&pattern.draw(counter, now), true, wish, now).unwrap() else { continue };
            assert_eq!(frame.key, counter == 0);
            assert!(frame.temporal == 0 || wish.upper);
            assert_eq!(read_counter(&decoder.decode(&frame.data).unwrap().unwrap()), Some(counter));
            counters.push(counter);
            bytes[second as usize] += frame.data.len();
        }
        let within = |seconds: std::ops::Range<u32>| {
            let counters = counters.iter().filter(|counter| seconds.contains(&(**counter / 30)));
            counters.copied().collect::<Vec<_>>()
        };
        assert!((80..=90).contains(&within(0..3).len()) && (80..=90).contains(&within(9..12).len()), "{counters:?}");
        let thin = within(3..9);
        assert!((85..=91).contains(&thin.len()), "{thin:?}");
        let even = thin.windows(2).filter(|pair| pair[1] - pair[0] == 2).count();
        assert!(even + 6 >= thin.len(), "{thin:?}");
        // What is left has the base layer's bits.
        let bitrate =
            |seconds: std::ops::Range<usize>| bytes[seconds.clone()].iter().sum::<usize>() * 8 / seconds.len();
        assert!((150_000..=210_000).contains(&bitrate(5..9)), "{bytes:?}");
        assert!((240_000..=360_000).contains(&bitrate(10..12)), "{bytes:?}");
    }

    #[test]
    fn a_key_frame_that_is_wanted_does_not_wait_for_the_base_layer() {
        let (pattern, start) = (Pattern::new(160, 90).unwrap(), Instant::now());
        let mut encoding = Encoding::new(FORMAT);
        let next = |encoding: &mut Encoding, counter: u32, key| {
            let now = start + Duration::from_secs(1) * counter / 30;
            let wish = Wish { bitrate: 600_000, upper: false, key };
            let frame = encoding.picture(&pattern.draw(counter, now), true, wish, now).unwrap();
            frame.map(|frame| frame.key)
        };
        let frames = [19, 20, 21, 22].map(|counter| next(&mut encoding, counter, counter == 20));
        assert_eq!(frames, [Some(true), None, Some(false), None]);
        let frames = [40, 41, 42, 43].map(|counter| next(&mut encoding, counter, counter == 41));
        assert_eq!(frames, [Some(false), Some(true), None, Some(false)]);
    }

    #[test]
    fn a_pace_thins_out_evenly_and_survives_jitter() {
        let start = Instant::now();
        let taken = |fps: u32, times: &mut dyn Iterator<Item = u64>| {
            let mut pace = Pace::new(fps);
            times.filter(|ms| pace.take(start + Duration::from_millis(*ms), false)).count()
        };
        // Three seconds at 30 a second, give or take 12 ms.
        let jitter = |at: u64| at * 100 / 3 + [0, 12, 3, 9][at as usize % 4];
        assert_eq!(taken(30, &mut (0..90).map(jitter)), 90);
        assert!((44..=46).contains(&taken(15, &mut (0..90).map(jitter))));
        assert!((59..=61).contains(&taken(20, &mut (0..90).map(jitter))));
    }
}

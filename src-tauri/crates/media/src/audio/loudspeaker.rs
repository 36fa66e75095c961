//! A real speaker as a sink of frames. Its own clock asks for them: while it runs, no other clock is in the path.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, Device, Error, ErrorKind, FromSample, I24, SampleFormat, SizedSample, Stream, StreamConfig, U24,
    traits::DeviceTrait,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    FRAME, FRAME_TIME, Frame, RATE,
    device::{self, Direction},
    dry::Due,
    event::Reporter,
    keeper::{Keeper, Port, Watch},
    playback::Sink,
    resampler::Resampler,
    source::Pace,
};

/// Room in the ring, in milliseconds of the device.
const RING_MS: u32 = 500;
/// What waits in the ring over one callback's need after many dropouts; at first nothing does: a callback's whole length is
/// left to mix for the next one.
const SPARE_MOST_MS: u32 = 60;
/// So much more after each dropout, and so much less after a while without.
const SPARE_STEP_MS: u32 = 5;
/// How long a while is: at first, and at most. It doubles with each dropout, so that what is too little is not tried for ever.
const CALM: Duration = Duration::from_secs(20);
const CALM_MOST: Duration = Duration::from_secs(320);
/// What a callback asked for counts until it is twice as old: the first one may ask for two at once, and so does one after the
/// machine stood still.
const LATELY: Duration = Duration::from_secs(5);
/// A device that took nothing for so long does not run.
const STUCK: Duration = Duration::from_millis(200);
/// How long a sound system may take to open a device.
const OPEN: Duration = Duration::from_secs(3);

/// Plays on a device that a keeper holds open. While it does not run, frames are thrown away at their own pace.
pub(crate) struct Loudspeaker {
    feeds: mpsc::Receiver<Feed>,
    feed: Option<Feed>,
    pace: Pace,
    _keeper: Keeper,
}

struct Feed {
    ring: Producer<f32>,
    resampler: Option<Resampler>,
    resampled: VecDeque<f32>,
    rate: u32,
    gauge: Arc<Gauge>,
    spare: Spare,
    /// The most frames that one callback asked for in the last whole [`LATELY`], and when this one began.
    request: u32,
    since: Instant,
    /// How much was free at the last look, and when it last became more.
    free: usize,
    moved: Instant,
    /// It took nothing for a while: frames are thrown away, so that it does not begin again with old sound.
    stuck: bool,
}

/// What the callback tells.
#[derive(Default)]
struct Gauge {
    /// The most frames that one callback asked for since the last look.
    request: AtomicU32,
    /// Callbacks that found too little.
    dropouts: AtomicU32,
    /// Frames whose time was over before they were there, and that are still to be thrown away.
    late: AtomicU32,
}

impl Loudspeaker {
    /// To be opened by the thread that mixes: each callback wakes it.
    pub(crate) fn open(wanted: Option<String>, reporter: Reporter) -> Self {
        let (sender, feeds) = mpsc::sync_channel(4);
        let keeper = Keeper::spawn(Outlet { feeds: sender, mixer: thread::current() }, wanted, reporter);
        Self { feeds, feed: None, pace: Pace::new(Instant::now()), _keeper: keeper }
    }
}

impl Sink for Loudspeaker {
    fn wait(&mut self) -> usize {
        let until = Instant::now() + FRAME_TIME;
        loop {
            while let Ok(feed) = self.feeds.try_recv() {
                self.feed = Some(feed);
            }
            let now = Instant::now();
            // Without a device the pace says when; with one it is only wound up, to be right when the device goes.
            let due = std::iter::from_fn(|| self.pace.due(now).then_some(())).count();
            let wanted = match &mut self.feed {
                Some(feed) => {
                    feed.look(now);
                    if feed.stuck { due } else { feed.wanted(now) }
                }
                None => due,
            };
            if wanted > 0 {
                return wanted;
            }
            if now >= until {
                return 0;
            }
            // Until a callback, or the next beat of the pace.
            thread::park_timeout(until.min(self.pace.next()).saturating_duration_since(now));
        }
    }

    fn play(&mut self, frame: &Frame) -> bool {
        self.feed.as_mut().is_some_and(|feed| feed.play(frame))
    }
}

impl Feed {
    fn look(&mut self, now: Instant) {
        let free = self.ring.slots();
        if free > self.free {
            self.moved = now;
        }
        self.free = free;
        if now.saturating_duration_since(self.since) >= LATELY {
            (self.request, self.since) = (self.gauge.request.swap(0, Ordering::Relaxed), now);
        }
        self.stuck = now.saturating_duration_since(self.moved) > STUCK;
    }

    /// Frames to mix now, so that the next callback finds enough and no more than a little waits.
    fn wanted(&mut self, now: Instant) -> usize {
        let spare_ms = self.spare.follow(self.gauge.dropouts.load(Ordering::Relaxed), now);
        let request = self.gauge.request.load(Ordering::Relaxed).max(self.request).max(self.rate / 100);
        let late = self.gauge.late.load(Ordering::Relaxed);
        let level = (request + self.rate * spare_ms / 1_000 + late) as usize;
        let frame = (FRAME * self.rate as usize).div_ceil(RATE as usize);
        level.saturating_sub(self.waiting()).div_ceil(frame).min(self.ring.slots() / frame)
    }

    fn waiting(&self) -> usize {
        self.ring.buffer().capacity() - self.ring.slots()
    }

    fn play(&mut self, frame: &Frame) -> bool {
        if self.stuck {
            return false;
        }
        // What does not fit is dropped: `wanted` asks for no more than fits.
        match &mut self.resampler {
            Some(resampler) => {
                resampler.push(frame, &mut self.resampled);
                let (first, second) = self.resampled.as_slices();
                let _ = self.ring.push_partial_slice(first);
                let _ = self.ring.push_partial_slice(second);
                self.resampled.clear();
            }
            None => {
                let _ = self.ring.push_partial_slice(frame);
            }
        }
        self.free = self.ring.slots();
        true
    }
}

/// How much is to wait in the ring over one callback's need: more after a dropout, for as long as that is needed.
struct Spare {
    ms: u32,
    dropouts: u32,
    calm: Duration,
    /// When it was last changed.
    since: Instant,
}

impl Spare {
    fn new(now: Instant) -> Self {
        Self { ms: 0, dropouts: 0, calm: CALM, since: now }
    }

    /// There were so many dropouts so far: how many milliseconds to hold now.
    fn follow(&mut self, dropouts: u32, now: Instant) -> u32 {
        if dropouts != self.dropouts {
            (self.dropouts, self.since) = (dropouts, now);
            self.ms = (self.ms + SPARE_STEP_MS).min(SPARE_MOST_MS);
            self.calm = (self.calm * 2).min(CALM_MOST);
            tracing::debug!(dropouts, spare_ms = self.ms, "the speaker ran dry");
        } else if self.ms > 0 && now.saturating_duration_since(self.since) > self.calm {
            self.since = now;
            self.ms = self.ms.saturating_sub(SPARE_STEP_MS);
        }
        self.ms
    }
}

/// Opens playback streams.
struct Outlet {
    feeds: mpsc::SyncSender<Feed>,
    mixer: Thread,
}

impl Port for Outlet {
    const DIRECTION: Direction = Direction::Playback;

    fn open(&mut self, device: &Device, callback_ms: u32, watch: Watch) -> Result<Stream, Error> {
        let direction = Direction::Playback;
        device::open(device, direction, callback_ms, |config, format| self.attempt(device, config, format, &watch))
    }
}

impl Outlet {
    #[allow(clippy::wildcard_enum_match_arm, reason = "cpal may add kinds of samples")]
    fn attempt(
        &self,
        device: &Device,
        config: StreamConfig,
        format: SampleFormat,
        watch: &Watch,
    ) -> Result<Stream, Error> {
        let rate = config.sample_rate;
        let resampler =
            Resampler::new(RATE, rate).map_err(|why| Error::with_message(ErrorKind::UnsupportedConfig, why))?;
        let (ring, consumer) = RingBuffer::new((rate * RING_MS / 1_000) as usize);
        let gauge = Arc::new(Gauge::default());
        let mixer = self.mixer.clone();
        let spout = Spout { ring: consumer, gauge: gauge.clone(), began: false, last: 0.0 };
        let asked = match config.buffer_size {
            BufferSize::Fixed(frames) => frames,
            BufferSize::Default => 0,
        };
        let tap = Tap { spout, due: Due::new(rate, asked), watch: watch.clone(), mixer };
        let stream = match format {
            SampleFormat::I8 => stream::<i8>(device, config, tap),
            SampleFormat::I16 => stream::<i16>(device, config, tap),
            SampleFormat::I24 => stream::<I24>(device, config, tap),
            SampleFormat::I32 => stream::<i32>(device, config, tap),
            SampleFormat::I64 => stream::<i64>(device, config, tap),
            SampleFormat::U8 => stream::<u8>(device, config, tap),
            SampleFormat::U16 => stream::<u16>(device, config, tap),
            SampleFormat::U24 => stream::<U24>(device, config, tap),
            SampleFormat::U32 => stream::<u32>(device, config, tap),
            SampleFormat::U64 => stream::<u64>(device, config, tap),
            SampleFormat::F32 => stream::<f32>(device, config, tap),
            SampleFormat::F64 => stream::<f64>(device, config, tap),
            other => Err(Error::with_message(ErrorKind::UnsupportedConfig, format!("samples of kind {other}"))),
        }?;
        let free = ring.slots();
        // When full, the mixer is gone or has enough to choose from: the stream is closed soon.
        let _ = self.feeds.try_send(Feed {
            ring,
            resampler,
            resampled: VecDeque::new(),
            rate,
            gauge,
            spare: Spare::new(Instant::now()),
            request: 0,
            since: Instant::now(),
            free,
            moved: Instant::now(),
            stuck: false,
        });
        Ok(stream)
    }
}

/// What a callback fills the device's buffer from, and whom it tells.
struct Tap {
    spout: Spout,
    due: Due,
    watch: Watch,
    mixer: Thread,
}

impl Tap {
    fn fill<T: SizedSample + FromSample<f32>>(&mut self, out: &mut [T], channels: usize) {
        self.watch.beat(false);
        if self.due.callback(out.len() / channels, Instant::now()) {
            self.watch.ran_dry();
        }
        self.spout.fill(out, channels);
        self.mixer.unpark();
    }
}

/// The callback's end of the ring.
struct Spout {
    ring: Consumer<f32>,
    gauge: Arc<Gauge>,
    began: bool,
    last: f32,
}

impl Spout {
    /// Fills the device's buffer: the first two channels, as what lies behind them is no place for a voice.
    fn fill<T: SizedSample + FromSample<f32>>(&mut self, out: &mut [T], channels: usize) {
        let wanted = out.len() / channels;
        self.gauge.request.fetch_max(wanted as u32, Ordering::Relaxed);
        self.catch_up();
        let ready = wanted.min(self.ring.slots());
        self.began |= ready > 0;
        if self.began && ready < wanted {
            self.gauge.dropouts.fetch_add(1, Ordering::Relaxed);
            let late = self.gauge.late.load(Ordering::Relaxed) as usize + wanted - ready;
            // More than that does not fit beside what the next callback asks for: it would never find anything.
            let most = self.ring.buffer().capacity().saturating_sub(wanted);
            self.gauge.late.store(late.min(most) as u32, Ordering::Relaxed);
        }
        let mut samples = self.ring.read_chunk(ready).ok().map(IntoIterator::into_iter);
        for frame in out.chunks_exact_mut(channels) {
            self.last = match samples.as_mut().and_then(Iterator::next) {
                Some(sample) => sample,
                // Dry: what was last heard dies away within a few milliseconds instead of clicking.
                None => self.last * 0.99,
            };
            for (n, sample) in frame.iter_mut().enumerate() {
                *sample = T::from_sample_(if n < 2 { self.last } else { 0.0 });
            }
        }
    }

    /// Throws away what comes after its time. Played later, it would make all that follows late, and the canceller would look
    /// for the echo where it was.
    fn catch_up(&mut self) {
        let late = self.gauge.late.load(Ordering::Relaxed);
        let over = (late as usize).min(self.ring.slots());
        if let Ok(chunk) = self.ring.read_chunk(over) {
            chunk.commit_all();
            self.gauge.late.store(late - over as u32, Ordering::Relaxed);
        }
    }
}

fn stream<T>(device: &Device, config: StreamConfig, mut tap: Tap) -> Result<Stream, Error>
where
    T: SizedSample + FromSample<f32>,
{
    let channels = usize::from(config.channels.max(1));
    let watch = tap.watch.clone();
    let on_sound = move |out: &mut [T], _: &cpal::OutputCallbackInfo| tap.fill(out, channels);
    device.build_output_stream(config, on_sound, move |error| watch.error(error), Some(OPEN))
}

#[cfg(test)]
mod half_an_hour;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::SILENCE;

    #[test]
    fn what_one_callback_asked_for_long_ago_does_not_wait_for_ever() {
        let (ring, mut device) = RingBuffer::new((RATE * RING_MS / 1_000) as usize);
        let (free, start, gauge) = (ring.slots(), Instant::now(), Arc::new(Gauge::default()));
        let mut feed = Feed {
            ring,
            resampler: None,
            resampled: VecDeque::new(),
            rate: RATE,
            gauge: Arc::clone(&gauge),
            spare: Spare::new(start),
            request: 0,
            since: start,
            free,
            moved: start,
            stuck: false,
        };
        let mut least = usize::MAX;
        // Callbacks of 20 ms; the first one asks for two at once.
        for n in 0..600u32 {
            let asked = if n == 0 { 4 * FRAME } else { 2 * FRAME };
            gauge.request.fetch_max(asked as u32, Ordering::Relaxed);
            for _ in 0..asked {
                let _ = device.pop();
            }
            let now = start + Duration::from_millis(20) * n;
            feed.look(now);
            for _ in 0..feed.wanted(now) {
                assert!(feed.play(&SILENCE));
            }
            if n == 100 {
                assert_eq!(feed.waiting(), 4 * FRAME, "what the first one may ask for again");
            }
            least = least.min(feed.waiting());
        }
        assert_eq!(feed.waiting(), 2 * FRAME);
        assert_eq!(least, 2 * FRAME, "a callback always finds enough");
    }

    #[test]
    fn what_comes_after_its_time_is_not_played_later() {
        let (mut ring, consumer) = RingBuffer::new(4_800);
        let mut spout = Spout { ring: consumer, gauge: Arc::default(), began: false, last: 0.0 };
        let (mut next, mut out) = (0.0, [0f32; 2 * FRAME]);
        let mut mix = |samples: usize| {
            for _ in 0..samples {
                next += 1.0;
                ring.push(next).unwrap();
            }
        };
        mix(FRAME);
        spout.fill(&mut out, 2);
        assert_eq!((out[0], out[1], out[2 * FRAME - 1]), (1.0, 1.0, FRAME as f32));
        // Half of the next frame is there, and then nothing.
        mix(FRAME / 2);
        spout.fill(&mut out, 2);
        assert_eq!(out[FRAME - 1], 1.5 * FRAME as f32);
        assert!(out[2 * FRAME - 1] < out[FRAME - 1]);
        assert_eq!(spout.gauge.dropouts.load(Ordering::Relaxed), 1);
        // The other half is late. What is heard goes on where it would have been.
        mix(FRAME / 2 + FRAME);
        spout.fill(&mut out, 2);
        assert_eq!((out[0], out[2 * FRAME - 1]), (2.0 * FRAME as f32 + 1.0, 3.0 * FRAME as f32));
        assert_eq!(spout.gauge.late.load(Ordering::Relaxed), 0);
        assert_eq!(spout.gauge.dropouts.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn after_a_standstill_of_any_length_a_full_ring_is_heard() {
        let (mut ring, consumer) = RingBuffer::new(4_800);
        let mut spout = Spout { ring: consumer, gauge: Arc::default(), began: false, last: 0.0 };
        let mut out = [0f32; FRAME];
        let mut mix = || while ring.push(0.5).is_ok() {};
        mix();
        // All that there is, and then nothing for much longer than the ring is.
        for _ in 0..40 {
            spout.fill(&mut out, 1);
        }
        mix();
        spout.fill(&mut out, 1);
        assert_eq!((out[0], out[FRAME - 1]), (0.5, 0.5));
        assert_eq!(spout.gauge.late.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_spare_grows_with_dropouts_and_goes_when_they_are_over() {
        let start = Instant::now();
        let mut spare = Spare::new(start);
        let mut at = |dropouts, seconds| spare.follow(dropouts, start + Duration::from_secs(seconds));
        assert_eq!([at(0, 0), at(1, 1), at(1, 2), at(2, 3)], [0, 5, 5, 10]);
        // Two dropouts: twice two times as long.
        assert_eq!([at(2, 80), at(2, 84), at(2, 165)], [10, 5, 0]);
        // Less was too little, so that it is not tried again as soon.
        assert_eq!([at(3, 170), at(3, 270), at(3, 331)], [5, 5, 0]);
        assert_eq!(at(3, 10_000), 0);
        assert_eq!((4..40).map(|dropouts| at(dropouts, 10_000)).max(), Some(SPARE_MOST_MS));
    }
}

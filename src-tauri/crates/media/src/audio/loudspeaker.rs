//! A real speaker as a sink of frames. Its own clock asks for them: while it runs, no other clock is in the path.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use cpal::{
    Device, Error, ErrorKind, FromSample, I24, SampleFormat, SizedSample, Stream, StreamConfig, U24,
    traits::DeviceTrait,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    FRAME, FRAME_TIME, Frame, RATE,
    device::{self, Direction},
    event::Reporter,
    keeper::{Keeper, Port, Watch},
    playback::Sink,
    resampler::Resampler,
    source::Pace,
};

/// Callbacks of so many milliseconds are asked for: shorter ones are missed now and then by a busy computer.
const CALLBACK_MS: u32 = 20;
/// Room in the ring, in milliseconds of the device.
const RING_MS: u32 = 500;
/// What waits in the ring over one callback's need, at first and after many dropouts.
const SPARE_MS: u32 = 10;
const SPARE_MOST_MS: u32 = 60;
/// So much more after each dropout.
const SPARE_STEP_MS: u32 = 5;
/// What a callback asked for counts until it is twice as old: the first one may ask for two at once, and so does one after the
/// machine stood still.
const LATELY: Duration = Duration::from_secs(5);
/// A device that took nothing for so long does not run.
const STUCK: Duration = Duration::from_millis(200);
/// Between two looks at the ring.
const LOOK: Duration = Duration::from_millis(3);
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
    spare_ms: u32,
    dropouts: u32,
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
}

impl Loudspeaker {
    pub(crate) fn open(wanted: Option<String>, reporter: Reporter) -> Self {
        let (sender, feeds) = mpsc::sync_channel(4);
        let keeper = Keeper::spawn(Outlet { feeds: sender }, wanted, reporter);
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
            let due = self.pace.due(now);
            let wanted = match &mut self.feed {
                Some(feed) => {
                    feed.look(now);
                    if feed.stuck { usize::from(due) } else { feed.wanted() }
                }
                None => usize::from(due),
            };
            if wanted > 0 {
                return wanted;
            }
            if now >= until {
                return 0;
            }
            thread::sleep(LOOK);
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
    fn wanted(&mut self) -> usize {
        let dropouts = self.gauge.dropouts.load(Ordering::Relaxed);
        if dropouts != self.dropouts {
            self.dropouts = dropouts;
            self.spare_ms = (self.spare_ms + SPARE_STEP_MS).min(SPARE_MOST_MS);
            tracing::debug!(dropouts, spare_ms = self.spare_ms, "the speaker ran dry");
        }
        let request = self.gauge.request.load(Ordering::Relaxed).max(self.request).max(self.rate / 100);
        let level = (request + self.rate * self.spare_ms / 1_000) as usize;
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

/// Opens playback streams.
struct Outlet {
    feeds: mpsc::SyncSender<Feed>,
}

impl Port for Outlet {
    const DIRECTION: Direction = Direction::Playback;

    #[allow(clippy::wildcard_enum_match_arm, reason = "cpal may add kinds of samples")]
    fn open(&mut self, device: &Device, watch: Watch) -> Result<Stream, Error> {
        let (config, format) = device::config(device, Direction::Playback, CALLBACK_MS)?;
        let rate = config.sample_rate;
        let resampler =
            Resampler::new(RATE, rate).map_err(|why| Error::with_message(ErrorKind::UnsupportedConfig, why))?;
        let (ring, consumer) = RingBuffer::new((rate * RING_MS / 1_000) as usize);
        let gauge = Arc::new(Gauge::default());
        let tap = Tap { ring: consumer, gauge: gauge.clone(), began: false, last: 0.0, watch };
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
            spare_ms: SPARE_MS,
            dropouts: 0,
            request: 0,
            since: Instant::now(),
            free,
            moved: Instant::now(),
            stuck: false,
        });
        Ok(stream)
    }
}

/// The callback's end of the ring.
struct Tap {
    ring: Consumer<f32>,
    gauge: Arc<Gauge>,
    began: bool,
    last: f32,
    watch: Watch,
}

impl Tap {
    /// Fills the device's buffer: the first two channels, as what lies behind them is no place for a voice.
    fn fill<T: SizedSample + FromSample<f32>>(&mut self, out: &mut [T], channels: usize) {
        self.watch.beat();
        let wanted = out.len() / channels;
        self.gauge.request.fetch_max(wanted as u32, Ordering::Relaxed);
        let ready = wanted.min(self.ring.slots());
        self.began |= ready > 0;
        if self.began && ready < wanted {
            self.gauge.dropouts.fetch_add(1, Ordering::Relaxed);
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
            spare_ms: SPARE_MS,
            dropouts: 0,
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
            feed.look(start + Duration::from_millis(20) * n);
            for _ in 0..feed.wanted() {
                assert!(feed.play(&SILENCE));
            }
            if n == 100 {
                assert_eq!(feed.waiting(), 5 * FRAME, "what the first one may ask for again, and the spare");
            }
            least = least.min(feed.waiting());
        }
        assert_eq!(feed.waiting(), 3 * FRAME);
        assert_eq!(least, 3 * FRAME, "a callback always finds enough");
    }
}

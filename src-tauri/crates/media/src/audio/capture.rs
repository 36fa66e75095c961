//! A real microphone as a source of frames.

use std::{
    collections::VecDeque,
    sync::mpsc,
    thread::{self, Thread},
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
    dry::Brought,
    event::Reporter,
    keeper::{Keeper, Port, Watch},
    resampler::Resampler,
    source::Source,
};

/// Room in the ring: half a second. A callback that finds it full drops what is newest.
const RING_MS: u32 = 500;
/// More than this waiting means that we slept or that the system burst: it is skipped, for a call is live.
const BACKLOG: usize = RATE as usize / 5;
/// Half of the smallest step of 16 bits: less is no sound, whatever a conversion made of it.
const STEP: f32 = 0.5 / 32_768.0;
/// How long a sound system may take to open a device.
const OPEN: Duration = Duration::from_secs(3);

/// Frames from a device that a keeper holds open.
pub(crate) struct Capture {
    feeds: mpsc::Receiver<Feed>,
    intake: Intake,
    _keeper: Keeper,
}

/// What the device that is in use gave and nobody took.
#[derive(Default)]
pub(crate) struct Intake {
    feed: Option<Feed>,
    ready: VecDeque<f32>,
}

pub(crate) struct Feed {
    ring: Consumer<f32>,
    resampler: Option<Resampler>,
}

impl Capture {
    /// To be opened by the thread that reads: each callback wakes it.
    pub(crate) fn open(wanted: Option<String>, reporter: Reporter) -> Self {
        let (sender, feeds) = mpsc::sync_channel(4);
        let keeper = Keeper::spawn(Inlet { feeds: sender, reader: thread::current() }, wanted, reporter);
        Self { feeds, intake: Intake::default(), _keeper: keeper }
    }
}

impl Source for Capture {
    fn read(&mut self, frame: &mut Frame) -> Option<usize> {
        let until = Instant::now() + 2 * FRAME_TIME;
        loop {
            while let Ok(feed) = self.feeds.try_recv() {
                self.intake.connect(feed);
            }
            if let Some(lost) = self.intake.take(frame) {
                return Some(lost);
            }
            let now = Instant::now();
            if now >= until {
                return None;
            }
            thread::park_timeout(until - now);
        }
    }
}

impl Intake {
    /// Another stream from now on: what waited of the one before is forgotten.
    pub(crate) fn connect(&mut self, feed: Feed) {
        self.feed = Some(feed);
        self.ready.clear();
    }

    /// The next frame and how many samples were skipped before it; `None` while too little waits.
    pub(crate) fn take(&mut self, frame: &mut Frame) -> Option<usize> {
        self.collect();
        if self.ready.len() < FRAME {
            return None;
        }
        let lost = if self.ready.len() > BACKLOG { self.ready.len() - 2 * FRAME } else { 0 };
        for (sample, ready) in frame.iter_mut().zip(self.ready.drain(..lost + FRAME).skip(lost)) {
            *sample = ready;
        }
        Some(lost)
    }

    fn collect(&mut self) {
        let Some(Feed { ring, resampler }) = &mut self.feed else { return };
        let Ok(chunk) = ring.read_chunk(ring.slots()) else { return };
        let (first, second) = chunk.as_slices();
        for part in [first, second] {
            match resampler {
                Some(resampler) => resampler.push(part, &mut self.ready),
                None => self.ready.extend(part),
            }
        }
        chunk.commit_all();
    }

    /// Samples that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len()
    }
}

/// A ring for a device of this rate: its callback's end, and the other one.
pub(crate) fn ring(rate: u32) -> Result<(Producer<f32>, Feed), String> {
    let resampler = Resampler::new(rate, RATE)?;
    let (producer, ring) = RingBuffer::new((rate * RING_MS / 1_000) as usize);
    Ok((producer, Feed { ring, resampler }))
}

/// Opens capture streams.
struct Inlet {
    feeds: mpsc::SyncSender<Feed>,
    reader: Thread,
}

impl Port for Inlet {
    const DIRECTION: Direction = Direction::Capture;

    fn open(&mut self, device: &Device, callback_ms: u32, watch: Watch) -> Result<Stream, Error> {
        let direction = Direction::Capture;
        device::open(device, direction, callback_ms, |config, format| self.attempt(device, config, format, &watch))
    }
}

/// Whom a callback tells.
struct Tap {
    brought: Brought,
    watch: Watch,
    reader: Thread,
}

impl Inlet {
    fn tap(&self, rate: u32, watch: &Watch) -> Tap {
        Tap { brought: Brought::new(rate), watch: watch.clone(), reader: self.reader.clone() }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "cpal may add kinds of samples")]
    fn attempt(
        &self,
        device: &Device,
        config: StreamConfig,
        format: SampleFormat,
        watch: &Watch,
    ) -> Result<Stream, Error> {
        let (producer, feed) =
            ring(config.sample_rate).map_err(|why| Error::with_message(ErrorKind::UnsupportedConfig, why))?;
        let tap = self.tap(config.sample_rate, watch);
        let stream = match format {
            SampleFormat::I8 => stream::<i8>(device, config, producer, tap),
            SampleFormat::I16 => stream::<i16>(device, config, producer, tap),
            SampleFormat::I24 => stream::<I24>(device, config, producer, tap),
            SampleFormat::I32 => stream::<i32>(device, config, producer, tap),
            SampleFormat::I64 => stream::<i64>(device, config, producer, tap),
            SampleFormat::U8 => stream::<u8>(device, config, producer, tap),
            SampleFormat::U16 => stream::<u16>(device, config, producer, tap),
            SampleFormat::U24 => stream::<U24>(device, config, producer, tap),
            SampleFormat::U32 => stream::<u32>(device, config, producer, tap),
            SampleFormat::U64 => stream::<u64>(device, config, producer, tap),
            SampleFormat::F32 => stream::<f32>(device, config, producer, tap),
            SampleFormat::F64 => stream::<f64>(device, config, producer, tap),
            other => Err(Error::with_message(ErrorKind::UnsupportedConfig, format!("samples of kind {other}"))),
        }?;
        // When full, the worker is gone or has enough to choose from: the stream is closed soon.
        let _ = self.feeds.try_send(feed);
        Ok(stream)
    }
}

/// The callback averages the channels into the ring and does nothing else.
fn stream<T>(device: &Device, config: StreamConfig, mut ring: Producer<f32>, tap: Tap) -> Result<Stream, Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels.max(1));
    let Tap { mut brought, watch, reader } = tap;
    let on_error = watch.clone();
    let on_sound = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        if brought.callback(samples.len() / channels, Instant::now()) {
            watch.ran_dry();
        }
        watch.beat(gather(&mut ring, samples, channels));
        reader.unpark();
    };
    device.build_input_stream(config, on_sound, move |error| on_error.error(error), Some(OPEN))
}

/// Averages the channels into the ring; what finds no room is dropped. Whether it is anything but digital silence: the same
/// value over and over, as a device gives that is muted, or of which the system lets us have nothing.
pub(crate) fn gather<T: SizedSample>(ring: &mut Producer<f32>, samples: &[T], channels: usize) -> bool
where
    f32: FromSample<T>,
{
    let frames = samples.chunks_exact(channels);
    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
    let mono = frames.map(|frame| {
        let sum: f32 = frame.iter().map(|sample| f32::from_sample_(*sample)).sum();
        let sample = sum / channels as f32;
        (least, most) = (least.min(sample), most.max(sample));
        sample
    });
    let room = mono.len().min(ring.slots());
    if let Ok(chunk) = ring.write_chunk_uninit(room) {
        chunk.fill_from_iter(mono);
    }
    most - least > STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged_and_what_finds_no_room_is_dropped() {
        let (mut ring, mut device) = RingBuffer::new(3);
        assert!(gather(&mut ring, &[0.5f32, 0.25, 0.5, 0.5, 1.0, 0.5, -1.0, -1.0], 2));
        let kept: Vec<f32> = std::iter::from_fn(|| device.pop().ok()).collect();
        assert_eq!(kept, [0.375, 0.5, 0.75]);
    }

    #[test]
    fn digital_silence_is_one_value_over_and_over_and_the_faintest_noise_is_none() {
        let (mut ring, _device) = RingBuffer::new(4_800);
        let mut sounds = |samples: &[i16]| gather(&mut ring, samples, 1);
        assert!(!sounds(&[0; 480]));
        assert!(!sounds(&[-3; 480]), "an offset is no sound");
        assert!(!sounds(&[]));
        let mut faint = [0; 480];
        faint[77] = 1;
        assert!(sounds(&faint), "the last bit of 16");
    }

    #[test]
    fn a_backlog_is_skipped_and_counted() {
        let (mut ring, feed) = ring(RATE).unwrap();
        let mut intake = Intake::default();
        intake.connect(feed);
        let mut frame = [0.0; FRAME];
        assert_eq!(intake.take(&mut frame), None);
        let sound: Vec<f32> = (0..BACKLOG + FRAME).map(|n| n as f32 / 48_000.0).collect();
        gather(&mut ring, &sound, 1);
        assert_eq!(intake.take(&mut frame), Some(BACKLOG - FRAME));
        assert_eq!(frame[0], sound[BACKLOG - FRAME]);
        assert_eq!((intake.take(&mut frame), intake.take(&mut frame)), (Some(0), None));
    }
}

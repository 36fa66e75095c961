//! A real microphone as a source of frames.

use std::{
    collections::VecDeque,
    sync::mpsc,
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
    resampler::Resampler,
    source::Source,
};

/// Room in the ring: half a second. A callback that finds it full drops what is newest.
const RING_MS: u32 = 500;
/// More than this waiting means that we slept or that the system burst: it is skipped, for a call is live.
const BACKLOG: usize = RATE as usize / 5;
/// Between two looks into the ring.
const LOOK: Duration = Duration::from_millis(3);
/// How long a sound system may take to open a device.
const OPEN: Duration = Duration::from_secs(3);

/// Frames from a device that a keeper holds open.
pub(crate) struct Capture {
    feeds: mpsc::Receiver<Feed>,
    feed: Option<Feed>,
    ready: VecDeque<f32>,
    _keeper: Keeper,
}

struct Feed {
    ring: Consumer<f32>,
    resampler: Option<Resampler>,
}

impl Capture {
    pub(crate) fn open(wanted: Option<String>, reporter: Reporter) -> Self {
        let (sender, feeds) = mpsc::sync_channel(4);
        let keeper = Keeper::spawn(Inlet { feeds: sender }, wanted, reporter);
        Self { feeds, feed: None, ready: VecDeque::new(), _keeper: keeper }
    }

    fn collect(&mut self) {
        while let Ok(feed) = self.feeds.try_recv() {
            self.feed = Some(feed);
            self.ready.clear();
        }
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
}

impl Source for Capture {
    fn read(&mut self, frame: &mut Frame) -> Option<usize> {
        let until = Instant::now() + 2 * FRAME_TIME;
        loop {
            self.collect();
            if self.ready.len() >= FRAME {
                break;
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(LOOK);
        }
        let lost = if self.ready.len() > BACKLOG { self.ready.len() - 2 * FRAME } else { 0 };
        for (sample, ready) in frame.iter_mut().zip(self.ready.drain(..lost + FRAME).skip(lost)) {
            *sample = ready;
        }
        Some(lost)
    }
}

/// Opens capture streams.
struct Inlet {
    feeds: mpsc::SyncSender<Feed>,
}

impl Port for Inlet {
    const DIRECTION: Direction = Direction::Capture;

    #[allow(clippy::wildcard_enum_match_arm, reason = "cpal may add kinds of samples")]
    fn open(&mut self, device: &Device, watch: Watch) -> Result<Stream, Error> {
        let (config, format) = device::config(device, Direction::Capture, 10)?;
        let resampler = Resampler::new(config.sample_rate, RATE)
            .map_err(|why| Error::with_message(ErrorKind::UnsupportedConfig, why))?;
        let (producer, ring) = RingBuffer::new((config.sample_rate * RING_MS / 1_000) as usize);
        let stream = match format {
            SampleFormat::I8 => stream::<i8>(device, config, producer, watch),
            SampleFormat::I16 => stream::<i16>(device, config, producer, watch),
            SampleFormat::I24 => stream::<I24>(device, config, producer, watch),
            SampleFormat::I32 => stream::<i32>(device, config, producer, watch),
            SampleFormat::I64 => stream::<i64>(device, config, producer, watch),
            SampleFormat::U8 => stream::<u8>(device, config, producer, watch),
            SampleFormat::U16 => stream::<u16>(device, config, producer, watch),
            SampleFormat::U24 => stream::<U24>(device, config, producer, watch),
            SampleFormat::U32 => stream::<u32>(device, config, producer, watch),
            SampleFormat::U64 => stream::<u64>(device, config, producer, watch),
            SampleFormat::F32 => stream::<f32>(device, config, producer, watch),
            SampleFormat::F64 => stream::<f64>(device, config, producer, watch),
            other => Err(Error::with_message(ErrorKind::UnsupportedConfig, format!("samples of kind {other}"))),
        }?;
        // When full, the worker is gone or has enough to choose from: the stream is closed soon.
        let _ = self.feeds.try_send(Feed { ring, resampler });
        Ok(stream)
    }
}

/// The callback averages the channels into the ring and does nothing else.
fn stream<T>(device: &Device, config: StreamConfig, mut ring: Producer<f32>, watch: Watch) -> Result<Stream, Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels.max(1));
    let on_error = watch.clone();
    let on_sound = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        watch.beat();
        let frames = samples.chunks_exact(channels);
        if let Ok(chunk) = ring.write_chunk_uninit(frames.len().min(ring.slots())) {
            chunk.fill_from_iter(
                frames.map(|frame| frame.iter().map(|s| f32::from_sample_(*s)).sum::<f32>() / channels as f32),
            );
        }
    };
    device.build_input_stream(config, on_sound, move |error| on_error.error(error), Some(OPEN))
}

//! Where mixed sound goes: a device (see `loudspeaker`), a file, or nowhere.

use std::{fs::File, io::BufWriter, time::Instant};

use parlor_protocol::{device::SpeakerSpec, ui::DeviceTrouble};
use tokio::sync::mpsc;

use super::{
    AudioEvent, Frame, RATE,
    event::{Fault, Reporter},
    loudspeaker::Loudspeaker,
    source::Pace,
};

/// Takes mixed frames at a pace of its own.
pub(crate) trait Sink: Send {
    /// Waits until frames are wanted, 10 ms at most: how many.
    fn wait(&mut self) -> usize;

    /// Takes one frame; whether a room will hear it.
    fn play(&mut self, frame: &Frame) -> bool;
}

/// Opens what the spec names. What cannot be opened is reported, and sound goes nowhere at its own pace.
pub(crate) fn sink(spec: &SpeakerSpec, events: &mpsc::Sender<AudioEvent>) -> Box<dyn Sink> {
    let mut reporter = Reporter::new(events.clone());
    match spec {
        SpeakerSpec::Device(id) => Box::new(Loudspeaker::open(id.clone(), reporter)),
        SpeakerSpec::File(path) => match Recording::create(path, Reporter::new(events.clone())) {
            Ok(recording) => {
                reporter.report(AudioEvent::Started { name: path.clone() });
                Box::new(recording)
            }
            Err(fault) => {
                reporter.report(fault.into());
                Box::new(Nowhere::new())
            }
        },
        SpeakerSpec::None => Box::new(Nowhere::new()),
    }
}

/// Throws sound away at the pace of a real clock.
pub(crate) struct Nowhere {
    pace: Pace,
}

impl Nowhere {
    pub(crate) fn new() -> Self {
        Self { pace: Pace::new(Instant::now()) }
    }
}

impl Sink for Nowhere {
    fn wait(&mut self) -> usize {
        self.pace.wait();
        1
    }

    fn play(&mut self, _: &Frame) -> bool {
        false
    }
}

/// Writes a WAV file (16 bit, mono, 48 kHz) at the pace of a real clock.
struct Recording {
    writer: Option<hound::WavWriter<BufWriter<File>>>,
    path: String,
    frames: u64,
    pace: Pace,
    reporter: Reporter,
}

/// Frames between two moments in which the file is whole: a second. A process that is killed loses no more than that.
const FLUSH: u64 = 100;

impl Recording {
    fn create(path: &str, reporter: Reporter) -> Result<Self, Fault> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let writer = hound::WavWriter::create(path, spec)
            .map_err(|error| Fault::new(DeviceTrouble::Failed, format!("{path} cannot be written: {error}")))?;
        Ok(Self { writer: Some(writer), path: path.to_owned(), frames: 0, pace: Pace::new(Instant::now()), reporter })
    }

    fn write(&mut self, frame: &Frame) -> Result<(), hound::Error> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        for sample in frame {
            writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)?;
        }
        self.frames += 1;
        if self.frames.is_multiple_of(FLUSH) { writer.flush() } else { Ok(()) }
    }
}

impl Sink for Recording {
    fn wait(&mut self) -> usize {
        self.pace.wait();
        1
    }

    fn play(&mut self, frame: &Frame) -> bool {
        if let Err(error) = self.write(frame) {
            // A full disk stays full: once is enough.
            self.writer = None;
            let detail = format!("{} cannot be written: {error}", self.path);
            self.reporter.report(Fault::new(DeviceTrouble::Failed, detail).into());
        }
        false
    }
}

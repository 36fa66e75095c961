//! What a microphone's worker reads: a source, and what is done to its sound before anything else.

use std::time::Instant;

use parlor_protocol::device::MicrophoneSpec;
use tokio::sync::mpsc;

use super::{
    AudioEvent, Frame,
    capture::Capture,
    clip::Clip,
    event::Reporter,
    level::SILENCE,
    processing::{Processor, Reference, Switches},
    source::{Loop, Nothing, Source, Tone},
};

/// What is asked of a microphone's worker.
pub(crate) enum Change {
    Device(MicrophoneSpec),
    Reference(Option<Box<Reference>>),
    Switches(Switches),
}

/// A source and what is done to its sound.
pub(crate) struct Input {
    source: Box<dyn Source>,
    /// It is a device: what it captures is to be processed.
    captures: bool,
    wanted: Switches,
    processor: Processor,
    reference: Option<Box<Reference>>,
    /// It is muted, and listened to for speech.
    listens: bool,
    speech: bool,
}

impl Input {
    pub(crate) fn new(spec: &MicrophoneSpec, events: &mpsc::Sender<AudioEvent>) -> Self {
        Self {
            source: source(spec, events),
            captures: is_device(spec),
            wanted: Switches::NONE,
            processor: Processor::new(Switches::NONE),
            reference: None,
            listens: false,
            speech: false,
        }
    }

    /// Does what was asked for.
    pub(crate) fn change(&mut self, change: Change, events: &mpsc::Sender<AudioEvent>) {
        match change {
            Change::Device(spec) => {
                self.source = source(&spec, events);
                self.captures = is_device(&spec);
                // Another device in another place: nothing that was learned holds.
                self.processor = Processor::new(Switches::NONE);
                if let Some(reference) = &mut self.reference {
                    reference.renew();
                }
            }
            Change::Reference(reference) => self.reference = reference,
            Change::Switches(switches) => self.wanted = switches,
        }
        self.processor.set(if self.captures { self.wanted } else { Switches::NONE });
    }

    /// As [`Source::read`], processed.
    pub(crate) fn read(&mut self, frame: &mut Frame, muted: bool) -> Option<usize> {
        let Some(lost) = self.source.read(frame) else {
            self.speech = false;
            return None;
        };
        match &mut self.reference {
            Some(reference) => {
                reference.skip(lost);
                self.processor.process_beside(frame, reference, Instant::now());
            }
            None => self.processor.process(frame, &SILENCE),
        }
        if muted && !self.listens {
            self.processor.reset_speech();
        }
        self.listens = muted;
        self.speech = muted && self.processor.speech(frame);
        Some(lost)
    }

    /// Whether somebody speaks while muted.
    pub(crate) fn speech(&self) -> bool {
        self.speech
    }
}

/// Whether it hears a room.
fn is_device(spec: &MicrophoneSpec) -> bool {
    matches!(spec, MicrophoneSpec::Device(_))
}

fn source(spec: &MicrophoneSpec, events: &mpsc::Sender<AudioEvent>) -> Box<dyn Source> {
    let mut reporter = Reporter::new(events.clone());
    match spec {
        MicrophoneSpec::Device(id) => Box::new(Capture::open(id.clone(), reporter)),
        MicrophoneSpec::Tone(hz) => {
            reporter.report(AudioEvent::Started { name: format!("{hz} Hz tone") });
            Box::new(Tone::new(*hz))
        }
        MicrophoneSpec::File(path) => match Clip::load(path.as_ref()) {
            Ok(clip) => {
                reporter.report(AudioEvent::Started { name: path.clone() });
                Box::new(Loop::new(clip))
            }
            Err(fault) => {
                reporter.report(fault.into());
                Box::new(Nothing)
            }
        },
        MicrophoneSpec::None => Box::new(Nothing),
    }
}

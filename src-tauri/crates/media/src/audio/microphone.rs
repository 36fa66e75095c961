//! The microphone: capture, processing, level, mute, encoder, on a thread of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
        mpsc as std_mpsc,
    },
    thread,
    time::Instant,
};

use bytes::Bytes;
use parlor_protocol::{device::MicrophoneSpec, ui::DeviceTrouble};
use tokio::sync::{broadcast, mpsc};

use super::{
    AudioEvent, SILENCE_DBFS, encoder,
    event::{Fault, Reporter},
    input::{Change, Input},
    level::SILENCE,
    processing::{Reference, Switches},
    voice::Voice,
};

/// Changes that wait for the worker, which looks every 10 to 20 ms.
const CHANGES: usize = 16;
/// Packets kept for a slow subscriber: 640 ms. Who is slower loses the oldest ones and is told so (`Lagged`).
const QUEUE: usize = 32;

/// 20 ms of encoded sound, the same for every session.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioPacket {
    /// When its first sample was captured, on a 48 kHz clock that runs on through mute and changes of device.
    pub timestamp: u32,
    /// One Opus packet.
    pub payload: Bytes,
    /// The first one after silence (RFC 3551 §4.1).
    pub marker: bool,
    /// How loud, from 0 to 1.
    pub level: f32,
}

/// An open microphone. Dropping it closes the device.
#[derive(Debug)]
pub struct Microphone {
    packets: broadcast::Sender<AudioPacket>,
    changes: std_mpsc::SyncSender<Change>,
    controls: Arc<Controls>,
}

/// What callers set and the worker looks at, and the other way round.
#[derive(Debug)]
struct Controls {
    muted: AtomicBool,
    dtx: AtomicBool,
    speech: AtomicBool,
    expected_loss: AtomicU8,
    loudness: AtomicU32,
    dbfs: AtomicU32,
}

impl Microphone {
    /// Opens a microphone. It never fails: trouble is reported in `events`, and a real device is tried until it runs.
    /// At first it is not muted, sends silence too and gives sound as it was captured.
    ///
    /// While `events` is full only the newest event is kept.
    pub fn open(spec: &MicrophoneSpec, events: mpsc::Sender<AudioEvent>) -> Self {
        let (packets, _) = broadcast::channel(QUEUE);
        let (changes, requests) = std_mpsc::sync_channel(CHANGES);
        let controls = Arc::new(Controls {
            muted: AtomicBool::new(false),
            dtx: AtomicBool::new(false),
            speech: AtomicBool::new(false),
            expected_loss: AtomicU8::new(encoder::FIRST_LOSS),
            loudness: AtomicU32::new(0f32.to_bits()),
            dbfs: AtomicU32::new(SILENCE_DBFS.to_bits()),
        });
        let worker = Worker { packets: packets.clone(), requests, controls: controls.clone(), events: events.clone() };
        let spec = spec.clone();
        let spawned = thread::Builder::new().name("microphone".into()).spawn(move || worker.run(&spec));
        if let Err(error) = spawned {
            Reporter::new(events).report(no_thread(&error).into());
        }
        Self { packets, changes, controls }
    }

    /// Packets from now on. All subscribers share their bytes.
    pub fn subscribe(&self) -> broadcast::Receiver<AudioPacket> {
        self.packets.subscribe()
    }

    /// Changes to another device. Subscriptions, mute and the clock go on. False where sixteen changes are already waiting.
    pub fn switch(&self, spec: &MicrophoneSpec) -> bool {
        self.changes.try_send(Change::Device(spec.clone())).is_ok()
    }

    /// Turns stages of processing on and off. They are for what a device captures: a tone and a file are as they should be.
    /// False where sixteen changes are already waiting.
    pub fn process(&self, switches: Switches) -> bool {
        self.changes.try_send(Change::Switches(switches)).is_ok()
    }

    /// What the room hears from now on ([`Speaker::reference`](super::Speaker::reference)); nothing at all for `None`. False where
    /// sixteen changes are already waiting.
    pub fn cancel(&self, reference: Option<Reference>) -> bool {
        self.changes.try_send(Change::Reference(reference.map(Box::new))).is_ok()
    }

    /// Sends next to nothing while there is silence (discontinuous transmission, RFC 7587 §3.1.3), or silence like any sound.
    pub fn set_dtx(&self, on: bool) {
        self.controls.dtx.store(on, Ordering::Relaxed);
    }

    /// Mutes: nothing that is said is sent, but the level goes on, so that one can be told that one speaks muted.
    pub fn set_muted(&self, muted: bool) {
        self.controls.muted.store(muted, Ordering::Relaxed);
    }

    /// Tells the encoder how much loss in percent the worst path has: so much redundancy it adds.
    pub fn set_expected_loss(&self, percent: u8) {
        self.controls.expected_loss.store(percent, Ordering::Relaxed);
    }

    /// Somebody speaks into a muted microphone: speech, by a detector of its own, and not keys or a fan.
    pub fn speaks_muted(&self) -> bool {
        self.controls.speech.load(Ordering::Relaxed)
    }

    /// How loud it is now, processed, muted or not: smoothed, 0 for silence to 1 for full scale, in even steps for the ear.
    pub fn level(&self) -> f32 {
        f32::from_bits(self.controls.loudness.load(Ordering::Relaxed))
    }

    /// Root mean square of the last second in dBFS; a full-scale sine is −3.
    pub fn level_dbfs(&self) -> f32 {
        f32::from_bits(self.controls.dbfs.load(Ordering::Relaxed))
    }
}

struct Worker {
    packets: broadcast::Sender<AudioPacket>,
    requests: std_mpsc::Receiver<Change>,
    controls: Arc<Controls>,
    events: mpsc::Sender<AudioEvent>,
}

impl Worker {
    fn run(self, spec: &MicrophoneSpec) {
        let mut voice = match Voice::new(rand::random()) {
            Ok(voice) => voice,
            Err(error) => {
                let detail = format!("the voice encoder cannot be made: {error}");
                return Reporter::new(self.events).report(Fault::new(DeviceTrouble::Failed, detail).into());
            }
        };
        let mut input = Input::new(spec, &self.events);
        let mut frame = SILENCE;
        loop {
            match self.requests.try_recv() {
                Ok(change) => input.change(change, &self.events),
                Err(std_mpsc::TryRecvError::Empty) => {}
                Err(std_mpsc::TryRecvError::Disconnected) => return,
            }
            let muted = self.controls.muted.load(Ordering::Relaxed);
            let read = input.read(&mut frame, muted);
            voice.expect_loss(self.controls.expected_loss.load(Ordering::Relaxed));
            voice.set_dtx(self.controls.dtx.load(Ordering::Relaxed));
            let packet = match read {
                Some(lost) => voice.push(&frame, lost, muted, Instant::now()),
                None => voice.idle(Instant::now()),
            };
            self.controls.speech.store(input.speech(), Ordering::Relaxed);
            self.controls.loudness.store(voice.loudness().to_bits(), Ordering::Relaxed);
            self.controls.dbfs.store(voice.dbfs().to_bits(), Ordering::Relaxed);
            if let Some(packet) = packet {
                // Nobody listening is as good as somebody.
                let _ = self.packets.send(packet);
            }
        }
    }
}

pub(crate) fn no_thread(error: &std::io::Error) -> Fault {
    Fault::new(DeviceTrouble::Failed, format!("the system gives no thread for sound: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::audio::{RATE, measure, processing::speech};

    fn open(spec: &str) -> (Microphone, mpsc::Receiver<AudioEvent>) {
        let (events, inbox) = mpsc::channel(8);
        (Microphone::open(&spec.parse().unwrap(), events), inbox)
    }

    async fn listen(packets: &mut broadcast::Receiver<AudioPacket>, count: usize) -> Vec<AudioPacket> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.push(timeout(Duration::from_secs(5), packets.recv()).await.unwrap().unwrap());
        }
        heard
    }

    fn decode(packets: &[AudioPacket]) -> Vec<f32> {
        let mut decoder = opus::Decoder::new(RATE, opus::Channels::Mono).unwrap();
        let mut heard = Vec::new();
        for packet in packets {
            let mut pcm = [0.0; 960];
            decoder.decode_float(&packet.payload, &mut pcm, false).unwrap();
            heard.extend(pcm);
        }
        heard
    }

    #[tokio::test]
    async fn a_tone_is_sent_as_a_tone() {
        let (microphone, mut inbox) = open("tone:1000");
        assert_eq!(inbox.recv().await, Some(AudioEvent::Started { name: "1000 Hz tone".into() }));
        let packets = listen(&mut microphone.subscribe(), 75).await;
        assert!(packets.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960));
        let tone = measure::tone(&decode(&packets)[24_000..], RATE).unwrap();
        assert!((tone.hz - 1_000.0).abs() < 1.0 && (tone.dbfs + 15.0).abs() < 1.0, "{tone:?}");
        assert!((microphone.level_dbfs() + 15.0).abs() < 1.0, "{}", microphone.level_dbfs());
    }

    #[tokio::test]
    async fn frames_come_at_the_pace_of_a_real_clock() {
        let (microphone, _inbox) = open("tone");
        let mut packets = microphone.subscribe();
        let first = listen(&mut packets, 1).await[0].timestamp;
        let start = Instant::now();
        let last = listen(&mut packets, 100).await[99].timestamp;
        let counted = f64::from(last.wrapping_sub(first)) / f64::from(RATE);
        assert!((counted - start.elapsed().as_secs_f64()).abs() < 0.1, "{counted} s in {:?}", start.elapsed());
    }

    #[tokio::test]
    async fn muting_stops_packets_and_not_the_level() {
        let (microphone, _inbox) = open("tone");
        let mut packets = microphone.subscribe();
        listen(&mut packets, 10).await;
        microphone.set_muted(true);
        // Whatever is still on its way ends within the tail; then nothing comes.
        let quiet = async { while timeout(Duration::from_millis(300), packets.recv()).await.is_ok() {} };
        timeout(Duration::from_secs(5), quiet).await.expect("packets in spite of mute");
        assert!(microphone.level() > 0.5);
        microphone.set_muted(false);
        assert!(listen(&mut packets, 1).await[0].marker);
    }

    #[tokio::test]
    async fn a_file_is_sent_over_and_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beep.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for n in 0..4_410 {
            let sample = (8_000.0 * (std::f32::consts::TAU * 500.0 * n as f32 / 44_100.0).sin()) as i16;
            writer.write_sample(sample).unwrap();
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let (microphone, _inbox) = open(&format!("file:{}", path.display()));
        let packets = listen(&mut microphone.subscribe(), 50).await;
        let tone = measure::tone(&decode(&packets)[9_600..], RATE).unwrap();
        assert!((tone.hz - 500.0).abs() < 2.0, "{tone:?}");
    }

    #[tokio::test]
    async fn a_tone_is_left_as_it_is_whatever_is_processed() {
        let (microphone, _inbox) = open("tone:1000");
        assert!(microphone.process(Switches::ALL));
        let packets = listen(&mut microphone.subscribe(), 100).await;
        let tone = measure::tone(&decode(&packets)[48_000..], RATE).unwrap();
        assert!((tone.dbfs + 15.0).abs() < 1.0 && tone.purity > 0.98, "{tone:?}");
    }

    #[tokio::test]
    async fn speech_is_noticed_while_muted_and_a_tone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for sample in speech(3, 150.0, 10.0, -26.0) {
            writer.write_sample((sample * f32::from(i16::MAX)) as i16).unwrap();
        }
        writer.finalize().unwrap();
        let (microphone, _inbox) = open(&format!("file:{}", path.display()));
        let spoke = async {
            while !microphone.speaks_muted() {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
        };
        assert!(timeout(Duration::from_millis(1_500), spoke).await.is_err(), "it is not muted");
        microphone.set_muted(true);
        let spoke = async {
            while !microphone.speaks_muted() {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
        };
        timeout(Duration::from_secs(8), spoke).await.expect("speech is noticed");
        assert!(microphone.switch(&MicrophoneSpec::Tone(440)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        for _ in 0..20 {
            assert!(!microphone.speaks_muted(), "a tone is no speech");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn a_bad_file_is_trouble_in_words() {
        let (_microphone, mut inbox) = open("file:/nowhere/at/all.wav");
        let Some(AudioEvent::Trouble { trouble, detail }) = inbox.recv().await else { panic!("no trouble") };
        assert_eq!(trouble, DeviceTrouble::Missing);
        assert!(detail.contains("no such file"), "{detail}");
    }

    #[tokio::test]
    async fn a_change_of_device_keeps_the_clock_and_the_subscription() {
        let (microphone, _inbox) = open("tone:400");
        let mut packets = microphone.subscribe();
        let before = listen(&mut packets, 10).await;
        assert!(microphone.switch(&MicrophoneSpec::Tone(900)));
        let after = listen(&mut packets, 60).await;
        let mut last = before[9].timestamp;
        for packet in &after {
            let step = packet.timestamp.wrapping_sub(last);
            assert!((960..4_800).contains(&step), "a step of {step}");
            last = packet.timestamp;
        }
        let tone = measure::tone(&decode(&after)[28_800..], RATE).unwrap();
        assert!((tone.hz - 900.0).abs() < 2.0, "{tone:?}");
    }
}

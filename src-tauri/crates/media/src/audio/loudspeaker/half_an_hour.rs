//! Half an hour of a call, faster than real time: a microphone and a speaker whose clocks differ from each other's and from those
//! of the others, and all that a call's sound goes through between them but the processing.

use bytes::Bytes;
use parlor_protocol::media::RtpReceived;
use tokio::sync::watch;

use super::*;
use crate::audio::{
    AudioPacket, AudioStats, Playout,
    capture::{self, Intake},
    encoder::Encoder,
    level::{SILENCE, tests::voice},
    mixer::{Mixer, Strip},
    processing::reference,
    voice::Voice,
};

const MILLISECONDS: u64 = 30 * 60 * 1_000;
/// Until the clocks are known, and what the first callbacks asked for is forgotten.
const SETTLED: u64 = 60 * 1_000;
/// In each minute so much is said into the microphone. In the rest of it it is muted: encoding is what costs time here.
const SAYS: u64 = 8 * 1_000;

/// A device's clock, so many millionths fast, that calls back every 10 ms of its own.
struct Beat {
    fast: f64,
    count: u64,
}

impl Beat {
    fn is_due(&mut self, now: Duration) -> bool {
        let due = self.count as f64 * 0.01 <= now.as_secs_f64() * (1.0 + self.fast * 1e-6);
        self.count += u64::from(due);
        due
    }
}

/// What waited at most, in milliseconds.
#[derive(Debug, Default)]
struct Waited {
    microphone: f64,
    speaker: f64,
    /// Of the others' sound here, and of ours there.
    here: f32,
    there: f32,
}

fn packets() -> Vec<Bytes> {
    let mut encoder = Encoder::new().unwrap();
    (0..1_000).filter_map(|frame| encoder.push(&voice(frame * FRAME))).collect()
}

fn call(microphone_fast: f64, speaker_fast: f64, rate: u32) {
    let (start, packets) = (Instant::now(), packets());
    let said: Vec<Frame> = (0..500).map(|n| voice(n * FRAME)).collect();
    // The microphone and those who hear it.
    let (mut samples, feed) = capture::ring(rate).unwrap();
    let mut intake = Intake::default();
    intake.connect(feed);
    let (mut voice_out, mut there) = (Voice::new(u32::MAX - 1_000_000).unwrap(), Playout::new().unwrap());
    let mut microphone = Beat { fast: microphone_fast, count: 0 };
    // The others, and the speaker.
    let (shown, _levels) = watch::channel(Vec::new());
    let (shown_stats, here) = watch::channel(AudioStats::default());
    let (packets_in, queue) = mpsc::sync_channel(256);
    let mut mixer = Mixer::new(shown);
    mixer.add(Strip::new(1, queue, shown_stats, Arc::default(), Arc::new(AtomicU32::new(1f32.to_bits()))));
    let (mut feed, mut spout) = pair(rate, start);
    let mut speaker = Beat { fast: speaker_fast, count: 0 };
    let (mut played, mut far) = reference().unwrap();

    let (mut seed, mut sequence, mut sent, mut skipped, mut dry) = (1u32, 0u16, 0u64, 0, 0);
    let (mut waited, mut dropouts) = (Waited::default(), 0);
    let mut out = vec![0f32; rate as usize / 100];
    let mut frame = SILENCE;
    for ms in 0..MILLISECONDS {
        let (passed, now) = (Duration::from_millis(ms), start + Duration::from_millis(ms));
        // Threads are up to 3 ms late.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (mixes, captures) = (seed >> 16 & 3 == 0 || ms.is_multiple_of(4), seed >> 20 & 3 == 0 || ms % 4 == 1);
        if microphone.is_due(passed) {
            let frame = &said[microphone.count as usize % said.len()];
            capture::gather(&mut samples, &frame[..rate as usize / 100], 1);
        }
        if speaker.is_due(passed) {
            spout.fill(&mut out[..], 1);
        }
        if ms.is_multiple_of(20) {
            let (timestamp, payload) = (sent as u32 * 960, packets[sent as usize % packets.len()].clone());
            let packet = RtpReceived { sequence: sent as u16, timestamp, marker: false, payload };
            packets_in.try_send((packet, now)).expect("the mixer empties it");
            sent += 1;
        }
        if mixes {
            feed.look(now);
            for _ in 0..feed.wanted(now) {
                mixer.mix(&mut frame, now);
                assert!(feed.play(&frame), "the speaker runs");
                played.push(&frame, now);
            }
        }
        if captures {
            while let Some(lost) = intake.take(&mut frame) {
                skipped += lost;
                let mut heard = SILENCE;
                dry += usize::from(!far.pull(&mut heard, now) && ms > SETTLED);
                let muted = ms % 60_000 >= SAYS;
                if let Some(packet) = voice_out.push(&frame, lost, muted, now) {
                    let AudioPacket { timestamp, marker, payload, .. } = packet;
                    there.push(RtpReceived { sequence, timestamp, marker, payload }, now);
                    sequence = sequence.wrapping_add(1);
                }
            }
        }
        if ms % 10 == 5 {
            there.pull(&mut frame, now);
        }
        if ms < SETTLED {
            dropouts = spout.gauge.dropouts.load(Ordering::Relaxed);
        } else if ms.is_multiple_of(10) {
            let in_ring = (samples.buffer().capacity() - samples.slots()) as f64 * 1_000.0 / f64::from(rate);
            waited.microphone = waited.microphone.max(in_ring + intake.waiting() as f64 / 48.0);
            waited.speaker = waited.speaker.max(feed.waiting() as f64 * 1_000.0 / f64::from(rate));
            waited.here = waited.here.max(here.borrow().buffer_ms);
            waited.there = waited.there.max(there.stats().buffer_ms);
        }
    }

    let (here, there) = (*here.borrow(), there.stats());
    assert!(waited.microphone < 30.0 && skipped == 0, "{skipped} samples skipped, {waited:?}");
    assert!(waited.speaker < 40.0, "{waited:?}");
    assert_eq!(spout.gauge.dropouts.load(Ordering::Relaxed), dropouts, "the speaker ran dry");
    assert!(waited.here < 90.0 && waited.there < 90.0, "{waited:?}");
    assert_eq!((here.lost, here.late, there.lost, there.late), (0, 0, 0, 0));
    // Figures are shown ten times a second.
    assert!(here.received + 10 > MILLISECONDS / 20, "{here:?}");
    assert!(here.concealed_ratio < 0.002, "{here:?}");
    // It may run dry when the beats of two threads have moved against each other, and then it is held a frame later.
    assert!(dry < 20, "nothing to be cancelled {dry} times");
}

/// A speaker's ring between the mixer and the device.
fn pair(rate: u32, now: Instant) -> (Feed, Spout) {
    let (ring, consumer) = RingBuffer::new((rate * RING_MS / 1_000) as usize);
    let (gauge, free) = (Arc::new(Gauge::default()), ring.slots());
    let spout = Spout { ring: consumer, gauge: gauge.clone(), began: false, last: 0.0 };
    let feed = Feed {
        ring,
        resampler: Resampler::new(RATE, rate).unwrap(),
        resampled: VecDeque::new(),
        rate,
        gauge,
        spare: Spare::new(now),
        request: 0,
        since: now,
        free,
        moved: now,
        stuck: false,
    };
    (feed, spout)
}

#[test]
fn half_an_hour_with_a_fast_microphone_and_a_slow_speaker_neither_drifts_nor_grows() {
    call(200.0, -200.0, RATE);
}

#[test]
fn half_an_hour_with_a_slow_microphone_and_a_fast_speaker_neither_drifts_nor_grows() {
    call(-200.0, 200.0, RATE);
}

#[test]
fn half_an_hour_at_another_rate_neither_drifts_nor_grows() {
    call(200.0, 200.0, 44_100);
}

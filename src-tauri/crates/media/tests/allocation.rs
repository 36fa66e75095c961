//! How much memory sound asks for on its way, once it runs. Alone in its process, because everything is counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts is not to be had otherwise")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use opus::{Application, Channels};
use parlor_media::audio::{FRAME, Frame, Microphone, Playout, Processor, RATE, Switches, reference};
use parlor_protocol::media::RtpReceived;

struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

// SAFETY: everything is handed on to the system's allocator as it came; the counters are atomic and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        HELD.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Held by the test that counts.
static ALONE: Mutex<()> = Mutex::new(());

/// A call's sound, from the speaker's thread to the processed frame. For each of the later frames: how often memory was asked
/// for; and how many bytes more are held in the end.
fn call(switches: Switches) -> (u64, i64) {
    let (mut played, mut far_end) = reference().unwrap();
    let (mut processor, start) = (Processor::new(switches), Instant::now());
    let mut most = 0;
    let mut held = 0;
    for n in 0..3_000u32 {
        if n == 1_500 {
            held = HELD.load(Relaxed);
        }
        let tone = |pitch: f32| -> Frame {
            std::array::from_fn(|k| 0.1 * ((n as usize * FRAME + k) as f32 / pitch).sin() * (n as f32 / 9.0).sin())
        };
        let now = start + Duration::from_millis(10) * n;
        let before = CALLS.load(Relaxed);
        // Both clocks run, the speaker's a little faster; now and then it gives two at once.
        played.push(&tone(17.0), now);
        if n % 1_000 == 999 {
            played.push(&tone(17.0), now);
        }
        let (mut frame, mut far) = (tone(31.0), [0.0; FRAME]);
        far_end.pull(&mut far, now);
        processor.process(&mut frame, &far);
        if n >= 1_500 {
            most = most.max(CALLS.load(Relaxed) - before);
        }
    }
    (most, HELD.load(Relaxed) - held)
}

#[test]
fn nothing_is_asked_for_but_by_the_library_and_nothing_is_kept() {
    let rumble = Switches { high_pass: true, ..Switches::NONE };
    let _alone = ALONE.lock();
    assert_eq!(call(Switches::NONE), (0, 0));
    assert_eq!(call(rumble), (0, 0));
    assert_eq!(call(Switches { noise_suppression: true, ..rumble }), (0, 0));
    // The canceller and the gain take small scratch buffers and give them back within the frame.
    for switches in
        [Switches { echo_cancellation: true, ..rumble }, Switches { automatic_gain: true, ..rumble }, Switches::ALL]
    {
        let (calls, kept) = call(switches);
        assert!(calls < 200, "{switches:?}: {calls} for a frame");
        assert_eq!(kept, 0, "{switches:?}");
    }
}

#[test]
fn a_tone_is_captured_encoded_and_handed_on_without_asking_for_memory() {
    let _alone = ALONE.lock();
    let (events, _inbox) = tokio::sync::mpsc::channel(8);
    let microphone = Microphone::open(&"tone:440".parse().unwrap(), events);
    let (mut one, mut other) = (microphone.subscribe(), microphone.subscribe());
    let mut hear = |packets: u32| {
        for _ in 0..packets {
            assert_eq!(one.blocking_recv().unwrap(), other.blocking_recv().unwrap());
        }
    };
    hear(20);
    let before = CALLS.load(Relaxed);
    // More bytes than packets share at a time, so that those of the first are used again.
    hear(150);
    assert_eq!(CALLS.load(Relaxed) - before, 0);
}

/// Packets of a tone that wavers, made ahead.
fn packets(count: u32) -> Vec<RtpReceived> {
    let mut encoder = opus::Encoder::new(RATE, Channels::Mono, Application::Voip).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(20).unwrap();
    let mut encode = |n: u32| {
        let sample = |k: usize| (n as usize * 2 * FRAME + k) as f32;
        let pcm: Vec<f32> =
            (0..2 * FRAME).map(|k| 0.2 * (sample(k) / (17.0 + (sample(k) / 9_000.0).sin())).sin()).collect();
        encoder.encode_vec_float(&pcm, 1_275).unwrap()
    };
    let packet = |n: u32| RtpReceived {
        sequence: n as u16,
        timestamp: n * 2 * FRAME as u32,
        marker: n == 0,
        payload: encode(n).into(),
    };
    (0..count).map(packet).collect()
}

#[test]
fn what_comes_evenly_is_decoded_without_asking_for_memory() {
    let _alone = ALONE.lock();
    let packets = packets(1_500);
    let (mut playout, start) = (Playout::new().unwrap(), Instant::now());
    let at = |ms: u32| start + Duration::from_millis(ms.into());
    let mut before = 0;
    let mut frame = [0.0; FRAME];
    for (n, packet) in (0..).zip(packets) {
        if n == 750 {
            before = CALLS.load(Relaxed);
        }
        playout.push(packet, at(n * 20));
        for half in 0..2 {
            playout.pull(&mut frame, at(n * 20 + half * 10));
        }
    }
    assert_eq!(CALLS.load(Relaxed) - before, 0);
    assert!(playout.stats().concealed_ratio < 0.1);
}

#[test]
fn half_an_hour_of_clocks_apart_holds_no_more_than_five_minutes() {
    let _alone = ALONE.lock();
    let packets = &packets(100)[50..];
    for fast_ppm in [-200i64, 200] {
        let (mut playout, start) = (Playout::new().unwrap(), Instant::now());
        let (mut played, mut far_end) = reference().unwrap();
        let (mut sent, mut held, mut written) = (0u64, 0, 0u64);
        for beat in 0..30 * 60 * 100u64 {
            let passed = Duration::from_millis(10) * beat as u32;
            if beat == 5 * 60 * 100 {
                held = HELD.load(Relaxed);
            }
            // One packet in fifty is lost, one in thirty comes twice.
            while Duration::from_nanos(sent * (20_000_000 - 20 * fast_ppm) as u64) <= passed {
                let packet = RtpReceived {
                    sequence: sent as u16,
                    timestamp: (sent as u32).wrapping_mul(960),
                    marker: false,
                    payload: packets[sent as usize % packets.len()].payload.clone(),
                };
                if sent % 50 != 7 {
                    playout.push(packet.clone(), start + passed);
                }
                if sent % 30 == 0 {
                    playout.push(packet, start + passed);
                }
                sent += 1;
            }
            let mut frame = [0.0; FRAME];
            playout.pull(&mut frame, start + passed);
            while Duration::from_nanos(written * (10_000_000 + 10 * fast_ppm) as u64) <= passed {
                played.push(&frame, start + passed);
                written += 1;
            }
            far_end.pull(&mut frame, start + passed);
        }
        let more = HELD.load(Relaxed) - held;
        // A buffer may be as full as it ever is at one of the two moments and empty at the other.
        assert!(more.abs() < 64 * 1024, "{fast_ppm} ppm: {more} bytes more");
    }
}

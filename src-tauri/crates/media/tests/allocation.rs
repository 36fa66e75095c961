//! How much memory the way of captured sound asks for while it runs. Alone in its process, because everything is counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts is not to be had otherwise")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parlor_media::audio::{FRAME, Frame, Processor, Switches, reference};

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

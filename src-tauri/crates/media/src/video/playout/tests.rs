use super::*;

const PICTURE: u64 = 33;

/// Pictures 33 ms apart, and when each is whole and for how long it waited for repairs, in milliseconds. Says when each is shown.
fn shown(playout: &mut Playout, start: Instant, pictures: impl IntoIterator<Item = (u64, u64)>) -> Vec<u64> {
    let mut shown = Vec::new();
    let mut poll = |playout: &mut Playout, until: Option<Instant>| {
        while let Some(due) = playout.poll_timeout().filter(|due| until.is_none_or(|until| *due <= until)) {
            assert!(playout.poll(due).is_some());
            shown.push((due - start).as_millis() as u64);
        }
    };
    for (n, (whole, waited)) in pictures.into_iter().enumerate() {
        let now = start + Duration::from_millis(whole);
        poll(playout, Some(now));
        playout.push(frame(n as u32 * PICTURE as u32 * 90, waited), now);
    }
    poll(playout, None);
    shown
}

/// Pictures of which each waits for repairs of its own, and for those before it.
fn repaired(count: u64, own: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
    let mut last = 0;
    let whole = (0..count).map(|n| {
        last = last.max(n * PICTURE + own(n));
        (last, last - n * PICTURE)
    });
    whole.collect()
}

fn frame(timestamp: u32, waited: u64) -> AssembledFrame {
    let waited = Duration::from_millis(waited);
    AssembledFrame { data: vec![0].into(), key: false, timestamp: timestamp.wrapping_sub(1 << 16), size: None, waited }
}

#[test]
fn without_losses_every_picture_is_shown_at_once_whatever_its_way() {
    let late = |n: u64| [0, 9, 4, 20, 2, 0, 17][n as usize % 7];
    let whole: Vec<u64> = (0..400).map(|n| n * PICTURE + late(n)).collect();
    let mut playout = Playout::new();
    assert_eq!(shown(&mut playout, Instant::now(), whole.iter().map(|whole| (*whole, 0))), whole);
    assert_eq!(playout.delay(), Duration::ZERO);
}

#[test]
fn a_rare_repair_holds_nothing_that_comes_after_it() {
    let whole = repaired(400, |n| if n % 50 == 25 { 60 } else { 0 });
    let mut playout = Playout::new();
    let shown = shown(&mut playout, Instant::now(), whole.iter().copied());
    assert_eq!(playout.delay(), Duration::ZERO);
    // But one after the other: up to two more came with the one that was repaired.
    assert!(shown.iter().zip(&whole).all(|(shown, (whole, _))| *shown <= whole + 2 * CATCH_UP.as_millis() as u64));
}

#[test]
fn one_hole_holds_nothing_however_many_pictures_it_kept_waiting() {
    // Fifteen wait behind one packet; or all that was sent in half a second is lost, and comes again within another half.
    let behind = |n: u64| (600_u64, 600 - n * PICTURE);
    let lost = |n: u64| (600 + (n - 3) * 20, 60 + (n - 3) * 20);
    for hole in [&behind as &dyn Fn(u64) -> (u64, u64), &lost] {
        let (mut playout, start, mut last) = (Playout::new(), Instant::now(), 0);
        let whole = (0..400).map(|n| {
            let (at, waited) = if (3..18).contains(&n) { hole(n) } else { (n * PICTURE, 0) };
            last = at.max(last);
            (last, waited + last - at)
        });
        shown(&mut playout, start, whole);
        assert_eq!(playout.delay(), Duration::ZERO);
    }
}

#[test]
fn on_a_long_path_a_packet_lost_each_second_is_waited_for() {
    // 150 ms there and back: four or five wait for each.
    let (mut playout, start) = (Playout::new(), Instant::now());
    let whole = (0..600).map(|n| {
        let waited = if n % 38 < 5 { 160_u64.saturating_sub(n % 38 * PICTURE) } else { 0 };
        (n * PICTURE + waited, waited)
    });
    shown(&mut playout, start, whole);
    assert!(playout.delay() >= Duration::from_millis(100), "{:?}", playout.delay());
}

#[test]
fn where_many_wait_for_repairs_all_are_shown_evenly() {
    let whole = repaired(400, |n| if n % 3 == 0 { 55 } else { 0 });
    let mut playout = Playout::new();
    let shown = shown(&mut playout, Instant::now(), whole);
    assert!((55..=65).contains(&playout.delay().as_millis()), "{:?}", playout.delay());
    let apart: Vec<u64> = shown.windows(2).skip(200).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().all(|apart| (32..=34).contains(apart)), "{apart:?}");
}

#[test]
fn when_nothing_is_lost_any_more_the_delay_goes_without_a_jump() {
    let (mut playout, start) = (Playout::new(), Instant::now());
    let shown = shown(&mut playout, start, repaired(1000, |n| if n < 300 && n % 2 == 0 { 80 } else { 0 }));
    assert_eq!(playout.delay(), Duration::ZERO);
    assert_eq!(shown.last(), Some(&(999 * PICTURE)));
    assert!(shown.windows(2).skip(310).all(|pair| (31..=34).contains(&(pair[1] - pair[0]))));
}

#[test]
fn a_heap_is_shown_one_after_the_other_and_caught_up_with() {
    let mut playout = Playout::new();
    let whole = (0..60).map(|n: u64| (if (10..20).contains(&n) { 20 * PICTURE } else { n * PICTURE }, 0));
    let shown = shown(&mut playout, Instant::now(), whole);
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] >= CATCH_UP.as_millis() as u64), "{shown:?}");
    assert_eq!(shown[30..], (30..60).map(|n| n * PICTURE).collect::<Vec<_>>());
}

#[test]
fn another_clock_and_any_number_of_pictures_are_survived() {
    let (mut playout, now) = (Playout::new(), Instant::now());
    (0..300).for_each(|n| playout.push(frame(n * 2970, 200), now + Duration::from_millis(u64::from(n) * PICTURE)));
    let later = now + Duration::from_secs(10);
    while playout.poll(later).is_some() {}
    for timestamp in [0, 1 << 31, u32::MAX, 77, 1 << 30] {
        playout.push(frame(timestamp, 0), later);
    }
    assert!(playout.poll_timeout().is_some_and(|due| due <= later + MOST + CATCH_UP * 10));
    (0..1000).for_each(|n| playout.push(frame(n, 0), later));
    assert!(playout.held.iter().all(|(due, _)| *due <= later + MOST));
    assert!(std::iter::from_fn(|| playout.poll(later)).count() >= 1000 - HELD);
}

use proptest::prelude::*;

use super::*;

fn format(width: u32, height: u32) -> VideoFormat {
    VideoFormat { width, height, fps: 30 }
}

fn formats() -> Vec<VideoFormat> {
    vec![format(320, 180), format(640, 360), format(1280, 720)]
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Takers of a 720p camera on a clock that does not wait.
struct World {
    chooser: Chooser,
    now: Instant,
    rates: Vec<Option<u32>>,
    /// Which renditions have an upper layer.
    made: Vec<Option<bool>>,
}

impl World {
    fn new(estimates: &[u64]) -> Self {
        let mut world = Self { chooser: Chooser::default(), now: Instant::now(), rates: Vec::new(), made: Vec::new() };
        for (id, estimate) in (0..).zip(estimates) {
            world.chooser.set_estimate(id, *estimate);
        }
        world.plan();
        world
    }

    fn plan(&mut self) {
        let shares = self.chooser.plan(&formats(), self.now);
        self.rates = shares.iter().map(|share| share.map(|share| share.bitrate)).collect();
        self.made = shares.iter().map(|share| share.map(|share| share.upper)).collect();
    }

    fn estimate(&mut self, id: u64, estimate: u64) {
        self.chooser.set_estimate(id, estimate);
        self.plan();
    }

    fn show(&mut self, id: u64, width: u32, height: u32) {
        self.chooser.set_shown(id, Some(Extent { width, height }));
        self.plan();
    }

    fn want(&mut self, id: u64, rate: u32) {
        self.chooser.set_rate(id, NonZeroU32::new(rate));
        self.plan();
    }

    /// Lets time pass as its timeouts want it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.chooser.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.plan();
        }
        self.now = end;
        self.plan();
    }

    fn rung(&self, id: u64) -> Option<usize> {
        self.chooser.choice(id).map(|choice| choice.rung)
    }

    fn upper(&self, id: u64) -> bool {
        self.chooser.choice(id).is_some_and(|choice| choice.upper)
    }
}

#[test]
fn a_slow_and_a_fast_path_both_get_their_best_from_two_encoders() {
    let world = World::new(&[300_000, 3_000_000]);
    assert_eq!((world.rung(0), world.rung(1)), (Some(1), Some(2)));
    assert_eq!(world.rates, [None, Some(232_000), Some(2_500_000)]);
    assert!(world.upper(0) && world.upper(1));
}

#[test]
fn takers_that_are_alike_share_one_encoder_at_what_the_least_bears() {
    let world = World::new(&[2_000_000, 1_800_000, 1_600_000, 2_400_000, 1_700_000, 1_900_000]);
    assert!((0..6).all(|id| world.rung(id) == Some(2) && world.upper(id)));
    assert_eq!(world.rates, [None, None, Some(1_454_000)]);
}

#[test]
fn one_that_bears_less_than_half_of_the_best_drags_nobody_down() {
    let world = World::new(&[2_700_000, 2_600_000, 800_000]);
    assert_eq!((world.rung(0), world.rung(1), world.rung(2)), (Some(2), Some(2), Some(1)));
    assert_eq!(world.rates, [None, Some(702_000), Some(2_394_000)]);
}

#[test]
fn what_is_shown_small_is_sent_small_and_what_is_not_shown_is_not_sent() {
    let mut world = World::new(&[3_000_000]);
    for (width, height, rung) in
        [(1280, 720, 2), (640, 360, 1), (800, 450, 1), (801, 450, 2), (300, 500, 2), (320, 180, 0), (1, 1, 0)]
    {
        world.show(0, width, height);
        world.pass(ms(2100));
        assert_eq!(world.rung(0), Some(rung), "{width}x{height}");
    }
    world.chooser.set_shown(0, None);
    world.plan();
    assert_eq!((world.rung(0), &world.rates[..]), (None, &[None, None, None][..]));
    world.show(0, 0, 700);
    assert_eq!(world.rung(0), None);
    world.show(0, u32::MAX, u32::MAX);
    assert_eq!(world.rung(0), Some(2), "at once");
}

#[test]
fn a_tile_that_grows_is_served_at_once_and_one_that_shrinks_after_a_while() {
    let mut world = World::new(&[3_000_000]);
    world.show(0, 320, 180);
    assert_eq!(world.rung(0), Some(2));
    world.pass(ms(1900));
    assert_eq!(world.rung(0), Some(2));
    world.pass(ms(200));
    assert_eq!(world.rung(0), Some(0));
    world.pass(ms(3000));
    world.show(0, 1280, 720);
    assert_eq!(world.rung(0), Some(2));
}

#[test]
fn alone_on_a_rendition_the_encoder_follows_and_the_rendition_falls_at_once() {
    let mut world = World::new(&[3_000_000]);
    world.estimate(0, 1_000_000);
    assert_eq!((world.rung(0), world.upper(0), world.rates[2]), (Some(2), true, Some(890_000)));
    world.estimate(0, 600_000);
    assert_eq!((world.rung(0), world.rates[1]), (Some(1), Some(514_000)));
    world.estimate(0, 150_000);
    assert_eq!((world.rung(0), world.rates[0]), (Some(0), Some(91_000)));
    world.estimate(0, 0);
    assert_eq!((world.rung(0), world.rates[0]), (Some(0), Some(20_000)), "it never stops");
}

#[test]
fn among_others_the_upper_layer_goes_first_and_then_they_share_or_part() {
    let mut world = World::new(&[3_000_000, 3_000_000]);
    // Passing: nobody else notices.
    world.estimate(1, 2_200_000);
    assert_eq!(
        (world.rung(1), world.upper(1), world.upper(0), world.rates[2]),
        (Some(2), false, true, Some(2_500_000))
    );
    world.pass(ms(1000));
    world.estimate(1, 3_000_000);
    assert!(world.upper(1));
    // Lasting, within the band: the other one follows.
    world.estimate(1, 2_200_000);
    world.pass(ms(1600));
    assert_eq!((world.rung(1), world.upper(1), world.rates[2]), (Some(2), true, Some(2_018_000)));
    // Too much for the base layer: at once.
    world.estimate(1, 700_000);
    assert_eq!((world.rung(0), world.rung(1), world.rates[1]), (Some(2), Some(1), Some(608_000)));
}

#[test]
fn a_larger_rendition_is_taken_when_it_was_borne_for_a_while() {
    let mut world = World::new(&[500_000]);
    assert_eq!(world.rung(0), Some(1));
    // Enough to stay, not to rise.
    world.estimate(0, 800_000);
    world.pass(ms(5000));
    assert_eq!(world.rung(0), Some(1));
    world.estimate(0, 1_000_000);
    world.pass(ms(900));
    assert_eq!(world.rung(0), Some(1));
    world.pass(ms(200));
    assert_eq!(world.rung(0), Some(2));
}

#[test]
fn a_path_that_cannot_keep_what_it_was_given_is_tried_ever_more_rarely() {
    let mut world = World::new(&[500_000]);
    let mut rises = Vec::new();
    let start = world.now;
    world.estimate(0, 1_000_000);
    while world.now < start + Duration::from_secs(120) {
        let before = world.rung(0);
        world.pass(ms(100));
        if world.rung(0) > before {
            rises.push((world.now - start).as_secs());
            // The larger picture proves too much after a second.
            world.pass(ms(1000));
            world.estimate(0, 500_000);
            world.pass(ms(500));
            world.estimate(0, 1_000_000);
        }
    }
    assert!((4..=8).contains(&rises.len()), "{rises:?}");
}

#[test]
fn a_path_may_rise_to_the_next_size_on_what_one_size_proves() {
    for pair in formats().windows(2) {
        assert!(most(pair[0]) * 100 >= least(pair[1]) * RISE, "{pair:?}");
    }
}

#[test]
fn without_renditions_there_is_nothing_to_choose() {
    let mut chooser = Chooser::default();
    chooser.set_estimate(0, 1_000_000);
    assert!(chooser.plan(&[], Instant::now()).is_empty());
    assert_eq!(chooser.choice(0), None);
    chooser.plan(&formats(), Instant::now());
    chooser.plan(&formats()[..1], Instant::now());
    assert_eq!(chooser.choice(0).map(|choice| choice.rung), Some(0));
}

/// What happens to takers: (milliseconds, who, estimate in kbit/s, what it shows, the pictures a second that it wants).
type Happening = (u64, u64, u64, Option<(u32, u32)>, u32);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let shown = prop_oneof![
        4 => Just(Some((u32::MAX, u32::MAX))),
        3 => (0u32..2000, 0u32..1200).prop_map(Some),
        1 => Just(None),
    ];
    let rate = prop_oneof![3 => Just(0), 1 => 1u32..40];
    proptest::collection::vec((0u64..3000, 0u64..6, 0u64..4000, shown, rate), 1..60)
}

proptest! {
    #[test]
    fn nobody_is_sent_more_than_it_bears_or_shows(happenings in happenings()) {
        let mut world = World::new(&[]);
        for (wait, id, kilobits, shown, rate) in happenings {
            world.pass(ms(wait));
            world.want(id, rate);
            let shown = shown.map(|(width, height)| Extent { width, height });
            world.chooser.set_shown(id, shown);
            world.estimate(id, kilobits * 1000);
            for (id, taker) in &world.chooser.takers {
                let Some(Choice { rung, upper }) = taker.choice else {
                    prop_assert!(taker.shown.is_none_or(|shown| shown.width == 0 || shown.height == 0), "{id}");
                    continue;
                };
                let rate = u64::from(world.rates[rung].unwrap());
                let sent = if upper { rate } else { rate * u64::from(BASE_SHARE) / 100 };
                prop_assert!(sent <= taker.budget(), "{id}: {sent} of {}", taker.budget());
                prop_assert!(!upper || taker.rate.is_none_or(|rate| rate.get() > 22), "{id}");
                prop_assert!(taker.shown.is_some());
            }
            for (rung, rate) in world.rates.iter().enumerate() {
                let taken = world.chooser.takers.values().any(|taker| taker.rung() == Some(rung));
                prop_assert_eq!(taken, rate.is_some());
                let whole = world.chooser.takers.values().any(|taker| taker.choice == Some(Choice { rung, upper: true }));
                prop_assert_eq!(whole, world.made[rung].unwrap_or_default());
                prop_assert!(rate.is_none_or(|rate| u64::from(rate) <= most(formats()[rung])));
            }
        }
    }

    #[test]
    fn a_rendition_has_half_of_what_its_best_taker_bears(happenings in happenings()) {
        let mut world = World::new(&[]);
        for (wait, id, kilobits, shown, rate) in happenings {
            world.pass(ms(wait));
            world.want(id, rate);
            world.chooser.set_shown(id, shown.map(|(width, height)| Extent { width, height }));
            world.estimate(id, kilobits * 1000);
        }
        world.pass(Duration::from_secs(60));
        for rung in 1..3 {
            let members = world.chooser.takers.values().filter(|taker| taker.rung() == Some(rung));
            let Some(best) = members.map(|taker| taker.budget().min(most(formats()[rung]))).max() else { continue };
            let rate = u64::from(world.rates[rung].unwrap());
            prop_assert!(rate >= best * BAND / 100, "{rate} of {best}");
            prop_assert!(rate >= least(formats()[rung]));
        }
    }

    #[test]
    fn an_estimate_that_wavers_moves_nobody_for_long(
        centre in 100u64..3500, noise in proptest::collection::vec(0u64..20, 480),
    ) {
        let mut world = World::new(&[centre * 1000]);
        let mut changes = 0;
        for percent in noise {
            let before = world.rung(0);
            world.pass(ms(250));
            world.estimate(0, centre * 10 * (90 + percent));
            changes += u32::from(world.rung(0) != before);
        }
        prop_assert!(changes <= 2, "{changes} within two minutes");
    }

    #[test]
    fn takers_that_waver_together_change_rarely(
        centres in proptest::collection::vec(100u64..3500, 2..6),
        noise in proptest::collection::vec(proptest::collection::vec(0u64..20, 6), 240),
    ) {
        let mut world = World::new(&centres.iter().map(|centre| centre * 1000).collect::<Vec<_>>());
        let mut changes = vec![0; centres.len()];
        for percents in noise {
            let before: Vec<_> = (0..centres.len()).map(|id| world.rung(id as u64)).collect();
            world.pass(ms(250));
            for ((id, centre), percent) in (0..).zip(&centres).zip(percents) {
                world.estimate(id, centre * 10 * (90 + percent));
            }
            for (id, before) in before.into_iter().enumerate() {
                changes[id] += u32::from(world.rung(id as u64) != before);
            }
        }
        prop_assert!(changes.iter().all(|changes| *changes <= 16), "{changes:?} within a minute");
    }
}

#[test]
fn who_is_lost_drags_nobody_down_and_needs_no_encoder_of_its_own() {
    let mut world = World::new(&[2_000_000, 2_000_000, 900_000]);
    let (before, budget) = (world.rates.clone(), world.rates[2]);
    assert!(budget.is_some() && world.rung(1) == Some(2));
    assert!(world.chooser.set_lost(1, true) && !world.chooser.set_lost(1, true));
    for estimate in [1_000_000, 300_000, 60_000] {
        world.estimate(1, estimate);
        world.pass(ms(700));
        assert_eq!(world.rates, before, "at {estimate}");
    }
    // It goes along with the least that the others take, without the upper layer.
    let smallest = world.rates.iter().position(Option::is_some).unwrap();
    assert_eq!(world.chooser.choice(1), Some(Choice { rung: smallest, upper: false }));
    world.chooser.set_lost(1, false);
    world.plan();
    assert_eq!(world.rung(1), Some(0));
    // Alone it is sent what its path bears, as far as anybody knows.
    for id in 0..3 {
        world.chooser.set_lost(id, true);
    }
    world.plan();
    assert_eq!((world.rung(0), world.rung(1)), (Some(2), Some(0)));
}

#[test]
fn who_paints_half_of_the_pictures_is_sent_the_base_layer_and_the_others_all() {
    let mut world = World::new(&[3_000_000, 3_000_000]);
    assert_eq!(world.made, [None, None, Some(true)]);
    world.want(0, 16);
    assert_eq!((world.rung(0), world.upper(0)), (Some(2), false));
    assert_eq!((world.rung(1), world.upper(1)), (Some(2), true));
    assert_eq!((world.rates[2], world.made[2]), (Some(2_500_000), Some(true)));
    // Half is nearer to 22 of 30 than all; from 23 on it is not.
    for (rate, upper) in [(1, false), (22, false), (23, true), (30, true), (u32::MAX, true), (22, false), (0, true)] {
        world.want(0, rate);
        assert_eq!((world.upper(0), world.upper(1)), (upper, true), "{rate}");
    }
}

#[test]
fn an_upper_layer_that_nobody_takes_is_not_made() {
    let mut world = World::new(&[3_000_000, 3_000_000]);
    world.want(0, 16);
    world.want(1, 10);
    assert_eq!(world.made, [None, None, Some(false)]);
    world.want(1, 0);
    assert_eq!(world.made, [None, None, Some(true)]);
    // Who looks away takes nothing.
    world.chooser.set_shown(1, None);
    world.plan();
    assert_eq!(world.made, [None, None, Some(false)]);
    // Neither does another size concern it.
    world.show(1, 320, 180);
    world.pass(ms(3000));
    assert_eq!(world.made, [Some(true), None, Some(false)]);
}

#[test]
fn a_rendition_without_an_upper_layer_spends_what_that_would_take() {
    let mut world = World::new(&[1_000_000]);
    assert_eq!(world.rates[2], Some(890_000));
    world.want(0, 15);
    // Of 890 kbit/s, 63 in 100 are what the base layer takes at most.
    assert_eq!((world.rung(0), world.rates[2]), (Some(2), Some(1_412_698)));
    world.want(0, 0);
    assert_eq!((world.upper(0), world.rates[2]), (true, Some(890_000)));
}

#[test]
fn who_paints_half_of_the_pictures_drags_nobody_down_whose_path_bears_more() {
    let mut world = World::new(&[1_700_000, 2_400_000]);
    assert_eq!(world.rates[2], Some(1_548_000));
    world.want(0, 15);
    // Its base layer has room on its path even at what the other bears.
    assert_eq!((world.rates[2], world.upper(0), world.upper(1)), (Some(2_206_000), false, true));
    world.pass(ms(5000));
    assert_eq!((world.rates[2], world.rung(0)), (Some(2_206_000), Some(2)));
}

//! What may never be believed of these paths, and what must have been noticed.

use super::trace::Told;

const STEPS: &str = include_str!("steps.trace");
const LOSS: &str = include_str!("loss.trace");
const BUSY: &str = include_str!("busy.trace");

/// A change is noticed within so many seconds.
const NOTICED: f64 = 1.5;

#[test]
fn a_link_that_changes_is_followed() {
    let told = Told::new(STEPS);
    for (rate, from, to) in [(1e6, 3.0, 12.0), (2.5e6, 12.0, 24.0), (0.6e6, 24.0, 36.0), (1e6, 36.0, 48.0)] {
        let (above, came) = (told.above(rate * 1.05, from + NOTICED, to), told.came(from, to));
        let last = told.between(to - 1.0, to).last().unwrap();
        println!("{rate}: {above:.3} of the time above it, {last:.0} at the end, {came:.0} came");
        assert!(above <= 0.02, "{rate}: {above}");
        assert!(last >= 0.8 * rate, "{rate}: {last}");
    }
}

#[test]
fn losses_that_no_queue_made_hardly_lower_it() {
    let told = Told::new(LOSS);
    let lost = told.lost(6.0, 25.0);
    assert!((0.03..0.08).contains(&lost), "{lost}");
    let before = told.between(4.0, 5.0).last().unwrap();
    let all: Vec<f64> = told.between(8.0, 25.0).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let lowest = all.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{before:.0} before, then {mean:.0} on average and never below {lowest:.0}");
    assert!(mean >= 0.85 * before && lowest >= 0.7 * before, "{mean} and {lowest} of {before}");
}

#[test]
fn a_machine_that_has_no_time_is_no_link_that_has_no_room() {
    let told = Told::new(BUSY);
    let lowest = told.between(5.0, 22.0).fold(f64::INFINITY, f64::min);
    let (came, above) = (told.came(5.0, 22.0), told.above(4.2e6, 5.0, 22.0));
    let before = told.between(4.0, 5.0).last().unwrap();
    println!("{before:.0} before, then never below {lowest:.0}, {came:.0} came, {above:.3} of the time above the link");
    // The machine lowers what it sends soon; the estimate is not drawn along.
    assert!(lowest >= 0.5 * before && lowest >= 2.0 * told.came(12.0, 22.0), "{lowest} of {before}, where {came} came");
    assert!(above <= 0.05, "{above}");
}

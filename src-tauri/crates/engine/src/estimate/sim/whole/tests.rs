//! What somebody sees who is called over a bad link.

use super::*;

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const MBIT: f64 = 1_000_000.0;

/// As pictures are on a link of 3 Mbit/s and 40 ms there and back after a while, for 20 s.
fn losing(loss: f64, burst: u32, seed: u64) -> (Call, Seen) {
    let path = Path { rate: 3.0 * MBIT, delay: 0.02, loss, burst, ..Path::default() };
    let mut call = Call::new(path, seed);
    call.run(path, 15.0);
    let seen = call.run(path, 20.0);
    (call, seen)
}

#[test]
fn pictures_do_not_freeze_where_packets_are_lost() {
    let mut all = Vec::new();
    // Of five calls of 20 s each, all freezes together.
    for (loss, most) in [(0.0, 0), (0.02, 0), (0.05, 0), (0.1, 0), (0.2, 1)] {
        let mut freezes = 0;
        for seed in SEEDS {
            let (call, seen) = losing(loss, 1, seed);
            println!(
                "{loss} seed {seed}: {:.2} Mbit/s, {} p, {:.1} pictures a second, {} key frames ({} refused, {} asked), dropped {}, held {:?}; {} freezes of {:.2} s",
                seen.bits / 20.0 / MBIT,
                call.encoder.height(),
                f64::from(seen.pictures) / 20.0,
                seen.keys,
                seen.refused,
                seen.asked,
                call.dropped,
                call.playout.delay(),
                seen.freezes,
                seen.frozen
            );
            freezes += seen.freezes;
        }
        all.push((loss, freezes, most));
    }
    assert!(all.iter().all(|(_, freezes, most)| freezes <= most), "{all:?}");
}

#[test]
fn a_link_that_changes_is_used_and_its_pictures_go_on() {
    let rates = [1.0, 2.5, 0.6, 1.0].map(|rate| rate * MBIT);
    for seed in SEEDS {
        let at = |rate| Path { rate, ..Path::default() };
        let mut call = Call::new(at(rates[0]), seed);
        call.run(at(rates[0]), 5.0);
        let seen = rates.map(|rate| call.run(at(rate), 25.0));
        for (n, rate) in rates.iter().enumerate() {
            let (from, to) = (5.0 + n as f64 * 25.0, 30.0 + n as f64 * 25.0);
            println!(
                "{rate}: used {:.3}, queue {:.3} s, {} key frames ({} refused, {} asked), {} freezes of {:.2} s",
                call.rate(from, to) / rate,
                call.queued(from, to),
                seen[n].keys,
                seen[n].refused,
                seen[n].asked,
                seen[n].freezes,
                seen[n].frozen
            );
        }
        let used = call.rate(5.0, 105.0) / (rates.iter().sum::<f64>() / 4.0);
        let (up, again) = (call.reaches(0.9 * rates[1], 30.0, 55.0), call.reaches(0.9 * rates[3], 80.0, 105.0));
        let (queued, lost) = (call.queued(5.0, 105.0), f64::from(call.dropped) / f64::from(call.sent));
        let freezes: u32 = seen.iter().map(|seen| seen.freezes).sum();
        println!(
            "seed {seed}: used {used:.3}, up {up:.1} s, {again:.1} s, queue {queued:.3} s, lost {lost:.4}, {freezes} freezes"
        );
        assert!(used >= 0.85 && queued <= 0.1 && lost <= 0.02, "{used} {queued} {lost}");
        assert!(up <= 8.0 && again <= 8.0, "{up} {again}");
        // To a quarter of its rate at once: what is on its way then is lost, and known to be when the queue has passed.
        let fallen = seen[2];
        assert!(freezes == fallen.freezes && fallen.freezes <= 2 && fallen.frozen <= 1.0, "{seen:?}");
    }
}

#[test]
fn losses_in_rows_and_of_requests_are_made_up_for_as_well() {
    for (loss, burst, back) in [(0.05, 3, 0.0), (0.05, 1, 0.05), (0.1, 1, 0.1)] {
        let path = Path { rate: 3.0 * MBIT, delay: 0.02, loss, burst, ..Path::default() };
        let freezes: u32 = SEEDS
            .iter()
            .map(|seed| {
                let mut call = Call::new(path, *seed);
                call.back_loss = back;
                call.run(path, 15.0);
                let seen = call.run(path, 20.0);
                println!(
                    "{loss} in rows of {burst}, {back} back, seed {seed}: {seen:?}, held {:?}",
                    call.playout.delay()
                );
                seen.freezes
            })
            .sum();
        assert!(freezes <= 2, "{freezes} freezes at {loss} in rows of {burst}, {back} back");
    }
}

#[test]
fn without_losses_nothing_is_held() {
    let path = Path { rate: 3.0 * MBIT, delay: 0.02, ..Path::default() };
    let mut call = Call::new(path, 1);
    for _ in 0..30 {
        assert_eq!(call.run(path, 1.0).freezes, 0);
        assert_eq!(call.playout.delay(), Duration::ZERO);
    }
}

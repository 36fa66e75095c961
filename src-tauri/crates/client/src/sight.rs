//! What the window shows of the others' pictures, as it reports it. No clock: time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parlor_protocol::{
    media::{Extent, Showing},
    ui::TileReport,
};

use crate::demand::Demand;

/// Device pixels on a side below which a picture says nothing.
const TINY: u32 = 24;
/// How long a picture has to be out of sight before its sender is told: tiles are moved about, and a window is covered for
/// a moment.
const HIDE_AFTER: Duration = Duration::from_secs(1);

/// As large as a picture is sent.
const LARGEST: Extent = Extent { width: 1280, height: 720 };

/// The tiles of a call.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    tiles: BTreeMap<u32, Look>,
}

#[derive(Debug, Default)]
struct Look {
    /// As it was seen last.
    extent: Option<Extent>,
    /// Since when it is out of sight, although there is a picture.
    hidden: Option<Instant>,
    /// That it is out of sight was said, and nothing else since.
    given_up: bool,
    demand: Demand,
}

impl Sight {
    /// Takes in what the window says of a tile. `picture`: the tile has one to show. Without, an avatar is in its place, and
    /// it says nothing that no picture is seen. `came`: how many of its pictures came since the last report.
    pub(crate) fn report(&mut self, report: &TileReport, picture: bool, came: u64, now: Instant) {
        let look = self.tiles.entry(report.tile).or_default();
        if !report.hidden && report.width >= TINY && report.height >= TINY {
            look.extent = Some(Extent { width: report.width, height: report.height });
            look.hidden = None;
            // A window that stands still is not slow: it may lie behind others, or wait for a key frame.
            if report.painted == 0 {
                look.demand.pause();
            } else if look.demand.note(came, report.painted.into(), now) {
                tracing::info!(tile = report.tile, rate = ?look.demand.rate(), "pictures are asked for as they are painted");
            }
            return;
        }
        look.demand.pause();
        if picture {
            look.hidden.get_or_insert(now);
        }
    }

    /// How a tile's picture is shown, `Some(None)` where it is not; nothing before anybody has said.
    pub(crate) fn view(&mut self, tile: u32, picture: bool, now: Instant) -> Option<Option<Showing>> {
        let look = self.tiles.get_mut(&tile)?;
        if !picture {
            look.hidden = None;
        }
        if look.hidden.is_some_and(|since| now.saturating_duration_since(since) >= HIDE_AFTER) {
            look.given_up = true;
            return Some(None);
        }
        // What was never seen and is gone has to come again before it can be: its sender must not wait for a look at it.
        let unseen = (look.given_up && look.hidden.is_none()).then_some(LARGEST);
        let seen = look.extent.or(unseen)?;
        look.given_up &= look.extent.is_none();
        Some(Some(Showing { extent: seen, rate: look.demand.rate() }))
    }

    /// Forgets all tiles but these.
    pub(crate) fn keep(&mut self, such: impl Fn(u32) -> bool) {
        self.tiles.retain(|tile, _| such(*tile));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(hidden: bool, width: u32) -> TileReport {
        TileReport { tile: 1, painted: 0, errors: 0, want_key: false, width, height: 90, hidden }
    }

    const SEEN: Option<Option<Showing>> = Some(Some(Showing { extent: Extent { width: 160, height: 90 }, rate: None }));

    #[test]
    fn a_tile_is_hidden_when_it_stays_so_and_seen_at_once() {
        let (mut sight, start) = (Sight::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(sight.view(1, true, at(0)), None);
        sight.report(&report(false, 160), true, 0, at(0));
        assert_eq!(sight.view(1, true, at(0)), SEEN);
        sight.report(&report(true, 0), true, 0, at(100));
        assert_eq!(sight.view(1, true, at(1000)), SEEN);
        sight.report(&report(true, 0), true, 0, at(1100));
        assert_eq!(sight.view(1, true, at(1100)), Some(None));
        sight.report(&report(false, 160), true, 0, at(1200));
        assert_eq!(sight.view(1, true, at(1200)), SEEN);
        sight.report(&report(false, 23), true, 0, at(1300));
        assert_eq!(sight.view(1, true, at(2300)), Some(None), "tiny");
        sight.keep(|tile| tile != 1);
        assert_eq!(sight.view(1, true, at(2400)), None);
    }

    #[test]
    fn an_avatar_hides_nothing() {
        let (mut sight, start) = (Sight::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        sight.report(&report(true, 0), false, 0, at(0));
        assert_eq!(sight.view(1, false, at(9)), None);
        sight.report(&report(false, 160), true, 0, at(10));
        sight.report(&report(true, 0), true, 0, at(11));
        assert_eq!(sight.view(1, true, at(12)), Some(None));
        // The camera was turned off: when it is on again, its first picture has to come.
        assert_eq!(sight.view(1, false, at(13)), SEEN);
        sight.report(&report(true, 0), false, 0, at(14));
        assert_eq!(sight.view(1, true, at(20)), SEEN);
    }

    #[test]
    fn who_comes_while_nobody_looks_comes_again_after_an_avatar() {
        let (mut sight, start) = (Sight::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        // The window was minimised before there was a picture.
        sight.report(&report(true, 0), true, 0, at(0));
        assert_eq!(sight.view(1, true, at(0)), None);
        assert_eq!(sight.view(1, true, at(1)), Some(None));
        // The camera is off, or the session is another one: without a first picture nobody can look at it.
        assert_eq!(sight.view(1, false, at(2)), Some(Some(LARGEST.into())));
        assert_eq!(sight.view(1, true, at(3)), Some(Some(LARGEST.into())));
        sight.report(&report(true, 0), true, 0, at(3));
        assert_eq!(sight.view(1, true, at(4)), Some(None));
        sight.report(&report(false, 160), true, 0, at(5));
        assert_eq!(sight.view(1, true, at(5)), SEEN);
    }

    #[test]
    fn a_window_that_stands_still_asks_for_nothing() {
        let (mut sight, start) = (Sight::default(), Instant::now());
        for second in 0..60 {
            sight.report(&report(false, 160), true, 30, start + Duration::from_secs(second));
        }
        assert_eq!(sight.view(1, true, start + Duration::from_secs(60)), SEEN);
    }

    #[test]
    fn a_tile_that_is_painted_too_rarely_asks_for_as_much_as_it_paints_while_it_is_seen() {
        let (mut sight, start) = (Sight::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let painted = TileReport { painted: 16, ..report(false, 160) };
        for second in 0..=4 {
            assert_eq!(sight.view(1, true, at(second)).flatten().and_then(|seen| seen.rate), None);
            sight.report(&painted, true, 30, at(second));
        }
        let rate = |sight: &mut Sight, second| sight.view(1, true, at(second)).flatten().and_then(|seen| seen.rate);
        assert_eq!(rate(&mut sight, 4), std::num::NonZeroU32::new(16));
        sight.report(&report(true, 0), true, 0, at(5));
        assert_eq!(sight.view(1, true, at(6)), Some(None));
        sight.report(&painted, true, 15, at(7));
        assert_eq!(rate(&mut sight, 7), std::num::NonZeroU32::new(16));
        // Another tile is none of its business.
        sight.report(&TileReport { tile: 2, ..report(false, 160) }, true, 0, at(7));
        assert_eq!(sight.view(2, true, at(7)), SEEN);
    }
}

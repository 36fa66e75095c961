//! Which counters of one sender were seen: the highest and a window below it (as in RFC 4303 §3.4.3).

/// How many counters up to the highest are told apart; older ones count as seen.
const SIZE: u128 = 64;

/// What was seen of one sender. Fresh, it has seen nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    /// The highest counter; nothing was seen where there is none.
    highest: Option<u128>,
    /// Bit n is set when the counter n below the highest was seen.
    seen: u64,
}

impl Window {
    /// Takes a counter; false when it was seen before or is too old to tell.
    pub(crate) fn take(&mut self, counter: u128) -> bool {
        let Some(highest) = self.highest else {
            (self.highest, self.seen) = (Some(counter), 1);
            return true;
        };
        if counter > highest {
            let shift = counter - highest;
            self.seen = if shift < SIZE { self.seen << shift | 1 } else { 1 };
            self.highest = Some(counter);
            return true;
        }
        let behind = highest - counter;
        if behind >= SIZE || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_taken_once_in_any_order() {
        let mut window = Window::default();
        for counter in [0, 5, 3, 4, 1, 2, 68, 6] {
            assert!(window.take(counter), "{counter} is new");
            assert!(!window.take(counter), "{counter} was taken");
        }
    }

    #[test]
    fn what_is_below_the_window_counts_as_seen() {
        let mut window = Window::default();
        assert!(window.take(100));
        assert!(window.take(37), "63 below the highest is inside");
        assert!(!window.take(36), "64 below the highest is outside");
    }

    #[test]
    fn a_jump_over_the_whole_window_forgets_nothing_that_matters() {
        let mut window = Window::default();
        assert!(window.take(3));
        assert!(window.take((1 << 96) - 1));
        assert!(!window.take(3));
        assert!(window.take((1 << 96) - 2));
    }
}

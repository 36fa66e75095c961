//! Messages that may come twice, each handled once.

use std::collections::BTreeSet;

/// Numbers that are kept above the floor; when there are more, the floor rises.
const WINDOW: usize = 512;

/// Which of the numbers 1, 2, 3… have come.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// All up to this one have come, or are too late.
    floor: u32,
    above: BTreeSet<u32>,
}

impl Inbox {
    /// Notes a number; whether it is the first time.
    pub(crate) fn first(&mut self, number: u32) -> bool {
        if number <= self.floor || !self.above.insert(number) {
            return false;
        }
        while self.floor.checked_add(1).is_some_and(|next| self.above.remove(&next)) {
            self.floor += 1;
        }
        if self.above.len() > WINDOW
            && let Some(lowest) = self.above.pop_first()
        {
            self.floor = lowest;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_first_once() {
        let mut inbox = Inbox::default();
        for number in [1, 3, 2, 7, 5] {
            assert!(inbox.first(number), "{number}");
        }
        for number in [0, 1, 2, 3, 5, 7] {
            assert!(!inbox.first(number), "{number}");
        }
        assert!(inbox.first(4));
    }

    #[test]
    fn memory_is_bounded() {
        let mut inbox = Inbox::default();
        for number in (2..20_000).step_by(2) {
            inbox.first(number);
        }
        assert!(inbox.above.len() <= WINDOW);
        assert!(inbox.first(u32::MAX));
        assert!(!inbox.first(u32::MAX));
    }
}

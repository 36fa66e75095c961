//! Bits over time: what left, on our clock, and what arrived, on the receiver's.

use std::collections::VecDeque;

/// How long packets are remembered, in seconds.
const KEPT: f64 = 2.0;
/// Packets that are remembered: two seconds of far more than any ceiling.
const MOST: usize = 4096;
/// Less time than this says nothing about a bitrate.
const SHORTEST: f64 = 0.02;
/// A clock that jumps further than this was set: what was before cannot be compared.
const JUMP: f64 = 3.0;

/// The newest packets and their times in seconds, in order.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    packets: VecDeque<(f64, f64)>,
}

impl Throughput {
    /// Counts a packet. One that was overtaken counts at the time of the newest.
    pub(super) fn push(&mut self, at: f64, bits: f64) {
        let newest = self.newest().unwrap_or(at);
        if (at - newest).abs() > JUMP {
            self.packets.clear();
        }
        let at = self.newest().map_or(at, |newest| newest.max(at));
        self.packets.push_back((at, bits));
        while self.packets.len() > MOST || self.packets.front().is_some_and(|(first, _)| at - first > KEPT) {
            self.packets.pop_front();
        }
    }

    /// The time of the newest packet.
    pub(super) fn newest(&self) -> Option<f64> {
        self.packets.back().map(|(at, _)| *at)
    }

    /// Bits per second over the last so many seconds, or what there is of them. `None` while that is too little to tell.
    pub(super) fn rate(&self, window: f64) -> Option<f64> {
        self.since(self.newest()? - window)
    }

    /// Bits per second since a moment, measured from packet to packet: the first one's bits belong to the time before it.
    pub(super) fn since(&self, from: f64) -> Option<f64> {
        let first = self.packets.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let mut packets = self.packets.range(first..);
        let (began, _) = packets.next()?;
        let span = self.newest()? - began;
        let bits: f64 = packets.map(|(_, bits)| bits).sum();
        (span >= SHORTEST).then(|| bits / span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_measured_without_bias() {
        let mut throughput = Throughput::default();
        (0..200).for_each(|n| throughput.push(f64::from(n) * 0.01, 10_000.0));
        for window in [0.05, 0.5, 10.0] {
            let rate = throughput.rate(window).unwrap();
            assert!((rate - 1_000_000.0).abs() < 1.0, "{rate} over {window} s");
        }
    }

    #[test]
    fn one_moment_says_nothing() {
        let mut throughput = Throughput::default();
        (0..10).for_each(|_| throughput.push(1.0, 10_000.0));
        assert_eq!(throughput.rate(0.5), None);
    }

    #[test]
    fn a_clock_that_was_set_begins_anew() {
        let mut throughput = Throughput::default();
        (0..10).for_each(|n| throughput.push(1000.0 + f64::from(n), 10_000.0));
        throughput.push(5.0, 10_000.0);
        assert_eq!((throughput.newest(), throughput.rate(0.5)), (Some(5.0), None));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throughput = Throughput::default();
        (0..100_000).for_each(|_| throughput.push(1.0, 10.0));
        assert_eq!(throughput.packets.len(), MOST);
    }
}

//! Frames of three bands cut into the canceller's blocks of 4 ms, and put together again.

use sonora_aec3::{block::Block, common::BLOCK_SIZE};

use super::{BAND, BANDS, Bands};

/// Frames in, blocks out.
pub(super) struct Cutter {
    waiting: [[f32; BAND + BLOCK_SIZE]; BANDS],
    filled: usize,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self { waiting: [[0.0; BAND + BLOCK_SIZE]; BANDS], filled: 0 }
    }

    /// Takes a frame. To be called when no whole block waits.
    pub(super) fn push(&mut self, frame: &Bands) {
        for (waiting, band) in self.waiting.iter_mut().zip(frame) {
            waiting[self.filled..self.filled + BAND].copy_from_slice(band);
        }
        self.filled += BAND;
    }

    /// Moves the oldest block out; false where there is no whole one.
    pub(super) fn cut(&mut self, block: &mut Block) -> bool {
        if self.filled < BLOCK_SIZE {
            return false;
        }
        for (n, waiting) in self.waiting.iter_mut().enumerate() {
            block.view_mut(n, 0).copy_from_slice(&waiting[..BLOCK_SIZE]);
            waiting.copy_within(BLOCK_SIZE..self.filled, 0);
        }
        self.filled -= BLOCK_SIZE;
        true
    }
}

/// Blocks in, frames out. It begins with a block of silence, so that there is always enough.
pub(super) struct Joiner {
    ready: [[f32; BAND + BLOCK_SIZE]; BANDS],
    filled: usize,
}

impl Joiner {
    pub(super) fn new() -> Self {
        Self { ready: [[0.0; BAND + BLOCK_SIZE]; BANDS], filled: BLOCK_SIZE }
    }

    pub(super) fn push(&mut self, block: &Block) {
        for (n, ready) in self.ready.iter_mut().enumerate() {
            ready[self.filled..self.filled + BLOCK_SIZE].copy_from_slice(block.view(n, 0));
        }
        self.filled += BLOCK_SIZE;
    }

    /// The next frame. To be called once for each frame that was cut.
    pub(super) fn take(&mut self, frame: &mut Bands) {
        for (ready, band) in self.ready.iter_mut().zip(frame) {
            band.copy_from_slice(&ready[..BAND]);
            ready.copy_within(BAND..self.filled, 0);
        }
        self.filled -= BAND;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_and_joined_is_the_same_one_block_later() {
        let (mut cutter, mut joiner, mut block) = (Cutter::new(), Joiner::new(), Block::new(BANDS, 1));
        let (mut next, mut heard) = (0.0, Vec::new());
        for _ in 0..50 {
            let frame: Bands =
                std::array::from_fn(|band| std::array::from_fn(|n| next + n as f32 + 1.0 + 100_000.0 * band as f32));
            next += BAND as f32;
            cutter.push(&frame);
            while cutter.cut(&mut block) {
                joiner.push(&block);
            }
            let mut out = frame;
            joiner.take(&mut out);
            heard.extend(out[1]);
        }
        assert!(heard[..BLOCK_SIZE].iter().all(|sample| *sample == 0.0));
        assert!(heard[BLOCK_SIZE..].iter().enumerate().all(|(n, sample)| *sample == 100_001.0 + n as f32));
    }
}

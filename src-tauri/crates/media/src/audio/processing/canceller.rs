//! The far end's voice taken out of the near end's sound: AEC3, in three bands.

use sonora_aec3::{block::Block, block_processor::BlockProcessor, config::EchoCanceller3Config};

use super::{
    BANDS, Bands,
    blocks::{Cutter, Joiner},
};
use crate::audio::RATE;

/// See the module. What comes out is 8 ms late once there is a far end, 4 ms before.
pub(super) struct Canceller {
    processor: BlockProcessor,
    far: Cutter,
    near: Cutter,
    out: Joiner,
    far_block: Block,
    near_block: Block,
    /// The far end has said something: until then there is nothing to look for.
    began: bool,
}

impl Canceller {
    pub(super) fn new() -> Self {
        Self {
            processor: BlockProcessor::new(&EchoCanceller3Config::default(), RATE as usize, 1, 1),
            far: Cutter::new(),
            near: Cutter::new(),
            out: Joiner::new(),
            far_block: Block::new(BANDS, 1),
            near_block: Block::new(BANDS, 1),
            began: false,
        }
    }

    /// Takes the echo of `far` out of `near`. They are of the same moment; `saturated` says that the microphone clipped.
    pub(super) fn process(&mut self, near: &mut Bands, far: &Bands, saturated: bool) {
        // Both are cut alike, so that the far end is never ahead nor behind by more than the path itself.
        self.far.push(far);
        while self.far.cut(&mut self.far_block) {
            self.began |= self.far_block.view(0, 0).iter().any(|sample| *sample != 0.0);
            if self.began {
                self.processor.buffer_render(&self.far_block);
            }
        }
        self.near.push(near);
        while self.near.cut(&mut self.near_block) {
            self.processor.process_capture(false, saturated, None, &mut self.near_block);
            self.out.push(&self.near_block);
        }
        self.out.take(near);
    }
}

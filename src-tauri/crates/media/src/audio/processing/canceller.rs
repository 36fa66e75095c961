//! The far end's voice taken out of the near end's sound: AEC3, in three bands, and our own gain while both speak.

use sonora_aec3::{block::Block, block_processor::BlockProcessor, common::BLOCK_SIZE, config::EchoCanceller3Config};

use super::{
    BANDS, Bands,
    blocks::{Cutter, Joiner},
    double_talk::{Canceled, DoubleTalk},
};
use crate::audio::RATE;

/// The filter begins where the echo is at the soonest: a block after what was played.
const AHEAD_MS: i32 = 4;

/// See the module. What comes out is 8 ms late once there is a far end, 4 ms before.
pub(super) struct Canceller {
    processor: BlockProcessor,
    far: Cutter,
    near: Cutter,
    out: Joiner,
    far_block: Block,
    near_block: Block,
    filtered: Block,
    double_talk: DoubleTalk,
    /// The far end has said something: until then there is nothing to look for.
    began: bool,
}

impl Canceller {
    pub(super) fn new() -> Self {
        let mut processor = BlockProcessor::new(&config(), RATE as usize, 1, 1);
        processor.set_audio_buffer_delay(AHEAD_MS);
        Self {
            processor,
            far: Cutter::new(),
            near: Cutter::new(),
            out: Joiner::new(),
            far_block: Block::new(BANDS, 1),
            near_block: Block::new(BANDS, 1),
            filtered: Block::new(1, 1),
            double_talk: DoubleTalk::new(),
            began: false,
        }
    }

    /// Takes the echo of `far` out of `near`. They are of the same moment; `saturated` says that the microphone clipped.
    pub(super) fn process(&mut self, near: &mut Bands, far: &Bands, saturated: bool) {
        // Both are cut alike, so that the far end is never ahead nor behind by more than the path itself.
        // With a whole frame, so that the canceller's two counters begin together.
        self.began |= far[0].iter().any(|sample| *sample != 0.0);
        self.far.push(far);
        while self.far.cut(&mut self.far_block) {
            if self.began {
                self.processor.buffer_render(&self.far_block);
            }
        }
        self.near.push(near);
        while self.near.cut(&mut self.near_block) {
            self.cancel(saturated);
            self.out.push(&self.near_block);
        }
        self.out.take(near);
    }

    /// One block, in place.
    fn cancel(&mut self, saturated: bool) {
        if !self.began {
            return;
        }
        let mut microphone = [[0.0; BLOCK_SIZE]; BANDS];
        for (band, samples) in microphone.iter_mut().enumerate() {
            samples.copy_from_slice(self.near_block.view(band, 0));
        }
        // It stays as it is where the canceller does not work.
        self.filtered.view_mut(0, 0).copy_from_slice(&microphone[0]);
        self.processor.process_capture(false, saturated, Some(&mut self.filtered), &mut self.near_block);
        let removed_db = self.processor.get_metrics().echo_return_loss_enhancement as f32;
        let canceled = Canceled { filtered: &self.filtered, removed_db, saturated };
        self.double_talk.process(&microphone, &canceled, &mut self.near_block);
    }
}

/// Made for a call in which `double_talk` takes over while both speak: the filter holds on to what it has learned, and what
/// follows it leaves no echo.
fn config() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    // Where the echo lies is found and held by `align`.
    config.delay.use_external_delay_estimator = true;
    // The second filter learns so quickly that it takes a near voice for an echo, of which a part is gone then.
    config.filter.enable_coarse_filter_output_usage = false;
    // A tenth: a near voice makes the first filter worse than the second one, which does not mean that the way has changed.
    config.filter.refined.leakage_diverged = 0.005;
    // Ten times more: it is to find its way sooner in the beginning, as the second one does not stand in for it.
    config.filter.refined_initial.leakage_converged = 0.05;
    let suppressor = &mut config.suppressor;
    // Whether somebody is heard is not its business any more: it never lets an echo through for that.
    suppressor.dominant_nearend_detection.enr_threshold = 0.0;
    // Low frequencies are taken down as soon as high ones.
    suppressor.normal_tuning.mask_lf = suppressor.normal_tuning.mask_hf.clone();
    config
}

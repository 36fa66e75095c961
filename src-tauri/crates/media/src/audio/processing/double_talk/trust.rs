//! Whether the canceller's filter can be relied on: whether what it leaves has nothing in common with what it takes away.

use super::{
    Canceled, LITTLE,
    fourier::{BINS, Complex32},
};

/// A filter that removes less than this, in dB, has not found its way yet.
const REMOVES_DB: f32 = 5.0;
/// What it leaves and what it takes away are alike to less than this where it is right, 0 to 1. At the moment at which the way of
/// the echo changes, the one is the other's opposite.
const ALIKE: f32 = 0.3;
/// That counts where the filter leaves more than this share of the power; less is small enough. Somebody who turns the volume up or
/// down by 2 dB leaves more.
const MATTERS: f32 = 0.03;
/// It went astray where there is so many times more behind it than before it. With a voice it may be somewhat more by chance.
const WORSE: f32 = 2.0;
/// How much a block of 4 ms counts among the last ones: for likeness 80 ms, for powers 20 ms.
const LOOK: f32 = 0.05;
const SMOOTH: f32 = 0.2;
/// Blocks for which it is not relied on again: 200 ms.
const DOUBT: u32 = 50;
/// Frequencies that are looked at, and the power that an echo must have in one.
const BAND: std::ops::Range<usize> = 2..52;
const FAINT: f32 = 1e4;
/// A voice that is louder than the echo by more than this, in power, counts no more than that.
const LOUDEST: f32 = 10.0;
/// Less power than this in a block is nothing: −80 dBFS.
const NOTHING: f32 = 640.0;

/// See the module.
pub(super) struct Trust {
    common: [Complex32; BINS],
    near: [f32; BINS],
    echo: [f32; BINS],
    before: f32,
    behind: f32,
    doubt: u32,
}

impl Trust {
    pub(super) fn new() -> Self {
        Self {
            common: [Complex32::ZERO; BINS],
            near: [0.0; BINS],
            echo: [0.0; BINS],
            before: 0.0,
            behind: 0.0,
            doubt: DOUBT,
        }
    }

    /// Looks at a block: spectra behind the filter and of what it took away, sound before and behind it.
    pub(super) fn look(
        &mut self,
        near: &[Complex32; BINS],
        echo: &[Complex32; BINS],
        before: &[f32],
        behind: &[f32],
        canceled: &Canceled<'_>,
    ) -> bool {
        self.before += SMOOTH * (power(before) - self.before);
        self.behind += SMOOTH * (power(behind) - self.behind);
        let alike = self.alike(near, echo);
        let astray = (alike > ALIKE && self.behind > MATTERS * self.before)
            || self.behind > WORSE * self.before + NOTHING
            || canceled.removed_db < REMOVES_DB
            || canceled.saturated;
        self.doubt = if astray { DOUBT } else { self.doubt.saturating_sub(1) };
        self.doubt == 0
    }

    /// The coherence of what is left and what was taken, 0 to 1, over all frequencies in which there is an echo.
    fn alike(&mut self, near: &[Complex32; BINS], echo: &[Complex32; BINS]) -> f32 {
        let (mut alike, mut weights) = (0.0, 0.0);
        for n in BAND {
            let product = near[n] * echo[n].conj();
            let common = &mut self.common[n];
            common.re += LOOK * (product.re - common.re);
            common.im += LOOK * (product.im - common.im);
            self.near[n] += LOOK * (near[n].norm_sqr().max(LITTLE) - self.near[n]);
            self.echo[n] += LOOK * (echo[n].norm_sqr().max(LITTLE) - self.echo[n]);
            if self.echo[n] > FAINT {
                let weight = self.near[n].min(LOUDEST * self.echo[n]).sqrt();
                alike += weight * common.norm_sqr() / (self.near[n] * self.echo[n] + 1.0);
                weights += weight;
            } else {
                *common = Complex32::ZERO;
            }
        }
        alike / f32::max(weights, LITTLE)
    }
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>().max(LITTLE)
}

#[cfg(test)]
mod tests {
    use sonora_aec3::{block::Block, common::BLOCK_SIZE};

    use super::*;
    use crate::audio::processing::tests::talker::Dice;

    /// So many blocks of a voice, so loud, and of what a filter takes away; `same` of that is left as well.
    fn look(trust: &mut Trust, dice: &mut Dice, blocks: usize, (voice, echo, same): (f32, f32, f32)) -> bool {
        let mut reliable = false;
        for _ in 0..blocks {
            let mut any = |loud: f32| Complex32 {
                re: dice.between(-1.0, 1.0) as f32 * loud,
                im: dice.between(-1.0, 1.0) as f32 * loud,
            };
            let taken: [Complex32; BINS] = std::array::from_fn(|_| any(echo));
            let left: [Complex32; BINS] = std::array::from_fn(|n| {
                let voice = any(voice);
                Complex32 { re: voice.re + same * taken[n].re, im: voice.im + same * taken[n].im }
            });
            let sound = |power: f32| [power.sqrt(); BLOCK_SIZE];
            let behind = voice * voice + same * same * echo * echo;
            let before = voice * voice + (1.0 + same) * (1.0 + same) * echo * echo;
            let canceled = Canceled { filtered: &Block::new(1, 1), removed_db: 20.0, saturated: false };
            reliable = trust.look(&left, &taken, &sound(before), &sound(behind), &canceled);
        }
        reliable
    }

    #[test]
    fn a_voice_beside_an_echo_is_no_reason_for_doubt() {
        let (mut trust, mut dice) = (Trust::new(), Dice::new(1));
        for voice in [100.0, 1_000.0, 10_000.0] {
            assert!(look(&mut trust, &mut dice, 250, (voice, 1_000.0, 0.01)), "{voice}");
        }
    }

    #[test]
    fn an_echo_on_another_way_is_doubted_within_100_ms() {
        for voice in [0.0, 300.0] {
            let (mut trust, mut dice) = (Trust::new(), Dice::new(2));
            assert!(look(&mut trust, &mut dice, 250, (voice, 1_000.0, 0.01)));
            assert!(!look(&mut trust, &mut dice, 25, (1_000.0, 1_000.0, -1.0)));
        }
    }

    #[test]
    fn a_filter_that_removes_nothing_yet_is_not_relied_on() {
        let (nothing, mut trust) = ([Complex32::ZERO; BINS], Trust::new());
        let mut looks = |removed_db, saturated| {
            let canceled = Canceled { filtered: &Block::new(1, 1), removed_db, saturated };
            (0..100).map(|_| trust.look(&nothing, &nothing, &[0.0], &[0.0], &canceled)).last()
        };
        assert_eq!(looks(2.0, false), Some(false));
        assert_eq!(looks(10.0, false), Some(true));
        assert_eq!(looks(10.0, true), Some(false));
    }
}

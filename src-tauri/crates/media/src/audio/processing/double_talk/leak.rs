//! How much of the echo a filter leaves, frequency by frequency, and the noise of the room.

use super::{LITTLE, fourier::BINS};

/// How much of an echo is still heard a block of 4 ms later: walls, and what the filter is too short for.
const LASTS: f32 = 0.85;
/// How much of the last block's power stays in the smoothed one.
const SMOOTH: f32 = 0.5;
/// The leak is what the filter leaves in one of five blocks at most, because others may hold a voice: where more is left it grows
/// by so much in each block, where less is left it falls by four times as much.
const GROWS: f32 = 0.02;
const FALLS: f32 = 0.08;
/// It grows by so much while there is a voice, and while the filter is not reliable.
const GROWS_BESIDE_VOICE: f32 = 0.002;
const GROWS_ASTRAY: f32 = 0.08;
/// Its bounds, as a share of the echo's power.
const LEAST: f32 = 1e-5;
const MOST: f32 = 2.0;
/// From that share to the most that is left once in a while: 12 dB.
const MARGIN: f32 = 16.0;
/// An echo with less power in one frequency, or less than so many times the noise, teaches nothing.
const FAINT: f32 = 1e5;
const ABOVE_NOISE: f32 = 10.0;
/// How quickly the noise follows what is quieter, and grows where nothing is.
const QUIETER: f32 = 0.3;
const LOUDER: f32 = 1.002;

/// Powers are of the canceller's spectra, in 16-bit scale.
pub(super) struct Leak {
    /// What the filter took away, as long as it may last.
    lasting: [f32; BINS],
    near: [f32; BINS],
    echo: [f32; BINS],
    leak: [f32; BINS],
    noise: [f32; BINS],
}

impl Leak {
    pub(super) fn new() -> Self {
        Self { lasting: [0.0; BINS], near: [0.0; BINS], echo: [0.0; BINS], leak: [1.0; BINS], noise: [0.0; BINS] }
    }

    /// The power of the echo that may be left.
    pub(super) fn left(&self, bin: usize) -> f32 {
        MARGIN * self.leak[bin] * self.lasting[bin]
    }

    pub(super) fn noise(&self, bin: usize) -> f32 {
        self.noise[bin]
    }

    /// Learns from a block: the powers behind the filter and of what it took away.
    pub(super) fn learn(&mut self, near: &[f32; BINS], echo: &[f32; BINS], reliable: bool, voice: bool) {
        let grows = match (reliable, voice) {
            (false, _) => GROWS_ASTRAY,
            (true, true) => GROWS_BESIDE_VOICE,
            (true, false) => GROWS,
        };
        for n in 0..BINS {
            let (now_near, now_echo) = (near[n].max(LITTLE), echo[n].max(LITTLE));
            self.lasting[n] = (self.lasting[n] * LASTS).max(now_echo);
            self.near[n] += (1.0 - SMOOTH) * (now_near - self.near[n]);
            self.echo[n] += (1.0 - SMOOTH) * (self.lasting[n] - self.echo[n]);
            let echoes = now_echo > 0.1 * self.lasting[n];
            if echoes && self.echo[n] > FAINT && self.echo[n] > ABOVE_NOISE * self.noise[n] {
                let more = self.near[n] > self.leak[n] * self.echo[n];
                let leak = self.leak[n] * if more { 1.0 + grows } else { 1.0 - FALLS };
                self.leak[n] = leak.clamp(LEAST, MOST);
            }
            self.noise[n] = if self.near[n] < self.noise[n] {
                self.noise[n] + QUIETER * (self.near[n] - self.noise[n])
            } else {
                self.noise[n] * LOUDER + 1.0
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: [f32; BINS] = [1e8; BINS];

    /// So many blocks in which this share of the echo is left, and in so many of a hundred a voice that is louder than the echo.
    fn teach(leak: &mut Leak, blocks: usize, share: f32, voiced: usize) {
        for n in 0..blocks {
            let voice = if n % 100 < voiced { 1e9 } else { 0.0 };
            leak.learn(&ECHO.map(|echo| echo * share + voice), &ECHO, true, voiced > 0);
        }
    }

    #[test]
    fn what_is_left_is_found_within_a_second_and_a_voice_does_not_change_it() {
        let mut leak = Leak::new();
        teach(&mut leak, 250, 0.001, 0);
        let alone = leak.left(20) / MARGIN / 1e8;
        assert!((0.0008..0.0012).contains(&alone), "{alone}");
        teach(&mut leak, 1_000, 0.001, 70);
        let beside = leak.left(20) / MARGIN / 1e8;
        assert!((0.0005..0.004).contains(&beside), "{beside}");
    }

    #[test]
    fn a_filter_that_is_not_reliable_is_expected_to_leave_much_soon() {
        let mut leak = Leak::new();
        teach(&mut leak, 250, 0.001, 0);
        for _ in 0..100 {
            leak.learn(&ECHO.map(|echo| echo * 1.5), &ECHO, false, false);
        }
        assert!(leak.left(20) > MARGIN * 1e8, "{}", leak.left(20));
    }

    #[test]
    fn the_noise_of_a_room_is_learned_while_nobody_speaks() {
        let mut leak = Leak::new();
        for n in 0..2_500 {
            let voice = if n % 250 < 150 { 1e9 } else { 0.0 };
            leak.learn(&[5_000.0 + voice; BINS], &[0.0; BINS], true, true);
        }
        assert!((3_000.0..10_000.0).contains(&leak.noise(20)), "{}", leak.noise(20));
    }
}

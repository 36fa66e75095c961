//! A moving test picture that carries its own number.
//!
//! Waves of colour, a bright disc, and at the lower edge a band of black and white cells: the picture's number with a checksum,
//! in cells so large that they survive a low bitrate and half the size.

use std::time::Instant;

use super::{Error, Picture};

/// Cells across and down. The band is three of sixteen parts of the picture high.
const COLUMNS: u32 = 16;
const ROWS: u32 = 3;
const BAND: u32 = 16;
/// The number, its checksum, and cells that are always alternately black and white.
const COUNTER_BITS: u32 = 32;
const CHECK_BITS: u32 = 12;
const FIXED: u64 = 0b0101;
const FIXED_BITS: u32 = 4;

const BLACK: u8 = 16;
const WHITE: u8 = 235;
/// A cell between these is neither black nor white.
const DARK: u32 = 90;
const BRIGHT: u32 = 160;

/// Draws pictures of one size.
#[derive(Debug, Clone)]
pub struct Pattern {
    width: u32,
    height: u32,
    brightness: Waves,
    tint: Waves,
}

impl Pattern {
    /// A pattern for pictures of this size.
    ///
    /// # Errors
    /// The size is impossible.
    pub fn new(width: u32, height: u32) -> Result<Self, Error> {
        Picture::bytes(width, height)?;
        let unit = WAVE as f32 / height as f32;
        // Unlike in length and speed, so that they never repeat; colours are broad and slow.
        let brightness = Waves::new(width, [(1.1, 0.3, 9), (-0.4, 1.3, 6), (2.3, 1.9, 13)], unit);
        let tint = Waves::new(width.div_ceil(2), [(0.7, 0.4, 3), (-0.3, 0.9, 2), (0.5, -0.6, 4)], unit);
        Ok(Self { width, height, brightness, tint })
    }

    /// The picture with this number.
    pub fn draw(&self, counter: u32, captured: Instant) -> Picture {
        let (width, height) = (self.width as usize, self.height as usize);
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut data = vec![0; width * height + 2 * half_width * half_height];
        let (luma, chroma) = data.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(half_width * half_height);
        self.brightness.draw(luma, width, counter, 0);
        self.tint.draw(u, half_width, counter, 0);
        self.tint.draw(v, half_width, counter, WAVE / 3);
        let mut picture = Picture { width: self.width, height: self.height, data, captured, number: 0 };
        disc(&mut picture, counter);
        band(&mut picture, counter);
        picture
    }
}

/// Steps in one wavelength.
const WAVE: usize = 1024;

/// Three waves that pass each other.
#[derive(Debug, Clone)]
struct Waves {
    /// Two wavelengths: from wherever one begins, it is whole.
    table: Vec<u8>,
    waves: [Wave; 3],
}

#[derive(Debug, Clone)]
struct Wave {
    /// Steps at every other pixel of a row.
    columns: Vec<u16>,
    /// Steps per row.
    down: f32,
    /// Steps per picture.
    speed: usize,
}

impl Waves {
    /// Each wave by its wavelengths across and down a square as high as the picture, and its speed in steps.
    fn new(width: u32, waves: [(f32, f32, usize); 3], unit: f32) -> Self {
        let height = |step: usize| {
            let angle = step as f32 / WAVE as f32 * std::f32::consts::TAU;
            (124.0 + 86.0 * angle.sin()) as u8
        };
        let waves = waves.map(|(across, down, speed)| Wave {
            columns: (0..width).step_by(2).map(|x| steps(x as usize, across * unit) as u16).collect(),
            down: down * unit,
            speed,
        });
        Self { table: (0..2 * WAVE).map(height).collect(), waves }
    }

    /// Computed for every other pixel and row: waves are smooth, and time is for the encoder.
    fn draw(&self, plane: &mut [u8], width: usize, counter: u32, phase: usize) {
        let mut row = vec![0; width];
        for (y, rows) in plane.chunks_mut(2 * width).enumerate() {
            let [first, second, third] = self.waves.each_ref().map(|wave| {
                let start = steps(2 * y, wave.down) + wave.speed * counter as usize + phase;
                (&self.table[start % WAVE..], &wave.columns)
            });
            let values = first.1.iter().zip(second.1).zip(third.1).map(|((one, two), three)| {
                let at = |table: &[u8], column: u16| u16::from(table[usize::from(column)]);
                (at(first.0, *one) + at(second.0, *two) + at(third.0, *three)) / 3
            });
            row.chunks_mut(2).zip(values).for_each(|(pair, value)| pair.fill(value as u8));
            rows.chunks_exact_mut(width).for_each(|line| line.copy_from_slice(&row));
        }
    }
}

/// Steps at a pixel, within one wavelength.
fn steps(pixel: usize, per_pixel: f32) -> usize {
    (pixel as f32 * per_pixel).rem_euclid(WAVE as f32) as usize % WAVE
}

/// One picture; where many are drawn, [`Pattern`] is cheaper.
///
/// # Errors
/// The size is impossible.
pub fn draw(width: u32, height: u32, counter: u32, captured: Instant) -> Result<Picture, Error> {
    Ok(Pattern::new(width, height)?.draw(counter, captured))
}

/// The number in a picture of the pattern; `None` where there is none or it cannot be read for certain.
pub fn read_counter(picture: &Picture) -> Option<u32> {
    let mut bits = 0u64;
    for index in 0..COLUMNS * ROWS {
        let value = brightness(picture, cell(picture, index))?;
        let bit = match value {
            0..=DARK => 0,
            BRIGHT.. => 1,
            _ => return None,
        };
        bits = bits << 1 | bit;
    }
    let counter = (bits >> (CHECK_BITS + FIXED_BITS)) as u32;
    (bits == code(counter)).then_some(counter)
}

/// All cells of a number, the first one highest.
fn code(counter: u32) -> u64 {
    let check = u64::from(counter.wrapping_mul(0x9e37_79b1) ^ 0x5a5a_5a5a) >> (COUNTER_BITS - CHECK_BITS);
    u64::from(counter) << (CHECK_BITS + FIXED_BITS) | check << FIXED_BITS | FIXED
}

/// Left, top, right, bottom of a cell.
fn cell(picture: &Picture, index: u32) -> (u32, u32, u32, u32) {
    let (column, row) = (index % COLUMNS, index / COLUMNS + BAND - ROWS);
    let x = |column: u32| picture.width * column / COLUMNS;
    let y = |row: u32| picture.height * row / BAND;
    (x(column), y(row), x(column + 1), y(row + 1))
}

/// The mean brightness of the middle of an area: its edges are blurred.
fn brightness(picture: &Picture, (left, top, right, bottom): (u32, u32, u32, u32)) -> Option<u32> {
    let middle = |from: u32, to: u32| (from + (to - from) / 4, to - (to - from) / 4);
    let ((left, right), (top, bottom)) = (middle(left, right), middle(top, bottom));
    let (y, width) = (picture.planes().y, picture.width as usize);
    let rows = (top..bottom).filter_map(|row| y.get(row as usize * width..)?.get(left as usize..right as usize));
    let sum: u32 = rows.flatten().map(|byte| u32::from(*byte)).sum();
    sum.checked_div((right - left) * (bottom - top))
}

fn band(picture: &mut Picture, counter: u32) {
    let code = code(counter);
    for index in 0..COLUMNS * ROWS {
        let white = code >> (COLUMNS * ROWS - 1 - index) & 1 == 1;
        let area = cell(picture, index);
        fill(picture, area, (if white { WHITE } else { BLACK }, 128, 128));
    }
}

/// A disc that wanders in a figure of eight.
fn disc(picture: &mut Picture, counter: u32) {
    let time = counter as f32 / 30.0;
    let (width, height) = (picture.width as f32, picture.height as f32);
    let centre = (width * (0.5 + 0.32 * (time * 0.9).sin()), height * (0.4 + 0.22 * (time * 1.8).sin()));
    let radius = height * 0.11;
    for row in (centre.1 - radius) as u32..(centre.1 + radius) as u32 {
        let down = row as f32 + 0.5 - centre.1;
        let half = (radius * radius - down * down).max(0.0).sqrt();
        fill(picture, ((centre.0 - half) as u32, row, (centre.0 + half) as u32, row + 1), (225, 108, 142));
    }
}

/// Fills an area, as far as it lies within the picture, with one colour.
fn fill(picture: &mut Picture, (left, top, right, bottom): (u32, u32, u32, u32), (y, u, v): (u8, u8, u8)) {
    let (width, half) = (picture.width as usize, picture.chroma_size().0 as usize);
    let planes = picture.planes_mut();
    let halved = (left.div_ceil(2), top.div_ceil(2), right.div_ceil(2), bottom.div_ceil(2));
    for (plane, width, (left, top, right, bottom), value) in
        [(planes.y, width, (left, top, right, bottom), y), (planes.u, half, halved, u), (planes.v, half, halved, v)]
    {
        let columns = (left as usize).min(width)..(right as usize).min(width);
        let rows = plane.chunks_exact_mut(width).skip(top as usize).take(bottom.saturating_sub(top) as usize);
        rows.for_each(|row| row.get_mut(columns.clone()).unwrap_or_default().fill(value));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::video::{Vp8Decoder, Vp8Encoder, scale};

    proptest! {
        #[test]
        fn a_number_is_read_at_any_size(width in 32u32..400, height in 32u32..400, counter: u32) {
            let picture = draw(width, height, counter, Instant::now()).unwrap();
            prop_assert_eq!(read_counter(&picture), Some(counter));
        }

        #[test]
        fn noise_has_no_number(bytes in proptest::collection::vec(any::<u8>(), 32 * 32 * 3 / 2)) {
            prop_assert_eq!(read_counter(&Picture::from_data(32, 32, bytes, Instant::now()).unwrap()), None);
        }
    }

    #[test]
    fn one_wrong_cell_is_noticed() {
        for index in 0..COLUMNS * ROWS {
            let mut picture = draw(160, 96, 123_456, Instant::now()).unwrap();
            let area = cell(&picture, index);
            let now = brightness(&picture, area).unwrap();
            fill(&mut picture, area, (if now < 128 { WHITE } else { BLACK }, 128, 128));
            assert_eq!(read_counter(&picture), None, "cell {index}");
        }
    }

    #[test]
    fn black_and_grey_have_no_number() {
        let mut picture = Picture::black(320, 180, Instant::now()).unwrap();
        assert_eq!(read_counter(&picture), None);
        picture.data.fill(128);
        assert_eq!(read_counter(&picture), None);
    }

    #[test]
    fn the_number_survives_a_low_bitrate_and_half_the_size() {
        let pattern = Pattern::new(640, 360).unwrap();
        let mut encoder = Vp8Encoder::new(320, 180, 30, 60_000).unwrap();
        let mut decoder = Vp8Decoder::new().unwrap();
        let start = Instant::now();
        let mut read = 0;
        for counter in 0..60u32 {
            let picture = pattern.draw(counter, start + std::time::Duration::from_millis(33) * counter);
            if let Some(frame) = encoder.encode(&scale(&picture, 320, 180), false).unwrap() {
                let decoded = decoder.decode(&frame.data).unwrap().unwrap();
                assert_eq!(read_counter(&scale(&decoded, 160, 90)), Some(counter));
                read += 1;
            }
        }
        assert!(read > 10, "{read}");
    }

    #[test]
    fn pictures_move_everywhere() {
        let pattern = Pattern::new(320, 180).unwrap();
        let (one, other) = (pattern.draw(1, Instant::now()), pattern.draw(2, Instant::now()));
        let differ = one.data.iter().zip(&other.data).filter(|(one, other)| one != other).count();
        assert!(differ > one.data.len() / 2, "{differ} of {}", one.data.len());
    }
}

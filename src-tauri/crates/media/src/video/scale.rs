//! Changes the size of pictures: area averages when they shrink, bilinear when they grow.
//!
//! Separable, in fixed point: first down the columns, where a row is a plain run of multiply-adds, then along the rows.

use super::Picture;

/// The weights of one output row or column sum up to this; so a weighted sum of bytes fits 16 bits.
const ONE: u32 = 256;

/// The picture at another size. A size of 0 is taken as 1, one beyond [`super::MOST_SIDE`] as that.
pub fn scale(picture: &Picture, width: u32, height: u32) -> Picture {
    let (width, height) = (width.clamp(1, super::MOST_SIDE), height.clamp(1, super::MOST_SIDE));
    if (width, height) == (picture.width, picture.height) {
        return picture.clone();
    }
    let (chroma_width, chroma_height) = picture.chroma_size();
    let mut data = Vec::new();
    let planes = picture.planes();
    append(&mut data, planes.y, (picture.width, picture.height), (width, height));
    let half = (width.div_ceil(2), height.div_ceil(2));
    append(&mut data, planes.u, (chroma_width, chroma_height), half);
    append(&mut data, planes.v, (chroma_width, chroma_height), half);
    Picture { width, height, data, captured: picture.captured, number: picture.number }
}

/// The largest even size of the same shape that lies within `most`; never larger than `size`.
pub fn fit(size: (u32, u32), most: (u32, u32)) -> (u32, u32) {
    let even = |side: u64| u32::try_from(side).unwrap_or(u32::MAX).max(2) & !1;
    let (width, height) = (u64::from(size.0.max(1)), u64::from(size.1.max(1)));
    let (most_width, most_height) = (u64::from(most.0), u64::from(most.1));
    if width <= most_width && height <= most_height {
        (even(width), even(height))
    } else if width * most_height >= height * most_width {
        (even(most_width), even((height * most_width + width / 2) / width))
    } else {
        (even((width * most_height + height / 2) / height), even(most_height))
    }
}

/// Appends one plane at another size. Rows of `plane` are `from.0` bytes long.
pub(super) fn append(out: &mut Vec<u8>, plane: &[u8], from: (u32, u32), to: (u32, u32)) {
    let half = (from.0 / 2, from.1 / 2);
    let is_twice = |large: (u32, u32), small: (u32, u32)| large == (2 * small.0, 2 * small.1);
    if is_twice(from, to) {
        return halve(out, plane, from.0 as usize);
    }
    if is_twice(from, half) && is_twice(half, to) {
        let mut between = Vec::with_capacity(half.0 as usize * half.1 as usize);
        halve(&mut between, plane, from.0 as usize);
        return halve(out, &between, half.0 as usize);
    }
    let (width, columns) = (from.0 as usize, taps(from.0, to.0));
    let mut sums = vec![0u16; width];
    out.reserve(to.0 as usize * to.1 as usize);
    for row in taps(from.1, to.1) {
        sums.fill(0);
        for (line, weight) in plane.chunks_exact(width).skip(row.first).zip(&row.weights) {
            for (sum, byte) in sums.iter_mut().zip(line) {
                *sum += u16::from(*byte) * weight;
            }
        }
        out.extend(columns.iter().map(|column| {
            let run = sums.iter().skip(column.first).zip(&column.weights);
            let sum: u32 = run.map(|(sum, weight)| u32::from(*sum) * u32::from(*weight)).sum();
            u8::try_from((sum + ONE * ONE / 2) / (ONE * ONE)).unwrap_or(u8::MAX)
        }));
    }
}

/// Appends a plane at half its size, which is what smaller renditions are made of.
fn halve(out: &mut Vec<u8>, plane: &[u8], width: usize) {
    out.reserve(plane.len() / 4);
    for rows in plane.chunks_exact(2 * width) {
        let (upper, lower) = rows.split_at(width);
        out.extend(upper.chunks_exact(2).zip(lower.chunks_exact(2)).map(|(upper, lower)| {
            let sum = u16::from(upper[0]) + u16::from(upper[1]) + u16::from(lower[0]) + u16::from(lower[1]);
            ((sum + 2) / 4) as u8
        }));
    }
}

/// Which inputs make one output, and how much of each.
struct Taps {
    first: usize,
    weights: Vec<u16>,
}

fn taps(from: u32, to: u32) -> Vec<Taps> {
    (0..to).map(|at| if to < from { area(at, from, to) } else { between(at, from, to) }).collect()
}

/// An output covers `from / to` inputs: each counts as far as it is covered.
fn area(at: u32, from: u32, to: u32) -> Taps {
    let (from, to) = (u64::from(from), u64::from(to));
    let (start, end) = (u64::from(at) * from, (u64::from(at) + 1) * from);
    let (first, last) = (start / to, end.div_ceil(to));
    // In units of 1 / `to` inputs: an input covers `to` of them, an output `from`.
    let covered = (first..last).map(|input| ((input + 1) * to).min(end) - (input * to).max(start));
    let weights = covered.map(|part| (part * u64::from(ONE) / from) as u16).collect();
    complete(first as usize, weights)
}

/// An output lies between two inputs: each counts by its nearness.
fn between(at: u32, from: u32, to: u32) -> Taps {
    let (from, to) = (i64::from(from), i64::from(to));
    // The centre of the output, in units of 1 / (2 `to`) inputs, counted from the centre of the first input.
    let centre = ((2 * i64::from(at) + 1) * from - to).clamp(0, 2 * to * (from - 1));
    let (first, part) = (centre / (2 * to), centre % (2 * to));
    let second = (part * i64::from(ONE) / (2 * to)) as u16;
    let weights = if second == 0 { vec![ONE as u16] } else { vec![ONE as u16 - second, second] };
    complete(first as usize, weights)
}

/// Gives what rounding lost to the heaviest, so that an even area stays as bright as it was.
fn complete(first: usize, mut weights: Vec<u16>) -> Taps {
    let missing = (ONE as u16).saturating_sub(weights.iter().sum());
    if let Some(heaviest) = weights.iter_mut().max() {
        *heaviest += missing;
    }
    Taps { first, weights }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn flat(width: u32, height: u32, value: u8) -> Picture {
        let bytes = Picture::bytes(width, height).unwrap();
        Picture::from_data(width, height, vec![value; bytes], Instant::now()).unwrap()
    }

    proptest! {
        #[test]
        fn an_even_area_stays_as_it_is(
            from in (1u32..200, 1u32..200), to in (1u32..200, 1u32..200), value in 0u8..=255,
        ) {
            let scaled = scale(&flat(from.0, from.1, value), to.0, to.1);
            prop_assert_eq!((scaled.width, scaled.height), to);
            prop_assert_eq!(scaled.data.len(), Picture::bytes(to.0, to.1).unwrap());
            prop_assert!(scaled.data.iter().all(|byte| *byte == value));
        }

        #[test]
        fn a_fit_lies_within(size in (1u32..5000, 1u32..5000), most in (16u32..2000, 16u32..2000)) {
            let (width, height) = fit(size, most);
            prop_assert!(width <= most.0.max(2) && height <= most.1.max(2));
            prop_assert!(width.is_multiple_of(2) && height.is_multiple_of(2));
        }
    }

    #[test]
    fn halving_averages_four() {
        let mut picture = flat(4, 2, 0);
        picture.data[..8].copy_from_slice(&[10, 20, 100, 100, 30, 40, 200, 200]);
        assert_eq!(scale(&picture, 2, 1).data[..2], [25, 150]);
    }

    #[test]
    fn a_quarter_is_a_half_of_a_half() {
        let mut picture = flat(16, 8, 0);
        picture.data.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 37 % 251) as u8);
        assert_eq!(scale(&picture, 4, 2), scale(&scale(&picture, 8, 4), 4, 2));
        // Sides that cannot be halved twice go the general way.
        assert_eq!(scale(&flat(18, 10, 99), 4, 2).data, flat(4, 2, 99).data);
    }

    #[test]
    fn doubling_goes_between() {
        let mut picture = flat(2, 1, 0);
        picture.data[..2].copy_from_slice(&[0, 200]);
        assert_eq!(scale(&picture, 4, 1).data[..4], [0, 50, 150, 200]);
    }

    #[test]
    fn fits_keep_the_shape() {
        assert_eq!(fit((1920, 1080), (1280, 720)), (1280, 720));
        assert_eq!(fit((640, 480), (1280, 720)), (640, 480));
        assert_eq!(fit((1600, 1200), (1280, 720)), (960, 720));
        assert_eq!(fit((1080, 1920), (1280, 720)), (404, 720));
        assert_eq!(fit((641, 361), (1280, 720)), (640, 360));
    }
}

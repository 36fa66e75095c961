//! One uncompressed picture.

use std::time::Instant;

use super::{Error, MOST_SIDE};

/// A picture in I420: planes Y, U, V one after the other without padding, chroma sides rounded up. Limited range, BT.601.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The three planes.
    pub data: Vec<u8>,
    /// When it was taken.
    pub captured: Instant,
    /// Counts the pictures of a camera in use, from 1; 0 where nobody counts.
    pub number: u64,
}

/// The planes of a picture and the length of their rows.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Brightness, `width` bytes a row.
    pub y: &'a [u8],
    /// Blue difference, half of `width`, rounded up, bytes a row.
    pub u: &'a [u8],
    /// Red difference, as `u`.
    pub v: &'a [u8],
}

/// The planes of a picture, to be written.
#[derive(Debug)]
pub struct PlanesMut<'a> {
    /// As in [`Planes`].
    pub y: &'a mut [u8],
    /// As in [`Planes`].
    pub u: &'a mut [u8],
    /// As in [`Planes`].
    pub v: &'a mut [u8],
}

impl Picture {
    /// A black picture.
    ///
    /// # Errors
    /// A side is 0 or longer than [`MOST_SIDE`].
    pub fn black(width: u32, height: u32, captured: Instant) -> Result<Self, Error> {
        let mut picture = Self::from_data(width, height, vec![128; Self::bytes(width, height)?], captured)?;
        picture.planes_mut().y.fill(16);
        Ok(picture)
    }

    /// A picture of these planes.
    ///
    /// # Errors
    /// A side is 0 or longer than [`MOST_SIDE`], or the data is not as long as the size says.
    pub fn from_data(width: u32, height: u32, data: Vec<u8>, captured: Instant) -> Result<Self, Error> {
        let bytes = Self::bytes(width, height)?;
        if data.len() != bytes {
            return Err(Error::Frame(format!("{width}x{height} needs {bytes} bytes, not {}", data.len())));
        }
        Ok(Self { width, height, data, captured, number: 0 })
    }

    /// How many bytes a picture of this size has.
    ///
    /// # Errors
    /// A side is 0 or longer than [`MOST_SIDE`].
    pub fn bytes(width: u32, height: u32) -> Result<usize, Error> {
        let fits = |side: u32| (1..=MOST_SIDE).contains(&side);
        if !fits(width) || !fits(height) {
            return Err(Error::Size { width, height });
        }
        Ok(luma(width, height) + 2 * chroma(width, height))
    }

    /// The planes.
    pub fn planes(&self) -> Planes<'_> {
        let (y, rest) = self.data.split_at(luma(self.width, self.height));
        let (u, v) = rest.split_at(chroma(self.width, self.height));
        Planes { y, u, v }
    }

    /// The planes, to be written.
    pub fn planes_mut(&mut self) -> PlanesMut<'_> {
        let (y, rest) = self.data.split_at_mut(luma(self.width, self.height));
        let (u, v) = rest.split_at_mut(chroma(self.width, self.height));
        PlanesMut { y, u, v }
    }

    /// Sides of the chroma planes.
    pub fn chroma_size(&self) -> (u32, u32) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }
}

fn luma(width: u32, height: u32) -> usize {
    width as usize * height as usize
}

fn chroma(width: u32, height: u32) -> usize {
    luma(width.div_ceil(2), height.div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sides_round_chroma_up() {
        let picture = Picture::black(5, 3, Instant::now()).unwrap();
        let planes = picture.planes();
        assert_eq!((planes.y.len(), planes.u.len(), planes.v.len()), (15, 6, 6));
        assert_eq!(picture.chroma_size(), (3, 2));
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (width, height) in [(0, 16), (16, 0), (MOST_SIDE + 1, 16), (16, u32::MAX)] {
            assert_eq!(Picture::bytes(width, height), Err(Error::Size { width, height }));
        }
    }

    #[test]
    fn data_of_another_length_is_refused() {
        let error = Picture::from_data(4, 4, vec![0; 23], Instant::now()).unwrap_err();
        assert_eq!(error.to_string(), "a damaged frame: 4x4 needs 24 bytes, not 23");
    }
}

//! What cameras give to I420, limited range, without a detour over RGB.

use std::{sync::LazyLock, time::Instant};

use turbojpeg::{Decompressor, Subsamp, YuvImage};
use yuv::{YuvPackedImage, YuvPlanarImageMut};

use crate::video::{Error, Picture, scale};

/// Which values are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// 0 and 255: JPEG.
    Full,
    /// 16 and 235: what the other formats mean, and VP8 decoders expect.
    Limited,
}

impl Range {
    /// Makes planes limited.
    pub(super) fn limit(self, luma: &mut [u8], chroma: &mut [u8]) {
        match self {
            Self::Limited => {}
            Self::Full => {
                luma.iter_mut().for_each(|byte| *byte = LUMA[usize::from(*byte)]);
                chroma.iter_mut().for_each(|byte| *byte = CHROMA[usize::from(*byte)]);
            }
        }
    }
}

static LUMA: LazyLock<[u8; 256]> = LazyLock::new(|| squeeze(16, 219));
static CHROMA: LazyLock<[u8; 256]> = LazyLock::new(|| squeeze(16, 224));

fn squeeze(black: u32, span: u32) -> [u8; 256] {
    std::array::from_fn(|value| (black + (value as u32 * span + 127) / 255) as u8)
}

/// Bytes Y U Y V: two pixels. Of two rows the colours of the first are taken.
pub(super) fn yuyv(bytes: &[u8], width: u32, height: u32, captured: Instant) -> Result<Picture, Error> {
    let stride = width.next_multiple_of(2) * 2;
    let bytes = head(bytes, stride as usize * height as usize)?;
    let mut picture = Picture::black(width, height, captured)?;
    let chroma_stride = picture.chroma_size().0;
    let planes = picture.planes_mut();
    let mut planar = YuvPlanarImageMut {
        y_plane: yuv::BufferStoreMut::Borrowed(planes.y),
        y_stride: width,
        u_plane: yuv::BufferStoreMut::Borrowed(planes.u),
        u_stride: chroma_stride,
        v_plane: yuv::BufferStoreMut::Borrowed(planes.v),
        v_stride: chroma_stride,
        width,
        height,
    };
    let packed = YuvPackedImage { yuy: bytes, yuy_stride: stride, width, height };
    yuv::yuyv422_to_yuv420(&mut planar, &packed).map_err(|error| Error::Frame(error.to_string()))?;
    Ok(picture)
}

/// Brightness, then U and V in turn.
pub(super) fn nv12(bytes: &[u8], width: u32, height: u32, captured: Instant) -> Result<Picture, Error> {
    let luma = width as usize * height as usize;
    let chroma = 2 * width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    let (luma, chroma) = head(bytes, luma + chroma)?.split_at(luma);
    let mut data = Vec::with_capacity(Picture::bytes(width, height)?);
    data.extend_from_slice(luma);
    let (pairs, _) = chroma.as_chunks::<2>();
    data.extend(pairs.iter().map(|[u, _]| *u));
    data.extend(pairs.iter().map(|[_, v]| *v));
    Picture::from_data(width, height, data, captured)
}

/// Brightness alone.
pub(super) fn grey(bytes: &[u8], width: u32, height: u32, captured: Instant) -> Result<Picture, Error> {
    let luma = head(bytes, width as usize * height as usize)?;
    let mut picture = Picture::black(width, height, captured)?;
    picture.planes_mut().y.copy_from_slice(luma);
    Ok(picture)
}

/// One JPEG picture after the other.
pub(super) struct Jpeg {
    decompressor: Decompressor,
    planes: Vec<u8>,
}

impl Jpeg {
    pub(super) fn new() -> Result<Self, Error> {
        let decompressor = Decompressor::new().map_err(|error| Error::Codec(error.to_string()))?;
        Ok(Self { decompressor, planes: Vec::new() })
    }

    /// A picture of exactly this size, whatever its colours are sampled at. What follows it in `bytes` is not looked at; but where
    /// the picture was cut off and the end of an older one follows, that may pass for its own: cameras' buffers are handed on
    /// whole, without the length of what is in them.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        width: u32,
        height: u32,
        captured: Instant,
    ) -> Result<Picture, Error> {
        let damaged = |error: turbojpeg::Error| Error::Frame(error.to_string());
        let header = self.decompressor.read_header(bytes).map_err(damaged)?;
        if (header.width, header.height) != (width as usize, height as usize) {
            return Err(Error::Frame(format!("{}x{} instead of {width}x{height}", header.width, header.height)));
        }
        let colours = sampling(header.subsamp)?;
        let length = turbojpeg::yuv_pixels_len(header.width, 1, header.height, header.subsamp).map_err(damaged)?;
        self.planes.resize(length, 0);
        // The sampling must be the header's own: the library writes as much as that says.
        let image = YuvImage {
            pixels: &mut self.planes[..],
            width: header.width,
            align: 1,
            height: header.height,
            subsamp: header.subsamp,
        };
        self.decompressor.decompress_to_yuv(bytes, image).map_err(damaged)?;
        // The library rounds sides up to whole colours.
        let padded = colours
            .map_or((width, height), |(across, down)| (width.next_multiple_of(across), height.next_multiple_of(down)));
        let (luma, chroma) = self.planes.split_at(padded.0 as usize * padded.1 as usize);
        let mut data = Vec::with_capacity(Picture::bytes(width, height)?);
        for row in luma.chunks_exact(padded.0 as usize).take(height as usize) {
            data.extend_from_slice(&row[..width as usize]);
        }
        match colours {
            None => data.resize(Picture::bytes(width, height)?, 128),
            Some((across, down)) => {
                let (from, half) = ((padded.0 / across, padded.1 / down), (width.div_ceil(2), height.div_ceil(2)));
                for plane in chroma.chunks_exact(from.0 as usize * from.1 as usize).take(2) {
                    match from == half {
                        true => data.extend_from_slice(plane),
                        false => scale::append(&mut data, plane, from, half),
                    }
                }
            }
        }
        let mut picture = Picture::from_data(width, height, data, captured)?;
        let (luma, chroma) = picture.data.split_at_mut(width as usize * height as usize);
        Range::Full.limit(luma, chroma);
        Ok(picture)
    }
}

/// How many pixels across and down share one colour; none where there is no colour.
fn sampling(subsamp: Subsamp) -> Result<Option<(u32, u32)>, Error> {
    let ways = [
        (Subsamp::None, (1, 1)),
        (Subsamp::Sub2x1, (2, 1)),
        (Subsamp::Sub1x2, (1, 2)),
        (Subsamp::Sub2x2, (2, 2)),
        (Subsamp::Sub4x1, (4, 1)),
        (Subsamp::Sub1x4, (1, 4)),
    ];
    if subsamp == Subsamp::Gray {
        return Ok(None);
    }
    let known = ways.into_iter().find(|(way, _)| *way == subsamp);
    known
        .map(|(_, pixels)| Some(pixels))
        .ok_or_else(|| Error::Frame("its colours are sampled in an unknown way".to_owned()))
}

/// The first bytes; buffers are longer than what is in them.
fn head(bytes: &[u8], length: usize) -> Result<&[u8], Error> {
    bytes.get(..length).ok_or_else(|| Error::Frame(format!("{} bytes instead of {length}", bytes.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use turbojpeg::{Compressor, Image, PixelFormat};

    use super::*;

    /// A red left half and a blue right half, as JPEG.
    fn jpeg(width: usize, height: usize, subsamp: Subsamp) -> Vec<u8> {
        let row: Vec<u8> = (0..width).flat_map(|x| if x < width / 2 { [255, 0, 0] } else { [0, 0, 255] }).collect();
        let pixels = row.repeat(height);
        let mut compressor = Compressor::new().unwrap();
        compressor.set_subsamp(subsamp).unwrap();
        compressor.set_quality(95).unwrap();
        let image = Image { pixels: &pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB };
        compressor.compress_to_vec(image).unwrap()
    }

    fn near(value: u8, expected: u8) -> bool {
        value.abs_diff(expected) <= 4
    }

    #[test]
    fn jpeg_of_any_sampling_keeps_its_colours() {
        let ways = [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1, Subsamp::Sub1x4];
        for (subsamp, (width, height)) in ways.into_iter().flat_map(|way| [(way, (64, 32)), (way, (65, 33))]) {
            let bytes = jpeg(width as usize, height as usize, subsamp);
            let picture = Jpeg::new().unwrap().decode(&bytes, width, height, Instant::now()).unwrap();
            let (planes, half) = (picture.planes(), picture.chroma_size().0 as usize);
            // BT.601, limited: red is 81 90 240, blue is 41 240 110.
            let left = (planes.y[0], planes.u[1], planes.v[1]);
            let right = (planes.y[width as usize - 1], planes.u[half - 1], planes.v[half - 1]);
            assert!(near(left.0, 81) && near(left.1, 90) && near(left.2, 240), "{subsamp:?} {left:?}");
            assert!(near(right.0, 41) && near(right.1, 240) && near(right.2, 110), "{subsamp:?} {right:?}");
        }
    }

    #[test]
    fn grey_jpeg_has_no_colour() {
        let bytes = jpeg(64, 32, Subsamp::Gray);
        let picture = Jpeg::new().unwrap().decode(&bytes, 64, 32, Instant::now()).unwrap();
        assert!(near(picture.planes().y[0], 81), "{}", picture.planes().y[0]);
        assert!(picture.planes().u.iter().chain(picture.planes().v).all(|value| *value == 128));
    }

    #[test]
    fn what_follows_a_jpeg_is_ignored() {
        let mut bytes = jpeg(64, 32, Subsamp::Sub2x1);
        bytes.resize(64 * 1024, 0);
        assert!(Jpeg::new().unwrap().decode(&bytes, 64, 32, Instant::now()).is_ok());
    }

    #[test]
    fn damaged_jpegs_are_errors_and_the_next_one_is_fine() {
        let (good, mut decoder) = (jpeg(64, 32, Subsamp::Sub2x1), Jpeg::new().unwrap());
        for bad in [&good[..good.len() / 2], &good[..20], &[], &[0xff, 0xd8, 0xff, 0xd9]] {
            assert!(decoder.decode(bad, 64, 32, Instant::now()).is_err(), "{} bytes", bad.len());
        }
        assert!(decoder.decode(&good, 32, 64, Instant::now()).is_err());
        assert!(decoder.decode(&good, 64, 32, Instant::now()).is_ok());
    }

    #[test]
    fn yuyv_is_taken_apart() {
        // Two rows of two pixels; the rows share the colours of the first.
        let bytes = [10, 100, 20, 200, 30, 110, 40, 210, 9, 9];
        assert_eq!(yuyv(&bytes, 2, 2, Instant::now()).unwrap().data, [10, 20, 30, 40, 100, 200]);
    }

    #[test]
    fn nv12_is_taken_apart() {
        let picture = nv12(&[1, 2, 3, 4, 50, 60, 7, 7, 7], 2, 2, Instant::now()).unwrap();
        assert_eq!(picture.data, [1, 2, 3, 4, 50, 60]);
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        let now = Instant::now();
        assert_eq!(nv12(&[0; 5], 2, 2, now).unwrap_err().to_string(), "a damaged frame: 5 bytes instead of 6");
        assert!(yuyv(&[0; 7], 2, 2, now).is_err());
        assert!(grey(&[0; 3], 2, 2, now).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, width in 1u32..40, height in 1u32..40) {
            let now = Instant::now();
            let _either = (yuyv(&bytes, width, height, now), nv12(&bytes, width, height, now));
            let _either = Jpeg::new().unwrap().decode(&bytes, width, height, now);
        }

        #[test]
        fn any_change_to_a_jpeg_is_survived(at in 0usize..400, value: u8) {
            let mut bytes = jpeg(64, 32, Subsamp::Sub2x1);
            let at = at % bytes.len();
            bytes[at] = value;
            let _either = Jpeg::new().unwrap().decode(&bytes, 64, 32, Instant::now());
        }
    }
}

//! Reads YUV4MPEG2 files: a line of text, then frames, each a line of text and its planes.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    time::{Duration, Instant},
};

use super::convert::Range;
use crate::video::{Error, Picture};

/// The longest line that is read: real ones have some fifty bytes.
const MOST_LINE: u64 = 1024;
const LEAST_SIDE: u32 = 16;
const MOST_RATE: u32 = 60;

/// A file that is read in a loop.
#[derive(Debug)]
pub(super) struct Reader<R = BufReader<File>> {
    input: R,
    path: String,
    header: Header,
    /// Where the first frame begins.
    start: u64,
    /// Frames read since the start.
    frames: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    width: u32,
    height: u32,
    interval: Duration,
    range: Range,
}

impl Reader {
    pub(super) fn open(path: &str) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| Error::File { path: path.to_owned(), why: error.to_string() })?;
        Self::new(BufReader::with_capacity(1 << 16, file), path)
    }
}

impl<R: BufRead + Seek> Reader<R> {
    fn new(mut input: R, path: &str) -> Result<Self, Error> {
        let refuse = |why: String| Error::File { path: path.to_owned(), why };
        let line = line(&mut input).map_err(&refuse)?;
        let header = Header::parse(&line).map_err(&refuse)?;
        let start = input.stream_position().map_err(|error| refuse(error.to_string()))?;
        let mut reader = Self { input, path: path.to_owned(), header, start, frames: 0 };
        // A file without one good frame is refused now, not when the call has begun.
        reader.next(Instant::now())?;
        reader.rewind().map_err(refuse)?;
        Ok(reader)
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.header.width, self.header.height)
    }

    pub(super) fn interval(&self) -> Duration {
        self.header.interval
    }

    /// The next picture; after the last one, the first.
    pub(super) fn next(&mut self, captured: Instant) -> Result<Picture, Error> {
        let result = match self.frame() {
            Ok(Some(data)) => Ok(data),
            Ok(None) if self.frames == 0 => Err("it has no whole frame".to_owned()),
            Ok(None) => self.rewind().and_then(|()| self.frame()?.ok_or_else(|| "it became shorter".to_owned())),
            Err(why) => Err(why),
        };
        let mut data = result.map_err(|why| Error::File { path: self.path.clone(), why })?;
        self.frames += 1;
        let (width, height) = self.size();
        let (luma, chroma) = data.split_at_mut(width as usize * height as usize);
        self.header.range.limit(luma, chroma);
        Picture::from_data(width, height, data, captured)
    }

    /// The next frame's planes; `None` at the end, also where that cuts a frame off: a recording may have been interrupted.
    fn frame(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.input.fill_buf().map_err(|error| error.to_string())?.is_empty() {
            return Ok(None);
        }
        let line = line(&mut self.input)?;
        if line != "FRAME" && !line.starts_with("FRAME ") {
            return Err(format!("frame {} does not begin with FRAME", self.frames + 1));
        }
        let (width, height) = self.size();
        let bytes = Picture::bytes(width, height).map_err(|error| error.to_string())?;
        let mut data = Vec::with_capacity(bytes);
        self.input.by_ref().take(bytes as u64).read_to_end(&mut data).map_err(|error| error.to_string())?;
        Ok((data.len() == bytes).then_some(data))
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.frames = 0;
        self.input.seek(SeekFrom::Start(self.start)).map(drop).map_err(|error| error.to_string())
    }
}

impl Header {
    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err("it is no YUV4MPEG2 file".to_owned());
        }
        let (mut width, mut height, mut interval, mut range) = (None, None, None, Range::Limited);
        for word in words.filter(|word| !word.is_empty()) {
            let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            match tag {
                "W" => width = Some(side("width", value)?),
                "H" => height = Some(side("height", value)?),
                "F" => interval = Some(rate(value)?),
                "I" => interlacing(value)?,
                "C" => colour(value)?,
                "X" if value == "COLORRANGE=FULL" => range = Range::Full,
                // Pixel aspect, comments, and what later versions add.
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else { return Err("it tells no width or height".to_owned()) };
        let interval = interval.ok_or_else(|| "it tells no frame rate".to_owned())?;
        Ok(Self { width, height, interval, range })
    }
}

fn side(name: &str, value: &str) -> Result<u32, String> {
    let most = crate::video::MOST_SIDE;
    let fits = |side: &u32| (LEAST_SIDE..=most).contains(side);
    value
        .parse()
        .ok()
        .filter(fits)
        .ok_or_else(|| format!("its {name} {value:?} is not a number from {LEAST_SIDE} to {most}"))
}

/// The time between two frames.
fn rate(value: &str) -> Result<Duration, String> {
    let parse = || {
        let (frames, seconds) = value.split_once(':')?;
        let (frames, seconds) = (frames.parse::<u32>().ok()?, seconds.parse::<u32>().ok()?);
        let rate = f64::from(frames) / f64::from(seconds);
        (1.0..=f64::from(MOST_RATE)).contains(&rate).then(|| Duration::from_secs_f64(1.0 / rate))
    };
    parse().ok_or_else(|| format!("its frame rate {value:?} is not a fraction from 1:1 to {MOST_RATE}:1"))
}

fn interlacing(value: &str) -> Result<(), String> {
    match value {
        "p" | "?" => Ok(()),
        _ => Err(format!("it is interlaced ({value}): only progressive pictures are played")),
    }
}

fn colour(value: &str) -> Result<(), String> {
    match value {
        // They differ in where a colour sample lies between the pixels, by less than one pixel.
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(()),
        _ => Err(format!("its colours are {value}: only 420 with 8 bits is played")),
    }
}

fn line(input: &mut impl BufRead) -> Result<String, String> {
    let mut line = Vec::new();
    input.take(MOST_LINE).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    if line.pop() != Some(b'\n') {
        return Err("it is no YUV4MPEG2 file: a line of text has no end".to_owned());
    }
    String::from_utf8(line).map_err(|_| "it is no YUV4MPEG2 file: a line of text is none".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn film(header: &str, frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = format!("{header}\n").into_bytes();
        for frame in frames {
            bytes.extend_from_slice(b"FRAME\n");
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    fn open(bytes: Vec<u8>) -> Result<Reader<Cursor<Vec<u8>>>, String> {
        Reader::new(Cursor::new(bytes), "film.y4m").map_err(|error| error.to_string())
    }

    const GOOD: &str = "YUV4MPEG2 W16 H16 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG";

    #[test]
    fn frames_come_in_order_and_again() {
        let mut reader = open(film(GOOD, &[&[40; 384], &[90; 384]])).unwrap();
        let firsts: Vec<u8> = (0..5).map(|_| reader.next(Instant::now()).unwrap().data[0]).collect();
        assert_eq!(firsts, [40, 90, 40, 90, 40]);
        assert_eq!(reader.size(), (16, 16));
        assert!((reader.interval().as_secs_f64() - 1001.0 / 30000.0).abs() < 1e-6);
    }

    #[test]
    fn all_kinds_of_420_and_parameters_of_frames_are_read() {
        for colour in ["", " C420", " C420jpeg", " C420mpeg2", " C420paldv"] {
            let mut bytes = format!("YUV4MPEG2 W17 H17 F25:1{colour}\nFRAME Ip XTIME=3\n").into_bytes();
            bytes.extend_from_slice(&[99; 17 * 17 + 2 * 81]);
            assert_eq!(open(bytes).unwrap().next(Instant::now()).unwrap().data[0], 99);
        }
    }

    #[test]
    fn full_range_becomes_limited() {
        let header = "YUV4MPEG2 W16 H16 F30:1 C420 XCOLORRANGE=FULL";
        let mut frame = [255u8; 384];
        frame[0] = 0;
        let picture = open(film(header, &[&frame])).unwrap().next(Instant::now()).unwrap();
        assert_eq!((picture.data[0], picture.data[1], picture.data[256]), (16, 235, 240));
    }

    #[test]
    fn a_last_frame_that_was_cut_off_is_left_out() {
        let mut reader = open(film(GOOD, &[&[40; 384], &[90; 100]])).unwrap();
        let firsts: Vec<u8> = (0..3).map(|_| reader.next(Instant::now()).unwrap().data[0]).collect();
        assert_eq!(firsts, [40, 40, 40]);
    }

    #[test]
    fn bad_files_are_refused_in_words() {
        let frame: &[u8] = &[0; 384];
        for (bytes, words) in [
            (b"RIFF....AVI ".to_vec(), "a line of text has no end"),
            (b"RIFF\n".to_vec(), "it is no YUV4MPEG2 file"),
            (film("YUV4MPEG2 H16 F30:1", &[frame]), "no width or height"),
            (film("YUV4MPEG2 W16 H16", &[frame]), "no frame rate"),
            (film("YUV4MPEG2 W8 H16 F30:1", &[frame]), "its width \"8\" is not a number from 16 to 4096"),
            (film("YUV4MPEG2 W16 H16 F0:0", &[frame]), "its frame rate \"0:0\""),
            (film("YUV4MPEG2 W16 H16 F240:1", &[frame]), "its frame rate \"240:1\""),
            (film("YUV4MPEG2 W16 H16 F30:1 C422", &[frame]), "its colours are 422"),
            (film("YUV4MPEG2 W16 H16 F30:1 C420p10", &[frame]), "its colours are 420p10"),
            (film("YUV4MPEG2 W16 H16 F30:1 It", &[frame]), "it is interlaced (t)"),
            (film(GOOD, &[]), "it has no whole frame"),
            (film(GOOD, &[&[0; 383]]), "it has no whole frame"),
            (format!("{GOOD}\nframe\n").into_bytes(), "frame 1 does not begin with FRAME"),
        ] {
            let error = open(bytes).unwrap_err();
            assert!(error.starts_with("film.y4m: ") && error.contains(words), "{error:?} lacks {words:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Reader::open("/nowhere/film.y4m").unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/film.y4m: No such file"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(header in "[ -~]{0,60}", bytes: Vec<u8>) {
            let whole = [b"YUV4MPEG2 W16 H16 F30:1 ", header.as_bytes(), b"\n", &bytes].concat();
            let _either = open(whole);
            let _either = open(bytes);
        }
    }
}

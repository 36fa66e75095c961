//! A sound file in memory.

use std::{
    fmt,
    io::{ErrorKind, Read},
    path::Path,
};

use parlor_protocol::ui::DeviceTrouble;

use super::{RATE, event::Fault, resampler};

/// The longest file that is taken, in seconds: it is kept in memory at 48 kHz (115 MB).
const LONGEST: u64 = 600;

/// A WAV file as mono samples at 48 kHz; never empty.
#[derive(Debug, Clone)]
pub(crate) struct Clip {
    samples: Vec<f32>,
}

impl Clip {
    /// Reads a WAV file of any rate, depth and number of channels (which are averaged).
    pub(crate) fn load(path: &Path) -> Result<Self, Fault> {
        let (mono, rate) = mono(path)?;
        let samples = resampler::convert(&mono, rate, RATE).map_err(|error| failed(path, &error))?;
        if samples.is_empty() {
            return Err(failed(path, &"there is no sound in it"));
        }
        Ok(Self { samples })
    }

    pub(crate) fn samples(&self) -> &[f32] {
        &self.samples
    }
}

/// A WAV file's channels averaged, and its rate.
pub(crate) fn mono(path: &Path) -> Result<(Vec<f32>, u32), Fault> {
    let reader = hound::WavReader::open(path).map_err(|error| refusal(path, &error))?;
    let spec = reader.spec();
    if spec.sample_rate < 4_000 || spec.sample_rate > 384_000 || spec.channels == 0 {
        return Err(failed(path, &"its sample rate or channels make no sense"));
    }
    if u64::from(reader.duration()) > LONGEST * u64::from(spec.sample_rate) {
        return Err(failed(path, &"longer than ten minutes"));
    }
    let interleaved = read(reader).map_err(|error| failed(path, &format!("damaged ({error})")))?;
    let channels = usize::from(spec.channels);
    let mono = interleaved.chunks_exact(channels).map(|one| one.iter().sum::<f32>() / channels as f32).collect();
    Ok((mono, spec.sample_rate))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the others are told in the system's words")]
fn refusal(path: &Path, error: &hound::Error) -> Fault {
    match error {
        hound::Error::IoError(io) => match io.kind() {
            ErrorKind::NotFound => {
                Fault::new(DeviceTrouble::Missing, format!("{}: there is no such file", path.display()))
            }
            ErrorKind::PermissionDenied => {
                Fault::new(DeviceTrouble::Denied, format!("{}: the system does not let us read it", path.display()))
            }
            ErrorKind::UnexpectedEof => failed(path, &"the file ends before its sound begins"),
            _ => failed(path, io),
        },
        hound::Error::FormatError(why) => failed(path, &format!("not a WAV file that can be played ({why})")),
        hound::Error::TooWide | hound::Error::Unsupported | hound::Error::InvalidSampleFormat => {
            failed(path, &"a kind of WAV file that cannot be played: use 8 to 32 bit PCM or 32 bit float")
        }
        hound::Error::UnfinishedSample => failed(path, &"the file ends in the middle of a sample"),
    }
}

fn failed(path: &Path, why: &dyn fmt::Display) -> Fault {
    Fault::new(DeviceTrouble::Failed, format!("{}: {why}", path.display()))
}

fn read<R: Read>(reader: hound::WavReader<R>) -> Result<Vec<f32>, hound::Error> {
    let spec = reader.spec();
    match spec.sample_format {
        hound::SampleFormat::Float => {
            // What is not a number would spread through every filter after it.
            reader.into_samples::<f32>().map(|sample| sample.map(|s| if s.is_finite() { s } else { 0.0 })).collect()
        }
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            reader.into_samples::<i32>().map(|sample| Ok(sample? as f32 * scale)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::measure;

    fn write(path: &Path, spec: hound::WavSpec, seconds: f32, hz: f32) {
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for n in 0..(seconds * spec.sample_rate as f32) as u32 {
            let sample = 0.5 * (std::f32::consts::TAU * hz * n as f32 / spec.sample_rate as f32).sin();
            for _ in 0..spec.channels {
                match spec.sample_format {
                    hound::SampleFormat::Float => writer.write_sample(sample).unwrap(),
                    hound::SampleFormat::Int => {
                        let full = (1i64 << (spec.bits_per_sample - 1)) as f32 - 1.0;
                        writer.write_sample((sample * full) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
    }

    fn refused(content: &[u8]) -> Fault {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        std::fs::write(&path, content).unwrap();
        Clip::load(&path).unwrap_err()
    }

    #[test]
    fn any_rate_depth_and_channels_become_48_khz_mono() {
        let folder = tempfile::tempdir().unwrap();
        for (rate, channels, bits) in
            [(8_000, 1, 8), (16_000, 2, 16), (44_100, 2, 24), (48_000, 6, 16), (96_000, 1, 32)]
        {
            let path = folder.path().join(format!("{rate}.wav"));
            let sample_format = if bits == 32 { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
            write(
                &path,
                hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format },
                1.0,
                440.0,
            );
            let clip = Clip::load(&path).unwrap();
            assert!(clip.samples().len().abs_diff(48_000) <= 1, "{rate} Hz: {}", clip.samples().len());
            let tone = measure::tone(&clip.samples()[4_800..43_200], RATE).unwrap();
            assert!((tone.hz - 440.0).abs() < 0.2, "{rate} Hz: {tone:?}");
            assert!((tone.dbfs + 9.03).abs() < 0.3, "{rate} Hz: {tone:?}");
        }
    }

    #[test]
    fn a_missing_file_is_missing() {
        let fault = Clip::load(Path::new("/nowhere/at/all.wav")).unwrap_err();
        assert_eq!(fault.trouble, DeviceTrouble::Missing);
        assert!(fault.detail.contains("no such file"), "{fault}");
    }

    #[test]
    fn what_is_no_wav_file_is_refused_in_words() {
        for content in [&b""[..], b"RIFF", b"this is a text and not a sound, whatever its name says"] {
            let fault = refused(content);
            assert_eq!(fault.trouble, DeviceTrouble::Failed);
            assert!(fault.detail.contains("x.wav: "), "{fault}");
        }
    }

    #[test]
    fn a_file_without_sound_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        write(&path, spec, 0.0, 440.0);
        assert!(Clip::load(&path).unwrap_err().detail.contains("no sound"));
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        write(&path, spec, 0.1, 440.0);
        let whole = std::fs::read(&path).unwrap();
        let fault = refused(&whole[..whole.len() / 2]);
        assert_eq!(fault.trouble, DeviceTrouble::Failed);
    }
}

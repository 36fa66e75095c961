//! Device specs: which camera, microphone or speaker to use, in the text form that flags and settings share.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;

/// Why a text is no device spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {kind}: use {forms}")]
pub struct SpecError {
    given: String,
    kind: &'static str,
    forms: &'static str,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Pictures in.
    Camera,
    /// Sound in.
    Microphone,
    /// Sound out.
    Speaker,
}

/// `device[:ID] | pattern[:WxH@FPS] | file:X.y4m | none`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CameraSpec {
    /// A real camera; the first one where no id is given.
    Device(Option<String>),
    /// A moving test picture with a frame counter.
    Pattern(VideoFormat),
    /// A YUV4MPEG2 file, played in a loop.
    File(String),
    /// No camera.
    None,
}

/// `device[:ID] | tone[:HZ] | file:X.wav | none`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MicrophoneSpec {
    /// A real microphone; the default one where no id is given.
    Device(Option<String>),
    /// A sine tone of so many hertz.
    Tone(u32),
    /// A WAV file, played in a loop.
    File(String),
    /// No microphone.
    None,
}

/// `device[:ID] | file:X.wav | none`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SpeakerSpec {
    /// A real speaker; the default one where no id is given.
    Device(Option<String>),
    /// A WAV file to write.
    File(String),
    /// No speaker: sound is mixed and thrown away.
    None,
}

/// A picture's size in pixels and its rate in frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub struct VideoFormat {
    /// Pixels across, 16 to 4096, even.
    pub width: u32,
    /// Pixels down, 16 to 4096, even.
    pub height: u32,
    /// Frames a second, 1 to 60.
    pub fps: u32,
}

impl Default for VideoFormat {
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30 }
    }
}

impl FromStr for VideoFormat {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let parse = || {
            let (size, fps) = text.split_once('@')?;
            let (width, height) = size.split_once('x')?;
            let format = Self { width: width.parse().ok()?, height: height.parse().ok()?, fps: fps.parse().ok()? };
            let side = |pixels: u32| (16..=4096).contains(&pixels) && pixels.is_multiple_of(2);
            (side(format.width) && side(format.height) && (1..=60).contains(&format.fps)).then_some(format)
        };
        parse().ok_or_else(|| SpecError {
            given: text.to_owned(),
            kind: "picture format",
            forms: "WIDTHxHEIGHT@FPS with even sides from 16 to 4096 and 1 to 60 frames a second",
        })
    }
}

impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.fps)
    }
}

impl FromStr for CameraSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text) {
            ("device", id) => Ok(Self::Device(id.map(str::to_owned))),
            ("pattern", None) => Ok(Self::Pattern(VideoFormat::default())),
            ("pattern", Some(format)) => format.parse().map(Self::Pattern),
            ("file", Some(path)) => Ok(Self::File(path.to_owned())),
            ("none", None) => Ok(Self::None),
            _ => Err(SpecError {
                given: text.to_owned(),
                kind: "camera",
                forms: "device[:ID], pattern[:WxH@FPS], file:X.y4m or none",
            }),
        }
    }
}

impl fmt::Display for CameraSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write_device(id.as_deref(), f),
            Self::Pattern(format) => write!(f, "pattern:{format}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for MicrophoneSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let error = || SpecError {
            given: text.to_owned(),
            kind: "microphone",
            forms: "device[:ID], tone[:HZ] from 20 to 20000, file:X.wav or none",
        };
        match split(text) {
            ("device", id) => Ok(Self::Device(id.map(str::to_owned))),
            ("tone", None) => Ok(Self::Tone(440)),
            ("tone", Some(hz)) => {
                hz.parse().ok().filter(|hz| (20..=20_000).contains(hz)).map(Self::Tone).ok_or_else(error)
            }
            ("file", Some(path)) => Ok(Self::File(path.to_owned())),
            ("none", None) => Ok(Self::None),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for MicrophoneSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write_device(id.as_deref(), f),
            Self::Tone(hz) => write!(f, "tone:{hz}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for SpeakerSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text) {
            ("device", id) => Ok(Self::Device(id.map(str::to_owned))),
            ("file", Some(path)) => Ok(Self::File(path.to_owned())),
            ("none", None) => Ok(Self::None),
            _ => Err(SpecError { given: text.to_owned(), kind: "speaker", forms: "device[:ID], file:X.wav or none" }),
        }
    }
}

impl fmt::Display for SpeakerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write_device(id.as_deref(), f),
            Self::File(path) => write!(f, "file:{path}"),
            Self::None => f.write_str("none"),
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((kind, "")) => (kind, None),
        Some((kind, rest)) => (kind, Some(rest)),
        None => (text, None),
    }
}

fn write_device(id: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match id {
        Some(id) => write!(f, "device:{id}"),
        None => f.write_str("device"),
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(CameraSpec, MicrophoneSpec, SpeakerSpec);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn specs_go_there_and_back() {
        for text in ["device", "device:usb-1", "pattern:640x360@30", "file:a.y4m", "none"] {
            assert_eq!(text.parse::<CameraSpec>().unwrap().to_string(), text);
        }
        for text in ["device", "device:hw:1,0", "tone:440", "file:a.wav", "none"] {
            assert_eq!(text.parse::<MicrophoneSpec>().unwrap().to_string(), text);
        }
        for text in ["device", "file:a.wav", "none"] {
            assert_eq!(text.parse::<SpeakerSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn short_forms_mean_the_usual() {
        assert_eq!("pattern".parse::<CameraSpec>().unwrap().to_string(), "pattern:1280x720@30");
        assert_eq!("tone".parse::<MicrophoneSpec>().unwrap().to_string(), "tone:440");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in ["", "webcam", "pattern:640x361@30", "pattern:640@30", "file:", "none:1"] {
            assert!(text.parse::<CameraSpec>().unwrap_err().to_string().contains("use "), "{text}");
        }
        assert!("tone:1".parse::<MicrophoneSpec>().is_err());
        assert!("tone:440".parse::<SpeakerSpec>().is_err());
    }
}

//! Sound devices: which there are, finding one, and what their errors mean.

use std::collections::{BTreeMap, BTreeSet};

use cpal::{
    BufferSize, Device, ErrorKind, Host, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait},
};
use parlor_protocol::ui::DeviceTrouble;

use super::{RATE, event::Fault};

/// Microphones by id and name, the ids fit for `device:ID`. Monitors of speakers are none. May take a while: it asks the system.
pub fn microphones() -> Vec<(String, String)> {
    list(Direction::Capture)
}

/// Speakers by id and name, the ids fit for `device:ID`. May take a while: it asks the system.
pub fn speakers() -> Vec<(String, String)> {
    list(Direction::Playback)
}

/// Which way sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Capture,
    Playback,
}

impl Direction {
    fn noun(self) -> &'static str {
        match self {
            Self::Capture => "microphone",
            Self::Playback => "speaker",
        }
    }
}

/// A device that is there.
pub(crate) struct Found {
    pub(crate) device: Device,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The device with this id, or the default one.
pub(crate) fn find(host: &Host, direction: Direction, wanted: Option<&str>) -> Result<Found, Fault> {
    keep_quiet();
    let noun = direction.noun();
    let Some(wanted) = wanted else {
        let device = match direction {
            Direction::Capture => host.default_input_device(),
            Direction::Playback => host.default_output_device(),
        };
        let found = device.and_then(describe);
        return found.ok_or_else(|| Fault::new(DeviceTrouble::Missing, format!("there is no {noun}")));
    };
    devices(host, direction)?
        .filter_map(describe)
        .find(|found| found.id == wanted || found.id.split_once(':').is_some_and(|(_, id)| id == wanted))
        .ok_or_else(|| Fault::new(DeviceTrouble::Missing, format!("the {noun} {wanted:?} is not there")))
}

/// How to open a device: at 48 kHz if it can, with callbacks of so many milliseconds if it lets us choose.
pub(crate) fn config(
    device: &Device,
    direction: Direction,
    ms: u32,
) -> Result<(StreamConfig, SampleFormat), cpal::Error> {
    let default = match direction {
        Direction::Capture => device.default_input_config()?,
        Direction::Playback => device.default_output_config()?,
    };
    let rate = if has_our_rate(device, direction, &default) { RATE } else { default.sample_rate() };
    let wanted = rate * ms / 1_000;
    let buffer_size = match default.buffer_size() {
        SupportedBufferSize::Range { min, max } if (min..=max).contains(&&wanted) => BufferSize::Fixed(wanted),
        SupportedBufferSize::Range { .. } | SupportedBufferSize::Unknown => BufferSize::Default,
    };
    Ok((StreamConfig { channels: default.channels(), sample_rate: rate, buffer_size }, default.sample_format()))
}

/// Keeps the sound system, on this thread, from writing to standard error what it looks for in vain: it comes back as errors.
/// Called again it forgets what was kept back.
#[cfg(target_os = "linux")]
pub(crate) fn keep_quiet() {
    if let Err(error) = alsa::Output::local_error_handler() {
        tracing::debug!(%error, "the sound system is not quiet");
    }
}

/// Elsewhere it is quiet by itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_quiet() {}

/// What an error of the sound system means to people.
#[allow(clippy::wildcard_enum_match_arm, reason = "cpal may add kinds, and all others are failures")]
pub(crate) fn fault(error: &cpal::Error) -> Fault {
    let trouble = match error.kind() {
        ErrorKind::DeviceBusy => DeviceTrouble::Busy,
        ErrorKind::DeviceNotAvailable => DeviceTrouble::Missing,
        ErrorKind::PermissionDenied => DeviceTrouble::Denied,
        _ => DeviceTrouble::Failed,
    };
    Fault::new(trouble, error.to_string())
}

/// Whether a stream's error ends it. The others are noted by who counts dropouts.
pub(crate) fn is_fatal(error: &cpal::Error) -> bool {
    !matches!(error.kind(), ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied | ErrorKind::Xrun)
}

fn list(direction: Direction) -> Vec<(String, String)> {
    keep_quiet();
    let Ok(devices) = devices(&cpal::default_host(), direction) else { return Vec::new() };
    let mut ids = BTreeSet::new();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    let mut list = Vec::new();
    for Found { id, name, .. } in devices.filter_map(describe) {
        if !ids.insert(id.clone()) {
            continue;
        }
        let count = names.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count > 1 { format!("{name} ({count})") } else { name };
        list.push((id, name));
    }
    list
}

fn devices(host: &Host, direction: Direction) -> Result<impl Iterator<Item = Device> + use<>, Fault> {
    let devices = match direction {
        Direction::Capture => host.input_devices(),
        Direction::Playback => host.output_devices(),
    };
    Ok(devices.map_err(|error| fault(&error))?.filter(is_for_people))
}

/// ALSA lists every way to reach a card; two of them are of use: the one that converts, and what the system calls default.
/// PulseAudio lists the sound of every speaker as a source.
fn is_for_people(device: &Device) -> bool {
    let Ok(id) = device.id() else { return false };
    match id.host().to_string().as_str() {
        "alsa" => id.id().starts_with("plughw:") || ["default", "pipewire", "pulse"].contains(&id.id()),
        "pulseaudio" => !id.id().ends_with(".monitor"),
        _ => true,
    }
}

fn describe(device: Device) -> Option<Found> {
    let id = device.id().ok()?.to_string();
    let name = device.description().map_or_else(|_| id.clone(), |description| description.name().trim().to_owned());
    Some(Found { device, name: if name.is_empty() { id.clone() } else { name }, id })
}

fn has_our_rate(device: &Device, direction: Direction, default: &SupportedStreamConfig) -> bool {
    let fits = |range: &cpal::SupportedStreamConfigRange| {
        range.channels() == default.channels()
            && range.sample_format() == default.sample_format()
            && (range.min_sample_rate()..=range.max_sample_rate()).contains(&RATE)
    };
    match direction {
        Direction::Capture => device.supported_input_configs().is_ok_and(|mut ranges| ranges.any(|range| fits(&range))),
        Direction::Playback => {
            device.supported_output_configs().is_ok_and(|mut ranges| ranges.any(|range| fits(&range)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_told_apart() {
        for (kind, trouble) in [
            (ErrorKind::DeviceBusy, DeviceTrouble::Busy),
            (ErrorKind::DeviceNotAvailable, DeviceTrouble::Missing),
            (ErrorKind::PermissionDenied, DeviceTrouble::Denied),
            (ErrorKind::StreamInvalidated, DeviceTrouble::Failed),
            (ErrorKind::HostUnavailable, DeviceTrouble::Failed),
        ] {
            assert_eq!(fault(&cpal::Error::new(kind)).trouble, trouble);
        }
    }

    #[test]
    fn a_dropout_ends_no_stream() {
        assert!(!is_fatal(&cpal::Error::new(ErrorKind::Xrun)));
        assert!(is_fatal(&cpal::Error::new(ErrorKind::StreamInvalidated)));
    }
}

//! Sound devices: which there are, finding one, and what their errors mean.

use std::collections::{BTreeMap, BTreeSet};

use cpal::{
    BufferSize, Device, ErrorKind, Host, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfig,
    SupportedStreamConfigRange,
    traits::{DeviceTrait, HostTrait},
};
use parlor_protocol::ui::DeviceTrouble;

use super::{RATE, event::Fault};

/// Rates to open a device at, in hertz, the best first: ours needs no conversion, and below telephone's nobody is understood.
const RATES: [u32; 5] = [RATE, 44_100, 96_000, 32_000, 16_000];

/// Microphones by id and name, the ids fit for `device:ID`. Monitors of speakers are none. May take a while: it asks the system.
pub fn microphones() -> Vec<(String, String)> {
    list(Direction::Capture)
}

/// Speakers by id and name, the ids fit for `device:ID`. May take a while: it asks the system.
pub fn speakers() -> Vec<(String, String)> {
    list(Direction::Playback)
}

/// Which way sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Capture,
    Playback,
}

impl Direction {
    pub(crate) fn noun(self) -> &'static str {
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
        // Where there is no microphone, PulseAudio's default source is what the speaker plays.
        let found = device.filter(is_for_people).and_then(describe);
        return found.ok_or_else(|| Fault::new(DeviceTrouble::Missing, format!("there is no {noun}")));
    };
    devices(host, direction)?
        .filter_map(describe)
        .find(|found| found.id == wanted || found.id.split_once(':').is_some_and(|(_, id)| id == wanted))
        .ok_or_else(|| Fault::new(DeviceTrouble::Missing, format!("the {noun} {wanted:?} is not there")))
}

/// Opens a device in the first of several ways that it does not refuse: drivers offer what they then do not take. The best is
/// tried first: 48 kHz, and callbacks of so many milliseconds, if it says that it lets us choose.
///
/// # Errors
/// The last refusal; or at once what another way would not change.
pub(crate) fn open<T>(
    device: &Device,
    direction: Direction,
    ms: u32,
    attempt: impl FnMut(StreamConfig, SampleFormat) -> Result<T, cpal::Error>,
) -> Result<T, cpal::Error> {
    let (default, ranges) = match direction {
        Direction::Capture => (device.default_input_config()?, device.supported_input_configs().map(Vec::from_iter)),
        Direction::Playback => (device.default_output_config()?, device.supported_output_configs().map(Vec::from_iter)),
    };
    first(ways(&default, &ranges.unwrap_or_default(), ms), attempt)
}

/// The ways to open a device, the best first.
fn ways(
    default: &SupportedStreamConfig,
    ranges: &[SupportedStreamConfigRange],
    ms: u32,
) -> Vec<(StreamConfig, SampleFormat)> {
    let (channels, format) = (default.channels(), default.sample_format());
    let has = |rate: u32| {
        ranges.iter().any(|range| {
            (range.channels(), range.sample_format()) == (channels, format)
                && (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate)
        })
    };
    let mut rates: Vec<u32> = RATES.into_iter().filter(|rate| has(*rate)).collect();
    // What the system calls its default is never far down.
    rates.insert(rates.len().min(1), default.sample_rate());
    let mut ways: Vec<(StreamConfig, SampleFormat)> = Vec::new();
    for sample_rate in rates {
        let wanted = sample_rate * ms / 1_000;
        let chosen = match default.buffer_size() {
            SupportedBufferSize::Range { min, max } if (min..=max).contains(&&wanted) => BufferSize::Fixed(wanted),
            SupportedBufferSize::Range { .. } | SupportedBufferSize::Unknown => BufferSize::Default,
        };
        for buffer_size in [chosen, BufferSize::Default] {
            let way = (StreamConfig { channels, sample_rate, buffer_size }, format);
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
    ways
}

fn first<T>(
    ways: Vec<(StreamConfig, SampleFormat)>,
    mut attempt: impl FnMut(StreamConfig, SampleFormat) -> Result<T, cpal::Error>,
) -> Result<T, cpal::Error> {
    let mut refused = cpal::Error::new(ErrorKind::UnsupportedConfig);
    for (config, format) in ways {
        match attempt(config, format) {
            Err(error) if is_refusal(&error) => {
                tracing::debug!(%error, ?config, %format, "the sound device refuses a format");
                refused = error;
            }
            other => return other,
        }
    }
    Err(refused)
}

/// Whether an error is about the way to open a device, and not about the device.
fn is_refusal(error: &cpal::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation)
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

/// Whether a stream's error says that the system's buffer ran dry, or over.
pub(crate) fn is_dry(error: &cpal::Error) -> bool {
    matches!(error.kind(), ErrorKind::Xrun)
}

/// Whether a stream's error ends it.
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

    /// What a device offers by default, and between which rates.
    fn offer(rate: u32, rates: (u32, u32)) -> (SupportedStreamConfig, Vec<SupportedStreamConfigRange>) {
        let buffer = SupportedBufferSize::Range { min: 64, max: 8_192 };
        let range = SupportedStreamConfigRange::new(2, rates.0, rates.1, buffer, SampleFormat::I16);
        (SupportedStreamConfig::new(2, rate, buffer, SampleFormat::I16), vec![range])
    }

    fn shapes(ways: &[(StreamConfig, SampleFormat)]) -> Vec<(u32, Option<u32>)> {
        let frames = |size: &BufferSize| match size {
            BufferSize::Fixed(frames) => Some(*frames),
            BufferSize::Default => None,
        };
        ways.iter().map(|(config, _)| (config.sample_rate, frames(&config.buffer_size))).collect()
    }

    #[test]
    fn a_device_is_opened_at_our_rate_if_it_can_and_at_its_own_if_not() {
        let (default, ranges) = offer(44_100, (8_000, 192_000));
        let tried = shapes(&ways(&default, &ranges, 10));
        let expected = [(48_000, Some(480)), (48_000, None), (44_100, Some(441)), (44_100, None)];
        assert_eq!(tried[..4], expected);
        let (default, ranges) = offer(16_000, (16_000, 16_000));
        assert_eq!(shapes(&ways(&default, &ranges, 10)), [(16_000, Some(160)), (16_000, None)]);
        // Nothing is known but the default.
        assert_eq!(shapes(&ways(&default, &[], 10)), [(16_000, Some(160)), (16_000, None)]);
    }

    #[test]
    fn what_is_refused_is_asked_for_in_another_way_until_one_is_taken() {
        let (default, ranges) = offer(48_000, (44_100, 48_000));
        let ways = ways(&default, &ranges, 10);
        let mut tried = Vec::new();
        let opened = first(ways.clone(), |config, _| {
            tried.push(config.sample_rate);
            if config.sample_rate == 44_100 { Ok(config) } else { Err(ErrorKind::UnsupportedConfig.into()) }
        });
        assert_eq!(opened.unwrap().sample_rate, 44_100);
        assert_eq!(tried, [48_000, 48_000, 44_100]);
        let refused = first(ways, |_, _| Err::<(), _>(ErrorKind::UnsupportedConfig.into())).unwrap_err();
        assert_eq!(fault(&refused).trouble, DeviceTrouble::Failed);
    }

    #[test]
    fn a_device_that_is_busy_denied_or_gone_is_not_asked_again_in_other_ways() {
        for kind in [ErrorKind::DeviceBusy, ErrorKind::PermissionDenied, ErrorKind::DeviceNotAvailable] {
            let (default, ranges) = offer(48_000, (44_100, 48_000));
            let mut tried = 0;
            let failed = first(ways(&default, &ranges, 10), |_, _| {
                tried += 1;
                Err::<(), _>(cpal::Error::new(kind))
            });
            assert_eq!((failed.unwrap_err().kind(), tried), (kind, 1));
        }
    }

    #[test]
    fn a_dropout_ends_no_stream() {
        assert!(!is_fatal(&cpal::Error::new(ErrorKind::Xrun)) && is_dry(&cpal::Error::new(ErrorKind::Xrun)));
        assert!(!is_dry(&cpal::Error::new(ErrorKind::RealtimeDenied)));
        assert!(is_fatal(&cpal::Error::new(ErrorKind::StreamInvalidated)));
    }
}

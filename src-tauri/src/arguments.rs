//! What the app is started with: its arguments, and the environment that tests and scripts set.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Parser;
use parlor_client::{DeviceOverrides, profile};
use parlor_protocol::{LinkError, RoomLink};

/// Longer than any room link; what comes after it on standard input is not read.
const LONGEST_LINK: u64 = 4096;
/// Where a link from standard input waits for the first window of its profile.
const HANDED_OVER: &str = "link";

/// Video calls between people.
#[derive(Debug, Parser)]
#[command(name = "parlor", version)]
pub(crate) struct Arguments {
    /// A room link to offer; `-` reads it from standard input, where other programs cannot see it
    #[arg(value_name = "LINK")]
    link: Option<String>,
    /// A name for settings, identity and window of their own: two profiles run side by side
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
}

/// Why the app does not start.
pub(crate) enum Refusal {
    /// What the parser of flags says.
    Usage(clap::Error),
    /// One plain sentence.
    Words(String),
}

/// What the app starts with.
#[derive(Debug)]
pub(crate) struct Start {
    /// The profile's name.
    pub(crate) profile: String,
    /// Where the profile keeps everything.
    pub(crate) folder: PathBuf,
    /// A link to offer.
    pub(crate) link: Option<GivenLink>,
    /// Devices that stand above the settings.
    pub(crate) devices: DeviceOverrides,
    /// The one local address for WebRTC and the server inside the app.
    pub(crate) bind: Option<IpAddr>,
}

/// How a link was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GivenLink {
    /// As an argument.
    Argument(String),
    /// On standard input; it waits in the profile's folder, because only arguments are handed to a first window.
    HandedOver,
}

impl Start {
    /// Reads arguments, environment and, for `-`, standard input.
    pub(crate) fn read() -> Result<Self, Refusal> {
        let arguments = Arguments::try_parse().map_err(Refusal::Usage)?;
        let folder = profile::folder(&arguments.profile).map_err(words)?;
        let link = arguments.given_link().map_err(words)?;
        private_folder(&folder).map_err(|error| words(format!("{} cannot be used: {error}", folder.display())))?;
        if link == Some(GivenLink::HandedOver) {
            hand_over(&folder, io::stdin().lock())?;
        }
        let devices = DeviceOverrides {
            camera: variable("PARLOR_CAMERA")?,
            microphone: variable("PARLOR_MICROPHONE")?,
            speaker: variable("PARLOR_SPEAKER")?,
        };
        Ok(Self { profile: arguments.profile, folder, link, devices, bind: variable("PARLOR_BIND")? })
    }
}

impl Arguments {
    /// The link of a second start, whose arguments the first window was handed.
    pub(crate) fn link_of(arguments: Vec<String>) -> Option<GivenLink> {
        Self::try_parse_from(arguments).ok()?.given_link().ok()?
    }

    fn given_link(&self) -> Result<Option<GivenLink>, LinkError> {
        match self.link.as_deref() {
            None => Ok(None),
            Some("-") => Ok(Some(GivenLink::HandedOver)),
            Some(text) => presentable(text).map(|()| Some(GivenLink::Argument(text.to_owned()))),
        }
    }
}

impl GivenLink {
    /// The link's text. One that was handed over is taken: it is there once.
    pub(crate) fn take(self, folder: &Path) -> Option<String> {
        match self {
            Self::Argument(text) => Some(text),
            Self::HandedOver => {
                let path = folder.join(HANDED_OVER);
                let text = fs::read_to_string(&path).ok()?;
                if let Err(error) = fs::remove_file(&path) {
                    tracing::warn!(%error, "a link that was handed over stays behind");
                }
                Some(text)
            }
        }
    }
}

/// A text that is no link at all is refused where it was typed. One of ours that is cut is not: whoever clicked it looks
/// at a window, and finds the words there.
fn presentable(text: &str) -> Result<(), LinkError> {
    match RoomLink::from_str(text) {
        Ok(_) | Err(LinkError::Host | LinkError::Room | LinkError::Key) => Ok(()),
        Err(error @ (LinkError::Form | LinkError::Scheme)) => Err(error),
    }
}

/// Puts a link from standard input where the first window of the profile finds it, readable by its owner alone.
fn hand_over(folder: &Path, input: impl Read) -> Result<(), Refusal> {
    let mut text = String::new();
    input
        .take(LONGEST_LINK)
        .read_to_string(&mut text)
        .map_err(|error| words(format!("the link on standard input cannot be read: {error}")))?;
    presentable(text.trim()).map_err(words)?;
    write_private(&folder.join(HANDED_OVER), text.trim())
        .map_err(|error| words(format!("the link cannot be handed to the window: {error}")))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Makes the profile's folder, closed to others: it holds a secret, a name and what the web view keeps.
fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A variable of the environment; one that is empty counts as absent.
fn variable<T: FromStr>(name: &str) -> Result<Option<T>, Refusal>
where
    T::Err: std::fmt::Display,
{
    match env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|error| words(format!("{name}: {error}"))),
        Ok(_) | Err(env::VarError::NotPresent) => Ok(None),
        Err(error @ env::VarError::NotUnicode(_)) => Err(words(format!("{name}: {error}"))),
    }
}

fn words(what: impl std::fmt::Display) -> Refusal {
    Refusal::Words(what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "parlor://example.org/studio#AAECAwQFBgcICQoLDA0ODw";

    fn link_of(arguments: &[&str]) -> Option<GivenLink> {
        Arguments::link_of(arguments.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn a_second_start_tells_its_link() {
        assert_eq!(link_of(&["parlor", LINK]), Some(GivenLink::Argument(LINK.to_owned())));
        assert_eq!(link_of(&["parlor", "--profile", "work", LINK]), Some(GivenLink::Argument(LINK.to_owned())));
        assert_eq!(link_of(&["parlor", "-"]), Some(GivenLink::HandedOver));
    }

    #[test]
    fn a_second_start_without_a_link_tells_none() {
        for arguments in
            [&["parlor"][..], &["parlor", "--profile", "work"], &["parlor", "hello"], &["parlor", "--what"]]
        {
            assert_eq!(link_of(arguments), None, "{arguments:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_link_is_refused_and_a_cut_link_is_not() {
        assert_eq!(presentable("hello"), Err(LinkError::Form));
        assert_eq!(presentable("ftp://example.org/studio"), Err(LinkError::Scheme));
        assert_eq!(presentable("parlor://example.org/studio"), Ok(()));
        assert_eq!(presentable(LINK), Ok(()));
    }

    #[test]
    fn a_link_that_was_handed_over_is_there_once() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(hand_over(folder.path(), format!("{LINK}\n").as_bytes()).is_ok());
        assert_eq!(GivenLink::HandedOver.take(folder.path()).as_deref(), Some(LINK));
        assert_eq!(GivenLink::HandedOver.take(folder.path()), None);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_what_a_profile_keeps() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("profiles/work");
        private_folder(&folder).expect("made");
        assert!(hand_over(&folder, LINK.as_bytes()).is_ok());
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(HANDED_OVER)), 0o600);
    }
}

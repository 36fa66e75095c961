//! The log: to standard error, and to files in the profile's folder.

mod rotating;

use std::{
    env,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::Context;
use tracing_subscriber::{EnvFilter, Layer, fmt::layer, layer::SubscriberExt, util::SubscriberInitExt};

use self::rotating::Rotating;

/// Ours as far as a user would notice. Of others only failures: their lesser words name addresses, and
/// the driver's failures quote whole packets. `PARLOR_LOG` takes its
/// place.
const USUAL: &str = "error,webrtc::peer_connection::driver=off,parlor=info";

/// Starts logging for this process, and says where.
///
/// # Errors
/// When `PARLOR_LOG` is no filter. A file that cannot be written is none: the log goes to standard error then.
pub(crate) fn start(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = Rotating::new(folder);
    let path = file.path();
    tracing_subscriber::registry()
        .with(layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).with_filter(filter()?))
        .with(layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(filter()?))
        .init();
    log_panics();
    Ok(path)
}

/// A path as it is told to others: without the name of its person, which their folder has.
pub(crate) fn told(path: &Path) -> String {
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.parent().is_some());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(inside) => format!("~/{}", inside.display()),
        None => path.display().to_string(),
    }
}

fn filter() -> anyhow::Result<EnvFilter> {
    match env::var("PARLOR_LOG") {
        Ok(text) => EnvFilter::try_new(text).context("PARLOR_LOG"),
        Err(_) => Ok(EnvFilter::new(USUAL)),
    }
}

/// A panic's place goes to the log as well; its message, which may hold anything, only to standard error.
fn log_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic");
        usual(panic);
    }));
}

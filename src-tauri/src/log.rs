//! The log: to standard error, and to a file in the profile's folder.

use std::{
    fs::{self, File},
    io::IsTerminal,
    path::Path,
    sync::Mutex,
};

use anyhow::Context;
use tracing_subscriber::{EnvFilter, Layer, fmt::layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Ours as far as a user would notice. Of others only failures: their lesser words name addresses, and
/// the driver's failures quote whole packets. `PARLOR_LOG` takes its
/// place.
const USUAL: &str = "error,webrtc::peer_connection::driver=off,parlor=info";
/// A file that has grown past this is set aside at the next start, so two of them are the most there is.
const LONGEST: u64 = 4 << 20;

/// Starts logging for this process.
///
/// # Errors
/// When the file cannot be written, or `PARLOR_LOG` is no filter.
pub(crate) fn start(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("parlor.log");
    if fs::metadata(&path).is_ok_and(|file| file.len() > LONGEST) {
        fs::rename(&path, folder.join("parlor.1.log")).context("the log cannot be set aside")?;
    }
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("the log {} cannot be opened", path.display()))?;
    tracing_subscriber::registry()
        .with(layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).with_filter(filter()?))
        .with(layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(filter()?))
        .init();
    log_panics();
    Ok(())
}

fn filter() -> anyhow::Result<EnvFilter> {
    match std::env::var("PARLOR_LOG") {
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

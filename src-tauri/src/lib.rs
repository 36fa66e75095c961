//! The app's shell: the window and the desktop around a [`parlor_client::Client`].
//!
//! Owns: arguments, profiles, settings, links that are clicked, the server inside the app, the clipboard, the log, and
//! the ways between client and window. Nothing else in Parlor names Tauri.
//! Refuses: decisions about calls, which are the client's.

mod app;
mod arguments;
mod clipboard;
mod commands;
mod frames;
mod links;
mod log;
mod outlet;
mod pictures;
mod quit;
mod renderer;
mod rooms;
mod settings;
mod shell;
mod ui_events;

use std::process::ExitCode;

/// Status for arguments that make no sense, as shells use it.
const BAD_ARGUMENTS: u8 = 2;

/// Runs the app as the command line and the environment say; returns when its window has gone.
pub fn main() -> ExitCode {
    let start = match arguments::Start::read() {
        Ok(start) => start,
        Err(arguments::Refusal::Words(words)) => {
            eprintln!("parlor: {words}");
            return ExitCode::from(BAD_ARGUMENTS);
        }
        // Help, the version, or what is wrong with a flag: the parser has the words and knows the status.
        Err(arguments::Refusal::Usage(usage)) => usage.exit(),
    };
    match app::run(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

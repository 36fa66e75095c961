//! The window.

// On Windows a program that opens a window is not given a console as well.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    parlor_app::main()
}

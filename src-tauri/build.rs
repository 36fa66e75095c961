//! Reads `tauri.conf.json` and the capabilities at build time.

use tauri_build::{AppManifest, Attributes};

fn main() {
    // Declared commands are refused unless a capability allows them; undeclared ones would be open to every page.
    let attributes = Attributes::new()
        .app_manifest(AppManifest::new().commands(&["attach", "command", "pictures"]))
        .capabilities_path_pattern("src-tauri/capabilities/**/*");
    if let Err(error) = tauri_build::try_build(attributes) {
        eprintln!("{error:#}");
        std::process::exit(1);
    }
}

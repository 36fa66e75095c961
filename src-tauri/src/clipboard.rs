//! Text for the clipboard. GTK serves it on Linux, under X11 and Wayland alike, from the window's own main loop.

use tauri::AppHandle;

/// Puts a text on the clipboard.
pub(crate) fn copy(app: &AppHandle, text: String) {
    if let Err(error) = app.run_on_main_thread(move || put(&text)) {
        tracing::warn!(%error, "nothing was copied");
    }
}

#[cfg(target_os = "linux")]
fn put(text: &str) {
    let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
    clipboard.set_text(text);
    // Asks the desktop to keep it when this window goes.
    clipboard.store();
}

#[cfg(not(target_os = "linux"))]
fn put(text: &str) {
    if let Err(error) = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.set_text(text)) {
        tracing::warn!(%error, "nothing was copied");
    }
}

//! Links in the chat: they open in the person's browser, and nothing takes the place of the page in this window.

use tauri::{AppHandle, Url};

/// Whether the window may show this: its own page alone. A link or a file that is dropped on it must not end a call.
pub(crate) fn may_show(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => true,
        // There a scheme of one's own cannot be had.
        "http" | "https" if cfg!(windows) => url.host_str() == Some("tauri.localhost"),
        _ => false,
    }
}

/// Opens a web address in the person's browser, and nothing else: other schemes start programs.
pub(crate) fn open(app: &AppHandle, url: Url) {
    if !matches!(url.scheme(), "http" | "https") {
        return;
    }
    if let Err(error) = app.run_on_main_thread(move || show(&url)) {
        tracing::warn!(%error, "a link was not opened");
    }
}

#[cfg(target_os = "linux")]
fn show(url: &Url) {
    // 0: now.
    if let Err(error) = gtk::show_uri_on_window(None::<&gtk::Window>, url.as_str(), 0) {
        tracing::warn!(%error, "a link was not opened");
    }
}

#[cfg(not(target_os = "linux"))]
fn show(url: &Url) {
    if let Err(error) = open::that_detached(url.as_str()) {
        tracing::warn!(%error, "a link was not opened");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_shows_its_own_page_alone() {
        let may = |text: &str| may_show(&text.parse().unwrap());
        assert!(may("tauri://localhost/index.html"));
        assert!(!may("https://example.org/"));
        assert!(!may("file:///etc/hosts"));
        assert!(!may("http://tauri.localhost.example.org/"));
        assert_eq!(may("http://tauri.localhost/"), cfg!(windows));
    }
}

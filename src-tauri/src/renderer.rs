//! How the web view draws.

use tauri::WebviewWindow;

/// Without a graphics card (virtual machines, remote desktops) WebKitGTK draws through a software OpenGL and hands whole
/// windows over it: about 10 pictures a second on two cores. Its plain way of drawing makes 60.
#[cfg(target_os = "linux")]
pub(crate) fn suit_the_machine(window: &WebviewWindow) {
    use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt};
    if has_graphics_card() {
        return;
    }
    let plainly = window.with_webview(|view| {
        if let Some(settings) = WebViewExt::settings(&view.inner()) {
            settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
        }
    });
    if let Err(error) = plainly {
        tracing::warn!(%error, "the window draws slowly");
    }
}

#[cfg(target_os = "linux")]
fn has_graphics_card() -> bool {
    let Ok(devices) = std::fs::read_dir("/dev/dri") else { return false };
    devices.flatten().any(|device| device.file_name().to_string_lossy().starts_with("renderD"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn suit_the_machine(_window: &WebviewWindow) {}

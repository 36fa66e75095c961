//! The way out: whoever asks for it, the others in the call are told before the process ends.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tauri::{AppHandle, Manager, async_runtime};

use crate::shell::Shell;

/// A leave that takes longer is given up: the others then see a lost connection, which ends the same way.
const LONGEST: Duration = Duration::from_millis(800);

static QUITTING: AtomicBool = AtomicBool::new(false);

/// Leaves and ends the process. The window goes at once; the rest takes as long as a leave.
pub(crate) fn quit(app: &AppHandle) {
    if QUITTING.swap(true, Ordering::SeqCst) {
        return;
    }
    for window in app.webview_windows().values() {
        // A window that is gone already is hidden enough.
        let _hidden = window.hide();
    }
    let app = app.clone();
    async_runtime::spawn(async move {
        if tokio::time::timeout(LONGEST, app.state::<Shell>().close()).await.is_err() {
            tracing::warn!("leaving took too long");
        }
        app.exit(0);
    });
}

/// True once the way out was taken.
pub(crate) fn quitting() -> bool {
    QUITTING.load(Ordering::SeqCst)
}

/// Quits when the system asks for it.
pub(crate) async fn on_signal(app: AppHandle) {
    match asked().await {
        Ok(()) => quit(&app),
        Err(error) => tracing::warn!(%error, "signals are not heard"),
    }
}

#[cfg(unix)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut hangup, mut interrupt, mut terminate) =
        (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn asked() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

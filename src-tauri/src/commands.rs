//! What the page may call; `capabilities/main.json` allows exactly these.

use parlor_protocol::ui::UiCommand;
use tauri::{
    State, WebviewWindow,
    ipc::{Channel, InvokeResponseBody},
};

use crate::shell::Shell;

/// Serves this page from now on: `UiEvent`s as JSON, pictures as `parlor_protocol::frame` lays them out.
#[tauri::command]
pub(crate) fn attach(
    shell: State<'_, Shell>,
    window: WebviewWindow,
    events: Channel<InvokeResponseBody>,
    frames: Channel<InvokeResponseBody>,
) {
    shell.attach(&window, events, frames);
}

/// Does what the page asks.
#[tauri::command]
pub(crate) fn command(shell: State<'_, Shell>, command: UiCommand) {
    shell.command(command);
}

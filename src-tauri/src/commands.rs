//! What the page may call; `capabilities/main.json` allows exactly these.

use parlor_protocol::ui::UiCommand;
use tauri::{
    State, WebviewWindow,
    ipc::{Channel, InvokeResponseBody, Response},
};

use crate::{pictures::Overtaken, shell::Shell};

/// Serves this page from now on: tells it `UiEvent`s as JSON. The result is the number with which it asks for pictures.
#[tauri::command]
pub(crate) fn attach(shell: State<'_, Shell>, window: WebviewWindow, events: Channel<InvokeResponseBody>) -> u32 {
    shell.attach(&window, events)
}

/// Does what the page asks.
#[tauri::command]
pub(crate) fn command(shell: State<'_, Shell>, command: UiCommand) {
    shell.command(command);
}

/// The next pictures, as soon as there are some, as `parlor_protocol::frame` lays them out. Empty: another page is served. The
/// page numbers its requests from 1, and asks again with the same number where no answer came.
#[tauri::command]
pub(crate) async fn pictures(shell: State<'_, Shell>, page: u32, number: u32) -> Result<Response, &'static str> {
    let message = shell.pictures(page, number).await.map_err(|Overtaken| "asked again meanwhile")?;
    Ok(Response::new(message.unwrap_or_default()))
}

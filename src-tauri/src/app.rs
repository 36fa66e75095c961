//! Puts the app together and runs it.

use anyhow::Context;
use parlor_client::{Client, Decode, Options, Timings, profile};
use tauri::{
    App, AppHandle, Manager, RunEvent, WebviewWindow, WebviewWindowBuilder, WindowEvent, async_runtime,
    webview::NewWindowResponse,
};

use crate::{
    arguments::{Arguments, Start},
    commands, links, log,
    quit::{self, quit},
    renderer,
    rooms::Rooms,
    settings::KeptSettings,
    shell::{self, Shell},
};

/// Runs until the window is closed or the system asks for the end.
///
/// # Errors
/// When there is no display, or the profile cannot be used.
pub(crate) fn run(start: Start) -> anyhow::Result<()> {
    let log = log::told(&log::start(&start.folder)?);
    display()?;
    let context = tauri::generate_context!();
    let bus_name = bus_name(&context.config().identifier, &start.profile);
    let app = tauri::Builder::default()
        // First: a second start of the profile hands its link on and ends in here. Without a message bus it does not find
        // the first one, and opens a window of its own.
        .plugin(tauri_plugin_single_instance::Builder::new().dbus_id(bus_name).callback(second_start).build())
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_store::Builder::new().build())
        .invoke_handler(tauri::generate_handler![commands::attach, commands::command, commands::pictures])
        .setup(move |app| set_up(app, start, log).map_err(Into::into))
        .build(context)
        .context("the app cannot start")?;
    app.run(handle);
    Ok(())
}

fn set_up(app: &mut App, start: Start, log: String) -> anyhow::Result<()> {
    let (kept, settings, notice) =
        KeptSettings::open(app.handle(), &start.folder).context("the settings cannot be used")?;
    let options = Options {
        secret: profile::secret(&start.folder)?,
        settings: settings.clone(),
        devices: start.devices,
        bind: start.bind,
        decode: Decode::Window,
        show: None,
        lobby: true,
        log: Some(log),
        timings: Timings::default(),
        folder: Some(start.folder.clone()),
        network: None,
    };
    let (client, told) = async_runtime::block_on(async { Client::spawn(options) });
    if let Some(notice) = notice {
        client.notice(notice);
    }
    let shell = Shell::new(client, start.folder.clone(), Rooms::new(start.bind), settings, kept);
    if let Some(link) = start.link {
        shell.open(link);
    }
    app.manage(shell);
    async_runtime::spawn(shell::listen(app.handle().clone(), told));
    async_runtime::spawn(quit::on_signal(app.handle().clone()));
    links_from_the_desktop(app.handle());
    // Last: a page asks for its shell as soon as it is there.
    let window = window(app, &start.profile, start.folder.join("webview"))?;
    renderer::suit_the_machine(&window);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    Ok(())
}

fn window(app: &App, profile: &str, data: std::path::PathBuf) -> anyhow::Result<WebviewWindow> {
    let config = app.config().app.windows.first().context("no window is configured")?;
    let title = match profile {
        "default" => config.title.clone(),
        profile => format!("{} ({profile})", config.title),
    };
    let browser = app.handle().clone();
    WebviewWindowBuilder::from_config(app, config)?
        .title(title)
        .data_directory(data)
        .on_navigation(links::may_show)
        .on_new_window(move |url, _features| {
            links::open(&browser, url);
            NewWindowResponse::Deny
        })
        .build()
        .context("the window cannot be opened")
}

fn handle(app: &AppHandle, event: RunEvent) {
    if let RunEvent::WindowEvent { event: WindowEvent::CloseRequested { api, .. }, .. } = event {
        api.prevent_close();
        quit(app);
    } else if let RunEvent::ExitRequested { api, .. } = event
        && !quit::quitting()
    {
        api.prevent_exit();
        quit(app);
    }
}

/// Somebody started the app again: this window comes to the front, with the link of that start.
fn second_start(app: &AppHandle, arguments: Vec<String>, _folder: String) {
    for window in app.webview_windows().values() {
        if let Err(error) = window.unminimize().and_then(|()| window.set_focus()) {
            tracing::debug!(%error, "the window does not come to the front");
        }
    }
    let Some(link) = Arguments::link_of(arguments) else { return };
    // The second start may come while this one is still being put together.
    match app.try_state::<Shell>() {
        Some(shell) => shell.open(link),
        None => tracing::warn!("a link came before there was a window for it"),
    }
}

/// macOS hands clicked links to the running app; elsewhere they come as arguments.
#[cfg(target_os = "macos")]
fn links_from_the_desktop(app: &AppHandle) {
    use tauri_plugin_deep_link::DeepLinkExt;
    let shell_of = app.clone();
    app.deep_link().on_open_url(move |event| {
        for url in event.urls() {
            shell_of.state::<Shell>().open(crate::arguments::GivenLink::Argument(url.into()));
        }
    });
}

#[cfg(not(target_os = "macos"))]
fn links_from_the_desktop(_app: &AppHandle) {}

/// One name on the message bus for each profile. No part of it may start with a digit (D-Bus specification, "Bus names").
fn bus_name(identifier: &str, profile: &str) -> String {
    format!("{identifier}.profile-{profile}")
}

/// Opening a window without a display ends in a panic inside the windowing library: ask first.
#[cfg(target_os = "linux")]
fn display() -> anyhow::Result<()> {
    gtk::init().ok().context("there is no display to open a window on (DISPLAY or WAYLAND_DISPLAY)")
}

#[cfg(not(target_os = "linux"))]
fn display() -> anyhow::Result<()> {
    Ok(())
}

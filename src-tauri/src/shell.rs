//! The one thing behind the window's commands: passes them to the client, and what the client tells to the window.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use parlor_client::{Client, ClientEvent, FrameSink};
use parlor_protocol::ui::{Settings, UiCommand, UiEvent};
use tauri::{
    AppHandle, Manager, WebviewWindow, async_runtime,
    ipc::{Channel, InvokeResponseBody},
};
use tokio::sync::mpsc;

use crate::{
    arguments::GivenLink,
    clipboard,
    outlet::{Outlet, PageLane},
    pictures::{Overtaken, Pictures},
    rooms::Rooms,
    settings::KeptSettings,
    ui_events::UiEvents,
};

/// The client and what belongs to it on this desktop. Managed by Tauri: commands and handlers find it there.
pub(crate) struct Shell {
    client: Client,
    folder: PathBuf,
    events: Arc<Outlet<UiEvents>>,
    pictures: Arc<Pictures>,
    rooms: Arc<tokio::sync::Mutex<Rooms>>,
    /// As the client last told them.
    settings: Mutex<Settings>,
    kept: KeptSettings,
}

impl Shell {
    /// Around a client that was just started.
    pub(crate) fn new(client: Client, folder: PathBuf, rooms: Rooms, settings: Settings, kept: KeptSettings) -> Self {
        Self {
            client,
            folder,
            events: Outlet::new(UiEvents::default()),
            pictures: Arc::default(),
            rooms: Arc::new(tokio::sync::Mutex::new(rooms)),
            settings: Mutex::new(settings),
            kept,
        }
    }

    /// Serves a page. The result is the number with which it asks for pictures.
    pub(crate) fn attach(&self, window: &WebviewWindow, events: Channel<InvokeResponseBody>) -> u32 {
        self.events.attach(Box::new(PageLane { channel: events, window: window.clone() }));
        let page = self.pictures.attach();
        self.client.attach(Arc::clone(&self.pictures) as Arc<dyn FrameSink>);
        page
    }

    /// The next pictures for a page, which asks for them with this number; nothing for one whose place another took.
    pub(crate) async fn pictures(&self, page: u32, number: u32) -> Result<Option<Vec<u8>>, Overtaken> {
        self.pictures.next(page, number).await
    }

    /// Does what the page asks.
    pub(crate) fn command(&self, command: UiCommand) {
        let start = command == UiCommand::Start;
        self.client.ui(command);
        if start {
            self.start();
        }
    }

    /// Offers a link; whoever sees it decides.
    pub(crate) fn open(&self, link: GivenLink) {
        if let Some(text) = link.take(&self.folder) {
            self.client.open_link(text);
        }
    }

    /// Leaves, and ends what runs inside the app.
    pub(crate) async fn close(&self) {
        self.client.close().await;
        // Before the server inside the app, which waits for its last guests.
        self.kept.flush();
        self.rooms.lock().await.stop().await;
    }

    /// Finds a server first: the one inside the app may have to be started.
    fn start(&self) {
        let (client, rooms) = (self.client.clone(), Arc::clone(&self.rooms));
        let configured = self.settings.lock().unwrap_or_else(PoisonError::into_inner).server.clone();
        async_runtime::spawn(async move {
            let server = rooms.lock().await.server(&configured).await;
            client.start(server);
        });
    }

    fn remember(&self, settings: Settings) {
        self.kept.keep(&settings);
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn show(&self, event: UiEvent) {
        self.events.fill(|events| events.put(event));
    }
}

/// Hands on what the client tells, until it has closed.
pub(crate) async fn listen(app: AppHandle, mut told: mpsc::Receiver<ClientEvent>) {
    while let Some(event) = told.recv().await {
        let shell = app.state::<Shell>();
        match event {
            ClientEvent::CopyText(text) => clipboard::copy(&app, text),
            ClientEvent::Headless(_) => {}
            ClientEvent::SettingsChanged(settings) => shell.remember(settings),
            ClientEvent::Ui(event) => shell.show(event),
        }
    }
}

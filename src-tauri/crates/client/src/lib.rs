//! The client without a window: joins the core, the engine, media and signaling, and runs them.
//!
//! Owns: the runtime, the clock, threads and queues between the parts, devices in use, which screen is shown.
//! Refuses: decisions about peers and sessions, which are the core's, and anything of a desktop.

mod clock;
mod demand;
mod devices;
mod diagnostics;
mod known_peers;
mod network;
mod owner;
mod preview;
mod process;
pub mod profile;
mod receive;
mod relays;
mod renditions;
mod room;
mod rooms;
mod screens;
mod send;
mod sight;
mod stats;
mod subscription;
mod words;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use parlor_protocol::{
    device::{CameraSpec, MicrophoneSpec, SpeakerSpec},
    frame::FrameHeader,
    headless::EventLine,
    media::Showing,
    ui::{Problem, Settings, UiCommand, UiEvent},
};
use tokio::sync::{mpsc, oneshot};

pub use parlor_call::Timings;
pub use parlor_engine::LOG_DIRECTIVES;
pub use parlor_identity::ProfileSecret;
pub use rooms::fresh_room;
pub use subscription::{Group, Subscription, UnknownEvent};

/// Requests that may wait for the owner task; more are refused.
const REQUESTS: usize = 256;
/// Events that may wait for their reader. When they are full, snapshots and levels are skipped (newer ones follow) and
/// the rest is dropped with a log line: a reader that far behind is gone.
const EVENTS: usize = 4096;

/// What carries WebRTC's packets.
pub type Network = Arc<dyn parlor_engine::Runtime>;

/// What a client is made with.
pub struct Options {
    /// The profile's secret: who we are.
    pub secret: ProfileSecret,
    /// What the person chose before.
    pub settings: Settings,
    /// Devices that stand above the settings for this run.
    pub devices: DeviceOverrides,
    /// The one local address for WebRTC; all interfaces where there is none.
    pub bind: Option<IpAddr>,
    /// Who turns received pictures into pixels.
    pub decode: Decode,
    /// How the others are told that their pictures are shown where no window says; nothing where there is none, so that
    /// they send what the path carries.
    pub show: Option<Showing>,
    /// Open the devices at once, for the lobby's preview, and not only in a call.
    pub lobby: bool,
    /// The times of a session's life.
    pub timings: Timings,
    /// Where the log is, to be told in diagnostics.
    pub log: Option<String>,
    /// The profile's folder, for what is kept beside the secret: whom the person has verified. Forgotten at the end where
    /// there is none.
    pub folder: Option<PathBuf>,
    /// Carries WebRTC's packets, for tests on bad networks; the system's sockets where there is none.
    pub network: Option<Network>,
}

/// Devices that stand above the settings.
#[derive(Debug, Clone, Default)]
pub struct DeviceOverrides {
    /// The camera.
    pub camera: Option<CameraSpec>,
    /// The microphone.
    pub microphone: Option<MicrophoneSpec>,
    /// The speaker.
    pub speaker: Option<SpeakerSpec>,
}

/// Who turns received pictures into pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decode {
    /// This client decodes all, and counts.
    All,
    /// Nobody.
    None,
    /// The window does.
    Window,
}

/// What a client tells.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// Text for the clipboard: the room link.
    CopyText(String),
    /// What happened, as scripts see it.
    Headless(EventLine),
    /// The person chose something to keep.
    SettingsChanged(Settings),
    /// For the window.
    Ui(UiEvent),
}

/// The server to start a room on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `HOST[:PORT]`
    pub authority: String,
    /// `ws` instead of `wss`.
    pub plain: bool,
}

/// Takes pictures to the window. Called on media threads: must not wait.
pub trait FrameSink: Send + Sync {
    /// One picture. `payload` is as long as the header's codec needs. False: it was lost, and the tile's key frame should
    /// be asked for now; a sink that lost one has to say so only when there is room for it again.
    fn frame(&self, header: FrameHeader, payload: &[u8]) -> bool;
}

/// A handle on a running client. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    requests: mpsc::Sender<owner::Request>,
}

impl Client {
    /// Starts a client on the current Tokio runtime.
    pub fn spawn(options: Options) -> (Self, mpsc::Receiver<ClientEvent>) {
        let (requests, inbox) = mpsc::channel(REQUESTS);
        let (events, outbox) = mpsc::channel(EVENTS);
        tokio::spawn(owner::run(options, inbox, events));
        (Self { requests }, outbox)
    }

    /// Does what the window asks. [`UiCommand::Start`] waits for a server: see [`Client::start`].
    pub fn ui(&self, command: UiCommand) {
        self.request(owner::Request::Ui(command));
    }

    /// Starts a room on a server and joins it, or says why there is none; if [`UiCommand::Start`] asked for it and nothing
    /// else came meanwhile.
    pub fn start(&self, server: Result<Server, Problem>) {
        self.request(owner::Request::Start(server));
    }

    /// Offers a room link in the lobby. Never joins by itself.
    pub fn open_link(&self, text: String) {
        self.request(owner::Request::OpenLink(text));
    }

    /// Sends pictures to this window from now on, and a snapshot at once.
    pub fn attach(&self, sink: Arc<dyn FrameSink>) {
        self.request(owner::Request::Attach(sink));
    }

    /// Uses a device that the settings do not know: a synthetic one.
    pub fn use_devices(&self, devices: DeviceOverrides) {
        self.request(owner::Request::Devices(devices));
    }

    /// Shows a notice: something outside the call that the person should know.
    pub fn notice(&self, notice: parlor_protocol::ui::Notice) {
        self.request(owner::Request::Notice(notice));
    }

    /// Tells what can be read about the call, with addresses written out or hidden.
    pub fn diagnostics(&self, addresses: bool) {
        self.request(owner::Request::Diagnostics { addresses });
    }

    /// Tells a script that a line of it was not understood.
    pub fn report(&self, code: &'static str, message: String) {
        self.request(owner::Request::Report { code, message });
    }

    /// Leaves the room, if any, and ends the client; done within half a second.
    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.requests.send(owner::Request::Close(done)).await.is_ok() {
            // An owner that is gone already has closed.
            let _gone = wait.await;
        }
    }

    fn request(&self, request: owner::Request) {
        if let Err(error) = self.requests.try_send(request) {
            tracing::error!(%error, "a request was dropped");
        }
    }
}

//! `parlor-peer`: a client without a window, for bots, tests, benches and load.

use std::{
    io::{BufRead, Write},
    net::IpAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand, ValueEnum, error::ErrorKind};
use parlor_client::{
    Client, ClientEvent, Decode, DeviceOverrides, LOG_DIRECTIVES, Options, ProfileSecret, Subscription, Timings,
    profile,
};
use parlor_protocol::{
    LinkKey, RoomLink, RoomName,
    device::{CameraSpec, DeviceKind, MicrophoneSpec, SpeakerSpec},
    headless::{EventLine, HeadlessCommand, HeadlessEvent},
    media::{Extent, Showing},
    session::Remedy,
    ui::{Settings, UiCommand},
};
use tokio::sync::mpsc;

/// Parlor without a window: prints one JSON object a line, reads one a line.
#[derive(Parser)]
#[command(name = "parlor-peer", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Prints a room link.
    Link {
        /// The server: ws://HOST:PORT or wss://HOST[:PORT].
        #[arg(long)]
        server: String,
        /// The room; a fresh one where none is given.
        #[arg(long)]
        room: Option<RoomName>,
    },
    /// Joins a room.
    Join(Box<Join>),
}

#[derive(clap::Args)]
struct Join {
    /// The room link; `-` reads it from the first line of standard input.
    link: String,
    /// The name that the others see.
    #[arg(long, default_value = "parlor-peer")]
    name: String,
    /// Keeps the peer's identity under this name; a fresh one where none is given.
    #[arg(long)]
    profile: Option<String>,
    /// device[:ID], pattern[:WxH@FPS], file:X.y4m or none.
    #[arg(long, default_value = "none")]
    camera: CameraSpec,
    /// device[:ID], tone[:HZ], file:X.wav or none.
    #[arg(long, default_value = "none")]
    microphone: MicrophoneSpec,
    /// device[:ID], file:X.wav or none.
    #[arg(long, default_value = "none")]
    speaker: SpeakerSpec,
    /// Take what the speaker plays out of what a microphone device hears.
    #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
    echo_cancellation: Switch,
    /// Take steady noise out of what a microphone device hears.
    #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
    noise_suppression: Switch,
    /// Raise quiet voices and lower loud ones that a microphone device hears.
    #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
    automatic_gain: Switch,
    /// Send next to nothing while there is silence (Opus DTX).
    #[arg(long)]
    dtx: bool,
    /// Which pictures to decode.
    #[arg(long, value_enum, default_value = "none")]
    decode: DecodeArgument,
    /// How large to say that the others' pictures are shown, and how many a second, so that they send no more than that needs;
    /// nothing is said where it is not given.
    #[arg(long, value_parser = showing, value_name = "WIDTHxHEIGHT[@FPS]")]
    show: Option<Showing>,
    /// A STUN or TURN server beside those of the room; may be given more than once.
    #[arg(long = "ice-server", value_name = "URL[,USER,PASSWORD]")]
    ice_servers: Vec<String>,
    /// Connect through relays alone: the others learn no address of this machine.
    #[arg(long)]
    relay_only: bool,
    /// What to print: events, or groups of them (call, channel, chat, error, figures, session, signaling, track), with commas
    /// between them; everything where none is given.
    #[arg(long, value_delimiter = ',', value_name = "EVENT|GROUP")]
    events: Vec<Subscription>,
    /// Leave after so many seconds.
    #[arg(long = "for")]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DecodeArgument {
    All,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// What a script did wrong: an `error` event and exit status 2.
struct Misuse {
    code: &'static str,
    message: String,
}

fn main() -> ExitCode {
    let usual = format!("warn,{}", LOG_DIRECTIVES.join(","));
    let log = tracing_subscriber::EnvFilter::try_from_env("PARLOR_LOG").unwrap_or_else(|_| usual.into());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    let start = Instant::now();
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => match arguments.task {
            Task::Link { server, room } => link(&server, room),
            Task::Join(join) => run(*join),
        },
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            write_line(&error.to_string());
            Ok(())
        }
        Err(error) => Err(Misuse { code: "bad-arguments", message: error.to_string().trim_end().to_owned() }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Misuse { code, message }) => {
            let event = HeadlessEvent::Error { code: code.into(), message, remedy: Remedy::None };
            print(&EventLine { t: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX), event });
            ExitCode::from(2)
        }
    }
}

fn link(server: &str, room: Option<RoomName>) -> Result<(), Misuse> {
    let misuse = || Misuse {
        code: "bad-arguments",
        message: format!("{server:?} is not a server: use ws://HOST:PORT or wss://HOST[:PORT]"),
    };
    let random = |bytes: &mut [u8]| {
        getrandom::fill(bytes).map_err(|error| Misuse { code: "no-randomness", message: error.to_string() })
    };
    let (plain, authority) = match server.split_once("://") {
        Some(("ws", authority)) => (true, authority),
        Some(("wss", authority)) => (false, authority),
        Some(_) | None => return Err(misuse()),
    };
    let mut key = [0; 16];
    random(&mut key)?;
    let room = match room {
        Some(room) => room,
        None => parlor_client::fresh_room().map_err(|message| Misuse { code: "no-randomness", message })?,
    };
    let link = RoomLink { authority: authority.trim_end_matches('/').into(), room, plain, key: LinkKey(key) };
    // What is printed must be what `join` accepts.
    let text = link.to_string();
    text.parse::<RoomLink>().map_err(|_| misuse())?;
    write_line(&text);
    Ok(())
}

fn run(join: Join) -> Result<(), Misuse> {
    let text = if join.link == "-" { first_line()? } else { join.link.clone() };
    let link: RoomLink = text
        .parse()
        .map_err(|error: parlor_protocol::LinkError| Misuse { code: "bad-link", message: error.to_string() })?;
    let (secret, folder) = profile(join.profile.as_deref())?;
    let bind = bind()?;
    let settings = settings(&join)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Misuse { code: "no-runtime", message: error.to_string() })?;
    runtime.block_on(call(join, settings, link, secret, folder, bind));
    // A device that hangs in the system must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(300));
    Ok(())
}

fn first_line() -> Result<String, Misuse> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) => Ok(line),
        Err(error) => Err(Misuse { code: "bad-link", message: format!("no link on standard input: {error}") }),
    }
}

/// Who we are, and the folder where that is kept.
fn profile(name: Option<&str>) -> Result<(ProfileSecret, Option<PathBuf>), Misuse> {
    let misuse = |message: String| Misuse { code: "bad-profile", message };
    match name {
        Some(name) => {
            let folder = profile::folder(name).map_err(|error| misuse(error.to_string()))?;
            let secret = profile::secret(&folder).map_err(|error| misuse(error.to_string()))?;
            Ok((secret, Some(folder)))
        }
        None => Ok((ProfileSecret::generate().map_err(|error| misuse(error.to_string()))?, None)),
    }
}

/// What a person would have chosen. What is said of a server that is none holds no password: output is kept, and shown.
fn settings(join: &Join) -> Result<Settings, Misuse> {
    let read = |text: &String| {
        let url = text.split(',').next().unwrap_or_default();
        text.parse().map_err(|error| Misuse { code: "bad-arguments", message: format!("--ice-server {url:?} {error}") })
    };
    let ice_servers = join.ice_servers.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Settings {
        name: join.name.clone(),
        ice_servers,
        relay_only: join.relay_only,
        echo_cancellation: join.echo_cancellation == Switch::On,
        noise_suppression: join.noise_suppression == Switch::On,
        automatic_gain: join.automatic_gain == Switch::On,
        dtx: join.dtx,
        ..Settings::default()
    })
}

/// The one address for WebRTC. One that is none is refused: all interfaces instead would be the opposite of what was meant.
fn bind() -> Result<Option<IpAddr>, Misuse> {
    let Some(value) = std::env::var_os("PARLOR_BIND") else { return Ok(None) };
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(address) => Ok(Some(address)),
        None => {
            Err(Misuse { code: "bad-arguments", message: format!("PARLOR_BIND is {value:?}, which is no address") })
        }
    }
}

async fn call(
    join: Join,
    settings: Settings,
    link: RoomLink,
    secret: ProfileSecret,
    folder: Option<PathBuf>,
    bind: Option<IpAddr>,
) {
    let options = Options {
        secret,
        settings,
        devices: DeviceOverrides {
            camera: Some(join.camera),
            microphone: Some(join.microphone),
            speaker: Some(join.speaker),
        },
        bind,
        decode: match join.decode {
            DecodeArgument::All => Decode::All,
            DecodeArgument::None => Decode::None,
        },
        show: join.show,
        lobby: false,
        log: None,
        timings: Timings::default(),
        folder,
        network: None,
    };
    let (client, mut events) = Client::spawn(options);
    client.ui(UiCommand::Join { link: link.to_string() });

    let mut lines = lines();
    let mut reading = true;
    let deadline = tokio::time::sleep(join.seconds.map_or(Duration::MAX, Duration::from_secs));
    tokio::pin!(deadline);
    let stop = stop_signal();
    tokio::pin!(stop);
    let mut leaving = false;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(ClientEvent::Headless(line)) => {
                    let end = matches!(line.event, HeadlessEvent::Left { .. });
                    let wanted = join.events.is_empty() || join.events.iter().any(|one| one.takes(&line.event));
                    if (wanted && !print(&line)) || end {
                        break;
                    }
                }
                Some(ClientEvent::Ui(_) | ClientEvent::SettingsChanged(_) | ClientEvent::CopyText(_)) => {}
                None => break,
            },
            line = lines.recv(), if reading => match line {
                Some(line) => command(&client, &line),
                None => reading = false,
            },
            () = &mut deadline, if !leaving => {
                leaving = true;
                client.ui(UiCommand::Leave);
            }
            () = &mut stop, if !leaving => {
                leaving = true;
                client.ui(UiCommand::Leave);
            }
        }
    }
    client.close().await;
}

/// Standard input, line by line, read on a thread of its own: a read cannot be called off.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        // Lines need not be text: what is none is told like any other line that is not understood.
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if sender.blocking_send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn command(client: &Client, line: &str) {
    if line.trim().is_empty() {
        return;
    }
    let bad = |message: String| client.report("bad-command", message);
    match serde_json::from_str(line) {
        Ok(HeadlessCommand::Chat { text }) => client.ui(UiCommand::SendChat { text }),
        Ok(HeadlessCommand::Camera { on }) => client.ui(UiCommand::SetCamera { on }),
        Ok(HeadlessCommand::Microphone { on }) => client.ui(UiCommand::SetMicrophone { on }),
        Ok(HeadlessCommand::Device { kind, spec }) => match overrides(kind, &spec) {
            Ok(devices) => client.use_devices(devices),
            Err(message) => bad(message),
        },
        Ok(HeadlessCommand::Diagnostics { addresses }) => client.diagnostics(addresses),
        Ok(HeadlessCommand::Reconnect { peer }) => client.ui(UiCommand::Reconnect { peer }),
        Ok(HeadlessCommand::Retry { peer }) => client.ui(UiCommand::Retry { peer }),
        Ok(HeadlessCommand::Verify { peer }) => client.ui(UiCommand::VerifyPeer { peer }),
        Ok(HeadlessCommand::Leave) => client.ui(UiCommand::Leave),
        Err(error) => bad(format!("this line is not a command: {error}")),
    }
}

fn overrides(kind: DeviceKind, spec: &str) -> Result<DeviceOverrides, String> {
    let mut devices = DeviceOverrides::default();
    match kind {
        DeviceKind::Camera => devices.camera = Some(spec.parse().map_err(text)?),
        DeviceKind::Microphone => devices.microphone = Some(spec.parse().map_err(text)?),
        DeviceKind::Speaker => devices.speaker = Some(spec.parse().map_err(text)?),
    }
    Ok(devices)
}

fn showing(text: &str) -> Result<Showing, String> {
    let (size, rate) = text.split_once('@').map_or((text, None), |(size, rate)| (size, Some(rate)));
    let sides = size.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let (width, height) = sides.ok_or("not a size like 640x360")?;
    let rate = rate.map(|rate| rate.parse().map_err(|_| "not a rate like 15")).transpose()?;
    Ok(Showing { extent: Extent { width, height }, rate })
}

fn text(error: parlor_protocol::device::SpecError) -> String {
    error.to_string()
}

/// Whether it could be written: a reader that is gone ends the call.
fn print(line: &EventLine) -> bool {
    match serde_json::to_string(line) {
        Ok(text) => write_line(&text),
        Err(error) => {
            tracing::error!(%error, "an event could not be written");
            true
        }
    }
}

fn write_line(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()).is_ok()
}

/// Until somebody asks the process to stop.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Without a handler for it the process ends the hard way, which the others survive.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

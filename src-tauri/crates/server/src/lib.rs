//! The signaling server: rooms whose members exchange sealed messages, and the page behind a room link.
//!
//! Owns: who is in which room, the proof that they are who they say, and limits on what they may do.
//! Refuses: any look into what the messages say, which the seal makes impossible anyway. Speaks plain HTTP; for the
//! internet, a reverse proxy in front of it adds TLS.

mod config;
mod connection;
mod gate;
mod hub;
mod outbox;
mod pace;
mod page;
mod rooms;
mod turn;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, State, WebSocketUpgrade},
    http::HeaderMap,
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use parlor_protocol::ice::IceError;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

pub use config::{Config, Downloads};
pub use turn::Turn;

use connection::Connection;
use gate::Gate;
use hub::Hub;

/// How long connections have to end by themselves when the server stops.
const STOP: Duration = Duration::from_secs(2);
/// The connection's read buffer: the messages are small and the connections may be many.
const READ_BUFFER: usize = 8 * 1024;

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The configuration file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration file is not JSON of the right shape.
    #[error("{} is not a configuration: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A STUN or TURN server that is none.
    #[error("{url:?} in the configuration {why}")]
    IceServer {
        /// Its address.
        url: String,
        /// What is wrong with it.
        why: IceError,
    },
    /// TURN servers without the secret that is shared with them.
    #[error("turn.secret in the configuration is empty")]
    NoSecret,
    /// A limit that would let nothing through.
    #[error("{0} in the configuration must be above 0")]
    Zero(&'static str),
}

/// A running server. Dropping it stops it without waiting.
pub struct Running {
    address: SocketAddr,
    /// Becomes true, or loses its sender, when the server is to stop.
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    /// Ends when no connection is left.
    connections: mpsc::Receiver<()>,
}

impl Running {
    /// Where it listens: the port that was chosen, when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells all clients that the server stops, and waits until they are gone; two seconds at most.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let gone = async {
            // Nothing is ever sent here: it ends when the last connection has dropped its sender.
            while self.connections.recv().await.is_some() {}
        };
        if timeout(STOP, gone).await.is_err() {
            tracing::info!("some connections did not end in time");
        }
        self.serving.abort();
        // An aborted task ends with an error that says just that.
        let _aborted = (&mut self.serving).await;
    }
}

/// What every request may need.
struct Shared {
    config: Config,
    hub: Hub,
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
    connections: mpsc::Sender<()>,
}

/// Starts a server on the current Tokio runtime.
///
/// # Errors
/// When the address cannot be listened on, a limit is 0, or a STUN or TURN server is none.
pub async fn serve(config: Config) -> Result<Running, Error> {
    config.check()?;
    let listen = config.listen;
    let failed = |source| Error::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;

    let (stop, stopping) = watch::channel(false);
    let (alive, connections) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        hub: Hub::spawn(&config, stopping.clone()),
        gate: Arc::new(Gate::new(config.connections_per_address)),
        stop: stopping.clone(),
        connections: alive,
        config,
    });
    let service = router(shared).into_make_service_with_connect_info::<SocketAddr>();
    // What is passed on is small and comes in bursts: an answer, then its candidates. Each would wait until the one before is
    // acknowledged.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small messages may wait");
        }
    });
    let serving = tokio::spawn(async move {
        let serve = axum::serve(listener, service).with_graceful_shutdown(stopped(stopping));
        if let Err(error) = serve.await {
            tracing::error!(%error, "the server ended");
        }
    });
    Ok(Running { address, stop, serving, connections })
}

/// Waits until the server is to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone means the same as true.
    let _gone = stop.wait_for(|stop| *stop).await;
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/ws", get(websocket))
        .route("/healthz", get(async || "ok\n"))
        .route("/r/{room}", get(page::room))
        .with_state(shared)
}

async fn websocket(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let address =
        if shared.config.behind_proxy { gate::forwarded(&headers).unwrap_or(remote.ip()) } else { remote.ip() };
    let pass = shared.gate.enter(address);
    // Twice the limit is read, so that a message that is a little too large can be refused by its code alone.
    let most = (shared.config.limits.message_bytes as usize).saturating_mul(2);
    upgrade.read_buffer_size(READ_BUFFER).max_message_size(most).max_frame_size(most).on_upgrade(async move |socket| {
        let alive = shared.connections.clone();
        let connection = Connection::new(shared.config.clone(), shared.hub.clone(), stopped(shared.stop.clone()));
        drop(shared);
        connection.run(socket, pass).await;
        drop(alive);
    })
}

//! `parlor-server`: the signaling server by itself.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::Context;
use clap::Parser;
use parlor_server::{Config, serve};
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// Lets people meet in Parlor rooms. Plain HTTP: for the internet, put a reverse proxy with TLS in front of it.
///
/// Prints {"listening":"HOST:PORT"} when it is ready. Logs go to standard error; RUST_LOG says how much.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen, above the configuration's word; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Configuration: a JSON file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();

    let mut config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    if let Some(listen) = arguments.listen {
        config.listen = resolve(&listen).await?;
    }
    // Before the line that says we are ready: whoever reads it may stop us at once.
    let asked = asked_to_stop()?;
    let running = serve(config).await?;
    tell(running.address())?;
    asked.await;
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Ends at SIGTERM or SIGINT. Both are caught from this call on.
#[cfg(unix)]
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ends at Ctrl+C.
#[cfg(not(unix))]
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler, the system's own way to end a program remains.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

async fn resolve(listen: &str) -> anyhow::Result<SocketAddr> {
    let mut addresses = tokio::net::lookup_host(listen).await.with_context(|| format!("{listen} is not an address"))?;
    addresses.next().with_context(|| format!("{listen} has no address"))
}

fn tell(address: SocketAddr) -> io::Result<()> {
    tracing::info!(%address, "listening");
    let mut out = io::stdout().lock();
    writeln!(out, "{}", json!({ "listening": address.to_string() }))?;
    out.flush()
}

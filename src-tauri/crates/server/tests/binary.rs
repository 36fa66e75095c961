//! The program `parlor-server`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]
#![cfg(unix)]

mod common;

use std::{net::SocketAddr, process::Stdio};

use common::Client;
use parlor_protocol::signal::ErrorCode;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor-server"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The running program, what is left of its output, and where it listens.
async fn start(arguments: &[&str]) -> (Child, BufReader<ChildStdout>, SocketAddr) {
    let mut child = program(arguments).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready.as_object().unwrap().len(), 1);
    let address = ready["listening"].as_str().unwrap().parse().unwrap();
    (child, out, address)
}

async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
}

#[tokio::test]
async fn it_says_where_it_listens_and_stops_cleanly() {
    for name in ["-TERM", "-INT"] {
        let (mut child, mut out, address) = start(&["--listen", "127.0.0.1:0"]).await;
        let mut client = Client::inside(address, 1).await;
        signal(&child, name).await;
        assert_eq!(client.refused().await, ErrorCode::ServerStopping);
        assert!(child.wait().await.unwrap().success());
        let mut rest = String::new();
        out.read_line(&mut rest).await.unwrap();
        assert_eq!(rest, "", "standard output is one line");
    }
}

#[tokio::test]
async fn it_takes_its_configuration_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.json");
    std::fs::write(&file, r#"{"listen": "127.0.0.1:0", "limits": {"room_peers": 3}}"#).unwrap();
    let (_child, _out, address) = start(&["--config", file.to_str().unwrap()]).await;
    let (_client, welcome) = Client::welcomed(address, 1).await;
    assert_eq!(welcome.limits.room_peers, 3);
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_told_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.json");
    for text in ["", "{", r#"{"listne": "127.0.0.1:0"}"#, r#"{"limits": {"burst": 0}}"#] {
        std::fs::write(&file, text).unwrap();
        let output = program(&["--config", file.to_str().unwrap()]).output().await.unwrap();
        assert!(!output.status.success(), "{text}");
        assert!(output.stdout.is_empty(), "{text}");
        assert!(!output.stderr.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let (_child, _out, address) = start(&["--listen", "127.0.0.1:0"]).await;
    let output = program(&["--listen", &address.to_string()]).output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen"));
}

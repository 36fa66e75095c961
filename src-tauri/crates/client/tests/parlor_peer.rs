//! `parlor-peer` as scripts meet it: what it prints, what it understands, and its exit status.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use parlor_protocol::RoomLink;
use serde_json::{Value, json};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor-peer"));
    command.args(arguments).env("PARLOR_BIND", "127.0.0.1").stderr(Stdio::null()).stdout(Stdio::piped());
    command.stdin(Stdio::piped());
    command
}

/// A link to a server that is not there.
fn dead_link() -> String {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    format!("parlor://127.0.0.1:{port}/studio?ws#AAECAwQFBgcICQoLDA0ODw")
}

/// All it prints, line by line, and how it ended.
fn output(command: &mut Command) -> (Vec<Value>, ExitStatus) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status)
}

/// It refused to begin, with this code and words that hold these.
fn refuses(command: &mut Command, code: &str, words: &str) {
    let (lines, status) = output(command);
    assert_eq!(status.code(), Some(2));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["event"], &line["code"]), (&json!("error"), &json!(code)), "{line}");
    assert!(line["message"].as_str().unwrap().contains(words), "{line}");
    assert!(line["t"].is_u64(), "{line}");
}

/// One that runs.
struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Peer {
    fn join(link: &str) -> Self {
        let mut child = command(&["join", link]).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, lines: BufReader::new(stdout) }
    }

    fn say(&mut self, line: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(line).unwrap();
    }

    /// Reads until this event comes.
    fn until(&mut self, event: &str) -> Value {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["event"] == event {
                return value;
            }
            line.clear();
        }
        panic!("no {event} came");
    }

    fn end(mut self) -> ExitStatus {
        self.until("left");
        self.child.wait().unwrap()
    }
}

#[test]
fn a_link_is_printed_that_can_be_joined() {
    let output = command(&["link", "--server", "ws://127.0.0.1:9", "--room", "studio"]).output().unwrap();
    assert!(output.status.success());
    let link: RoomLink = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert_eq!((link.authority.as_str(), link.room.as_str(), link.plain), ("127.0.0.1:9", "studio", true));
}

#[test]
fn two_links_have_two_keys() {
    let link = || {
        let output = command(&["link", "--server", "wss://example.org"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<RoomLink>().unwrap()
    };
    let (one, other) = (link(), link());
    assert_ne!(one.key.0, other.key.0);
    assert_ne!(one.room, other.room);
}

#[test]
fn a_server_without_a_scheme_is_refused() {
    refuses(&mut command(&["link", "--server", "example.org"]), "bad-arguments", "ws://HOST:PORT");
}

#[test]
fn a_malformed_link_is_refused() {
    refuses(&mut command(&["join", "let us meet at noon"]), "bad-link", "not a room link");
}

#[test]
fn an_empty_standard_input_is_no_link() {
    refuses(&mut command(&["join", "-"]), "bad-link", "not a room link");
}

#[test]
fn an_unknown_flag_is_refused() {
    refuses(&mut command(&["join", &dead_link(), "--loud"]), "bad-arguments", "--loud");
}

#[test]
fn a_device_that_is_none_is_refused() {
    refuses(&mut command(&["join", &dead_link(), "--camera", "mirror"]), "bad-arguments", "mirror");
}

#[test]
fn a_size_or_a_rate_that_is_none_is_refused() {
    for (shown, words) in [("640", "a size like"), ("640x360@0", "a rate like"), ("640x360@", "a rate like")] {
        refuses(&mut command(&["join", &dead_link(), "--show", shown]), "bad-arguments", words);
    }
}

#[test]
fn a_server_that_is_none_is_refused_without_its_password() {
    let given = ["join", &dead_link(), "--ice-server", "turm:turn.example.org,anna,secret"];
    refuses(
        &mut command(&given),
        "bad-arguments",
        "\"turm:turn.example.org\" does not begin with stun:, turn: or turns:",
    );
    let (lines, _) = output(&mut command(&given));
    assert!(!format!("{lines:?}").contains("secret"));
}

#[test]
fn an_address_to_bind_that_is_none_is_refused() {
    refuses(command(&["join", &dead_link()]).env("PARLOR_BIND", "127.0.0"), "bad-arguments", "PARLOR_BIND");
}

#[test]
fn a_server_that_is_down_is_said_and_leaving_ends_well() {
    let mut peer = Peer::join(&dead_link());
    assert_eq!(peer.until("signaling-down")["reason"], "connection-refused");
    peer.say(b"{\"cmd\":\"leave\"}\n");
    assert!(peer.end().success());
}

#[test]
fn a_link_may_come_on_standard_input() {
    let mut peer = Peer::join("-");
    peer.say(format!("{}\n", dead_link()).as_bytes());
    peer.until("signaling-down");
    peer.say(b"{\"cmd\":\"leave\"}\n");
    assert!(peer.end().success());
}

#[test]
fn a_line_that_is_no_command_is_told_and_changes_nothing() {
    let mut peer = Peer::join(&dead_link());
    for line in
        [&b"open sesame\n"[..], b"{\"cmd\":\"sing\"}\n", b"\xff\xfe\n", b"{\"cmd\":\"camera\",\"on\":\"yes\"}\n"]
    {
        peer.say(line);
        assert_eq!(peer.until("error")["code"], "bad-command");
    }
    peer.say(b"{\"cmd\":\"leave\"}\n");
    assert!(peer.end().success());
}

#[test]
fn diagnostics_come_as_data_and_as_text() {
    let mut peer = Peer::join(&dead_link());
    peer.until("signaling-down");
    peer.say(b"{\"cmd\":\"diagnostics\"}\n");
    let told = peer.until("diagnostics");
    assert_eq!((&told["report"]["addresses"], &told["report"]["room"]["peers"]), (&json!(false), &json!([])));
    assert_eq!(told["report"]["room"]["signaling"]["reason"], "connection-refused");
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("Parlor diagnostics\n") && text.contains("connection-refused"), "{text}");
    peer.say(b"{\"cmd\":\"diagnostics\",\"addresses\":true}\n");
    assert_eq!(peer.until("diagnostics")["report"]["addresses"], true);
    peer.say(b"{\"cmd\":\"leave\"}\n");
    assert!(peer.end().success());
}

#[test]
fn only_events_that_are_wanted_are_printed() {
    let (lines, status) = output(&mut command(&["join", &dead_link(), "--for", "2", "--events", "signaling,left"]));
    assert!(status.success());
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let [down @ .., "left"] = names.as_slice() else { panic!("{names:?}") };
    assert!(!down.is_empty() && down.iter().all(|name| *name == "signaling-down"), "{names:?}");
}

#[test]
fn events_that_there_are_none_of_are_refused() {
    refuses(
        &mut command(&["join", &dead_link(), "--events", "track,gossip"]),
        "bad-arguments",
        "\"gossip\" is no event",
    );
}

#[test]
fn the_time_given_ends_it() {
    let (lines, status) = output(&mut command(&["join", &dead_link(), "--for", "1"]));
    assert!(status.success());
    assert_eq!(lines.last().unwrap()["event"], "left");
}

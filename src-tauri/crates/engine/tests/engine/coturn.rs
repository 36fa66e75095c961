//! A TURN server for tests: coturn, on loopback, for one test.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use parlor_protocol::signal::IceServer;
use tempfile::TempDir;

/// Longer than it takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is started at most: somebody else may have got its port meanwhile.
const ATTEMPTS: u32 = 5;

/// Runs as long as this lives.
pub(crate) struct Coturn {
    child: Child,
    folder: TempDir,
    port: u16,
    tls_port: u16,
}

impl Coturn {
    /// With two users, anna and benjamin, whose password is `secret`.
    pub(crate) fn start() -> Self {
        Self::with(&["--user=anna:secret", "--user=benjamin:secret"])
    }

    /// For whoever got credentials from a server that has the same secret.
    pub(crate) fn sharing(secret: &str) -> Self {
        Self::with(&["--use-auth-secret", &format!("--static-auth-secret={secret}")])
    }

    /// Listens on 127.0.0.1 for UDP, TCP and TLS, with a certificate for `localhost`.
    fn with(users: &[&str]) -> Self {
        (0..ATTEMPTS).find_map(|_| Self::attempt(users)).expect("there are free ports")
    }

    /// `None` where a port was not free any more.
    fn attempt(users: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (port, tls_port) = (free_port(), free_port());
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = file("certificate.pem", certified.cert.pem());
        let key = file("key.pem", certified.signing_key.serialize_pem());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("turnserver");
        command.args(["-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers", "--no-cli"]);
        command.args(["--lt-cred-mech", "--realm=parlor.test", "--no-dtls", "--log-file=stdout"]).args(users);
        command.arg(format!("--listening-port={port}")).arg(format!("--tls-listening-port={tls_port}"));
        command.arg(setting("cert", &certificate)).arg(setting("pkey", &key));
        command.arg(setting("pidfile", &folder.path().join("pid"))).arg(setting("userdb", &folder.path().join("db")));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("coturn is there: scripts/install.sh test installs it");
        let mut server = Self { child, folder, port, tls_port };
        server.listens().then_some(server)
    }

    /// Its address for one way of speaking to it: `udp`, `tcp` or `tls`; or `stun`, for one's own address alone.
    pub(crate) fn url(&self, way: &str) -> String {
        match way {
            "stun" => format!("stun:127.0.0.1:{}", self.port),
            "tls" => format!("turns:localhost:{}?transport=tcp", self.tls_port),
            way => format!("turn:127.0.0.1:{}?transport={way}", self.port),
        }
    }

    /// The same, as anna.
    pub(crate) fn server(&self, way: &str) -> IceServer {
        IceServer {
            urls: vec![self.url(way)],
            username: Some("anna".to_owned()),
            credential: Some("secret".to_owned()),
        }
    }

    /// What has to be trusted for TLS.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Waits until it listens. Whether it does: a port that is not free it would wait for.
    fn listens(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
            let listens = [self.port, self.tls_port].iter().all(answers);
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            if log.contains("Cannot bind") {
                return false;
            }
            let over = self.child.try_wait().unwrap().is_some() || Instant::now() > deadline;
            assert!(!over, "{log}");
            if listens {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn setting(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// A port that is free for UDP and TCP.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

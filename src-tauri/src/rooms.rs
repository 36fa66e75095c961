//! Where rooms are started: on the server of the settings, or on the one inside the app.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use parlor_client::Server;
use parlor_protocol::{LinkError, Remedy, RoomLink, ui::Problem};
use parlor_server::{Config, Running};

/// Starts rooms. The server inside the app is started with the first of them and lives as long as this.
pub(crate) struct Rooms {
    /// The address to listen on; all of them where there is none.
    bind: Option<IpAddr>,
    running: Option<Running>,
}

impl Rooms {
    /// Nothing is listened on yet.
    pub(crate) fn new(bind: Option<IpAddr>) -> Self {
        Self { bind, running: None }
    }

    /// The server for a new room. `configured` is the setting: `HOST[:PORT]`, `ws://` before it for one without TLS, or
    /// nothing for the server inside the app.
    pub(crate) async fn server(&mut self, configured: &str) -> Result<Server, Problem> {
        match configured.trim() {
            "" => self.inside().await,
            configured => elsewhere(configured),
        }
    }

    /// Ends the server inside the app.
    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    async fn inside(&mut self) -> Result<Server, Problem> {
        let address = match &self.running {
            Some(running) => running.address(),
            None => {
                let listen = SocketAddr::new(self.bind.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), 0);
                let running =
                    parlor_server::serve(Config { listen, ..Config::default() }).await.map_err(not_started)?;
                self.running.insert(running).address()
            }
        };
        let ip = if address.ip().is_unspecified() { reachable_address() } else { address.ip() };
        Ok(Server { authority: SocketAddr::new(ip, address.port()).to_string(), plain: true })
    }
}

/// The address under which others on the local network find this machine: the one that it would send from. Nothing is
/// sent to find out; the addresses are of the ranges for documentation (RFC 5737, RFC 3849).
fn reachable_address() -> IpAddr {
    const ROUTES: [(IpAddr, IpAddr); 2] = [
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
    ];
    let source = |(from, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // A machine without any network still has itself to talk to.
    ROUTES.into_iter().find_map(source).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

fn elsewhere(configured: &str) -> Result<Server, Problem> {
    let (authority, plain) = match configured.split_once("://") {
        None => (configured, false),
        Some(("wss" | "https", authority)) => (authority, false),
        Some(("ws" | "http", authority)) => (authority, true),
        Some(_) => return Err(no_server(configured)),
    };
    // A room link knows what a host may look like.
    let link = format!("parlor://{}/room#AAAAAAAAAAAAAAAAAAAAAA", authority.trim_end_matches('/'));
    let link: RoomLink = link.parse().map_err(|_error: LinkError| no_server(configured))?;
    Ok(Server { authority: link.authority.clone(), plain })
}

fn no_server(configured: &str) -> Problem {
    Problem {
        code: "bad-server".to_owned(),
        title: "The room server in the settings is not an address".to_owned(),
        text: format!(
            "\u{201c}{configured}\u{201d} is no HOST or HOST:PORT. Correct it in the settings, or leave it empty to start rooms on this computer."
        ),
        remedy: Remedy::None,
    }
}

fn not_started(error: parlor_server::Error) -> Problem {
    tracing::warn!(%error, "the server inside the app did not start");
    Problem {
        code: "server-not-started".to_owned(),
        title: "A room could not be started on this computer".to_owned(),
        text: "The system did not let Parlor wait for others to connect. Try again, or enter a room server in the settings."
            .to_owned(),
        remedy: Remedy::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_server_is_read_with_or_without_its_scheme() {
        for (configured, authority, plain) in [
            ("example.org", "example.org", false),
            ("example.org:8443", "example.org:8443", false),
            ("wss://example.org/", "example.org", false),
            ("ws://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("[::1]:8080", "[::1]:8080", false),
        ] {
            assert_eq!(elsewhere(configured), Ok(Server { authority: authority.to_owned(), plain }), "{configured}");
        }
    }

    #[test]
    fn a_server_that_is_no_address_is_told_in_words() {
        for configured in ["ftp://example.org", "my server", "example.org/room", "user@example.org", ":8080"] {
            let problem = elsewhere(configured).expect_err(configured);
            assert_eq!(problem.code, "bad-server");
            assert!(problem.text.contains(configured), "{}", problem.text);
        }
    }

    #[tokio::test]
    async fn the_server_inside_is_started_once_and_ends() {
        let mut rooms = Rooms::new(Some(Ipv4Addr::LOCALHOST.into()));
        let first = rooms.server("").await.expect("started");
        assert!(first.plain);
        assert!(tokio::net::TcpStream::connect(&first.authority).await.is_ok());
        assert_eq!(rooms.server(" ").await.expect("still there"), first);
        rooms.stop().await;
        assert!(tokio::net::TcpStream::connect(&first.authority).await.is_err());
    }

    #[tokio::test]
    async fn a_link_never_names_all_addresses() {
        let mut rooms = Rooms::new(None);
        let server = rooms.server("").await.expect("started");
        assert!(!server.authority.starts_with("0.0.0.0"), "{}", server.authority);
        rooms.stop().await;
    }

    #[tokio::test]
    async fn an_address_that_is_not_ours_is_told_in_words() {
        let mut rooms = Rooms::new(Some(Ipv4Addr::new(192, 0, 2, 1).into()));
        assert_eq!(rooms.server("").await.expect_err("no such address").code, "server-not-started");
    }
}

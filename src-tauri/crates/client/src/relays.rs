//! Which STUN and TURN servers sessions get: those of the person and those of the room server.

use parlor_engine::IcePolicy;
use parlor_protocol::{
    ice::IceUrl,
    session::Remedy,
    signal::IceServer,
    ui::{Problem, Settings},
};

/// Servers of one's own; each costs a request for every session and interface.
const MAX_OWN: usize = 16;

/// Addresses of servers that are taken from the room server, for the same reason: it is anybody's.
const MAX_ROOM: usize = 16;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relays {
    own: Vec<IceServer>,
    room: Vec<IceServer>,
    relay_only: bool,
}

impl Relays {
    /// Those of the settings; the room server has not said anything yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { own: settings.ice_servers.clone(), room: Vec::new(), relay_only: settings.relay_only }
    }

    /// The person chose others. Whether anything changed for sessions that run.
    pub(crate) fn choose(&mut self, settings: &Settings) -> bool {
        self.relay_only = settings.relay_only;
        let changed = self.own != settings.ice_servers;
        self.own.clone_from(&settings.ice_servers);
        changed
    }

    /// The room server named its own. Whether anything changed for sessions that run.
    pub(crate) fn told(&mut self, servers: Vec<IceServer>) -> bool {
        let mut left = MAX_ROOM;
        let bounded = |mut server: IceServer| {
            server.urls.truncate(left);
            left -= server.urls.len();
            (!server.urls.is_empty()).then_some(server)
        };
        let servers: Vec<_> = servers.into_iter().filter_map(bounded).collect();
        let changed = self.room != servers;
        self.room = servers;
        changed
    }

    /// All of them, one's own first.
    pub(crate) fn servers(&self) -> Vec<IceServer> {
        self.own.iter().chain(&self.room).cloned().collect()
    }

    /// For sessions made from now on.
    pub(crate) fn policy(&self) -> IcePolicy {
        if self.relay_only { IcePolicy::Relay } else { IcePolicy::All }
    }

    /// What keeps sessions from connecting.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let is_relay = |url: &String| url.parse::<IceUrl>().is_ok_and(|url| url.way.is_turn());
        let relays = self.own.iter().chain(&self.room).flat_map(|server| &server.urls).any(is_relay);
        (self.relay_only && !relays).then(|| Problem {
            code: "no-relay".into(),
            title: "Parlor knows of no relay".into(),
            text: "Nobody can be reached without one. Add a relay below, join a room whose server has one, or turn this off."
                .into(),
            remedy: Remedy::None,
        })
    }
}

/// Reads servers as people write them, one a line.
pub(crate) fn parse(lines: &[String]) -> Result<Vec<IceServer>, Problem> {
    let bad = |title: String, text: &str| Problem {
        code: "bad-ice-server".into(),
        title,
        text: text.into(),
        remedy: Remedy::None,
    };
    let lines: Vec<_> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_OWN {
        return Err(bad(format!("More than {MAX_OWN} servers are too many"), "Nothing was changed."));
    }
    let read = |line: &str| {
        line.parse().map_err(|error| {
            // Without user and password: this is shown, and may be shared.
            let url = line.split(',').next().unwrap_or_default().trim();
            let text = "Nothing was changed. A server is written like stun:stun.example.org, or like \
                        turn:turn.example.org, name, password.";
            bad(format!("\u{201c}{url}\u{201d} {error}"), text)
        })
    };
    lines.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn relay() -> IceServer {
        "turn:turn.example.org,anna,secret".parse().unwrap()
    }

    #[test]
    fn servers_are_read_line_by_line() {
        let servers = parse(&lines("stun:stun.example.org\n\n  turn:turn.example.org,anna,secret ")).unwrap();
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[1], relay());
    }

    #[test]
    fn a_line_that_is_none_is_told_without_its_password() {
        let problem = parse(&lines("stun:stun.example.org\nturm:turn.example.org,anna,secret")).unwrap_err();
        assert_eq!(problem.code, "bad-ice-server");
        assert!(problem.title.contains("turm:turn.example.org"), "{problem:?}");
        assert!(!format!("{problem:?}").contains("secret"));
        assert!(parse(&vec!["stun:stun.example.org".to_owned(); MAX_OWN + 1]).is_err());
    }

    #[test]
    fn a_relay_that_is_wanted_always_has_to_be_known() {
        let mut relays = Relays::new(&Settings { relay_only: true, ..Settings::default() });
        assert_eq!(relays.policy(), IcePolicy::Relay);
        assert_eq!(relays.problem().unwrap().code, "no-relay");
        assert!(relays.told(vec!["stun:stun.example.org".parse().unwrap()]));
        assert!(relays.problem().is_some());
        assert!(relays.told(vec![relay()]));
        assert!(!relays.told(vec![relay()]));
        assert_eq!(relays.problem(), None);
        assert!(relays.choose(&Settings { ice_servers: vec![relay()], ..Settings::default() }));
        assert_eq!((relays.policy(), relays.servers().len()), (IcePolicy::All, 2));
    }
}

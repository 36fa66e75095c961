//! The hellos of the DTLS handshake, where the server told its cookie ahead (`cookie`).
//!
//! Owns: the client's first hello until its second is there, and both on the server's side until the stack takes them: it
//! drops what comes before it has selected a pair, and wants the second after it has asked for it.

use std::net::SocketAddr;

use super::cookie::{self, Cookie};

/// A session's part in it.
#[derive(Debug, Default)]
pub(super) struct Hello {
    /// What the server told us.
    told: Option<Cookie>,
    /// Our first, as a client.
    first: Option<Vec<u8>>,
    /// What came from a client.
    came: Option<Came>,
    /// As a server, we asked for the cookie, or would have.
    asked: bool,
}

#[derive(Debug)]
struct Came {
    first: Vec<u8>,
    second: Vec<u8>,
    from: SocketAddr,
}

/// What becomes of a datagram of the stack's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It leaves.
    AsItIs,
    /// This leaves in its place.
    Instead(Vec<u8>),
    /// It waits, and the stack is given this.
    Waits(Vec<u8>),
    /// It need not be said: the stack is given this, which came from there.
    Asks(Vec<u8>, SocketAddr),
}

impl Hello {
    /// The other side told its cookie.
    pub(super) fn know(&mut self, cookie: Option<Cookie>) {
        if self.first.is_none() {
            self.told = cookie;
        }
    }

    /// The stack says something. `is_direct`: to where no relay passes it on, which hides from a server what it carries.
    pub(super) fn says(&mut self, datagram: &[u8], is_direct: bool) -> Says {
        if cookie::is_request(datagram) {
            self.asked = true;
            return self.came.take().map_or(Says::AsItIs, |came| Says::Asks(came.second, came.from));
        }
        if is_direct
            && cookie::is_first(datagram)
            && let Some(cookie) = self.told.take()
        {
            self.first = Some(datagram.to_vec());
            return Says::Waits(cookie.request());
        }
        match &self.first {
            Some(first) if cookie::is_second(datagram) => Says::Instead([first, datagram].concat()),
            Some(_) | None => Says::AsItIs,
        }
    }

    /// Something came. Its part that the stack may have now; all of it, where it is not both hellos.
    pub(super) fn came(&mut self, datagram: &[u8], from: SocketAddr) -> usize {
        let Some(end) = cookie::both(datagram).filter(|_| !self.asked) else { return datagram.len() };
        let (first, second) = datagram.split_at(end);
        self.came = Some(Came { first: first.to_vec(), second: second.to_vec(), from });
        end
    }

    /// What the stack may take now that a pair may be selected, and from where it came.
    pub(super) fn again(&self) -> Option<(Vec<u8>, SocketAddr)> {
        self.came.as_ref().map(|came| (came.first.clone(), came.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(number: u8) -> Vec<u8> {
        let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 12 + 40];
        let header = [1, 0, 0, 40, 0, number, 0, 0, 0, 0, 0, 40];
        [&record[..], &header, &[7; 40]].concat()
    }

    fn both() -> Vec<u8> {
        [hello(0), hello(1)].concat()
    }

    const FROM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000);

    #[test]
    fn a_client_that_was_told_the_cookie_says_both_hellos_at_once() {
        let (mut client, cookie) = (Hello::default(), Cookie::draw());
        client.know(Some(cookie));
        assert_eq!(client.says(&hello(0), true), Says::Waits(cookie.request()));
        assert_eq!(client.says(&hello(1), true), Says::Instead(both()));
        // Said again, should nothing come.
        assert_eq!(client.says(&hello(1), true), Says::Instead(both()));
    }

    #[test]
    fn a_client_that_was_told_nothing_or_speaks_through_a_relay_waits_for_the_request() {
        for (cookie, is_direct) in [(None, true), (Some(Cookie::draw()), false)] {
            let mut client = Hello::default();
            client.know(cookie);
            for number in [0, 1] {
                assert_eq!(client.says(&hello(number), is_direct), Says::AsItIs);
            }
        }
    }

    #[test]
    fn a_server_takes_the_second_when_it_has_asked_for_it() {
        let (mut server, request) = (Hello::default(), Cookie::draw().request());
        let (first, second) = (hello(0), hello(1));
        assert_eq!(server.came(&both(), FROM), first.len());
        // As often as it could not take the first.
        for _ in 0..3 {
            assert_eq!(server.again(), Some((first.clone(), FROM)));
        }
        assert_eq!(server.says(&request, true), Says::Asks(second, FROM));
        assert!(server.again().is_none());
        // Said again, it is repeated as it is: the stack knows both.
        assert_eq!(server.came(&both(), FROM), both().len());
    }

    #[test]
    fn a_server_whose_client_shakes_hands_as_ever_is_left_alone() {
        let mut server = Hello::default();
        assert_eq!(server.came(&hello(0), FROM), hello(0).len());
        assert!(server.again().is_none());
        assert_eq!(server.says(&Cookie::draw().request(), true), Says::AsItIs);
        assert_eq!(server.came(&hello(1), FROM), hello(1).len());
    }
}

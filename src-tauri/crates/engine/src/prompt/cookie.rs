//! The cookie of the DTLS handshake, told with the offer (RFC 6347 §4.2.1).
//!
//! A server has its client say hello twice, the second time with a cookie that nobody gets who cannot be reached where they say
//! they are. That costs a round trip, and proves what ICE has proven before: no handshake begins without a selected pair, and
//! all of it goes there, wherever a hello came from. So the server tells its cookie in the offer, and both hellos leave
//! together.
//!
//! Owns: the cookie, its line in a description, telling hellos apart. Refuses: the handshake. Whoever is told no cookie, or
//! does not know the line, shakes hands as ever.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use rtc::crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};

use super::lock;

/// The length of the cookies of the stack's server.
const BYTES: usize = 20;
/// A line of the session's part of a description, with the cookie in hexadecimal.
const LINE: &str = "a=dtls-cookie:";
/// The header of a record (RFC 6347 §4.1).
const RECORD: usize = 13;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Cookie([u8; BYTES]);

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie")
    }
}

impl Cookie {
    pub(super) fn draw() -> Self {
        Self(rand::random())
    }

    /// A description that tells it.
    pub(super) fn told_in(self, sdp: &str) -> String {
        let at = sdp.find("\nm=").map_or(sdp.len(), |end| end + 1);
        let (session, media) = sdp.split_at(at);
        let mut told = format!("{session}{LINE}");
        for byte in self.0 {
            // Writing to a text does not fail.
            let _ok = write!(told, "{byte:02x}");
        }
        told + "\r\n" + media
    }

    /// The one that a description tells.
    pub(super) fn of(sdp: &str) -> Option<Self> {
        let session = sdp.lines().take_while(|line| !line.starts_with("m="));
        let text = session.filter_map(|line| line.strip_prefix(LINE)).next()?.trim_end();
        if text.len() != 2 * BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; BYTES];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// What the server would say to the first hello: a HelloVerifyRequest, its first record.
    pub(super) fn request(self) -> Vec<u8> {
        const BODY: u8 = 3 + BYTES as u8;
        let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12 + BODY];
        let message = [HELLO_VERIFY_REQUEST, 0, 0, BODY, 0, 0, 0, 0, 0, 0, 0, BODY];
        [&record[..], &message, &[0xfe, 0xfd, BYTES as u8], &self.0].concat()
    }
}

/// The handshake message that a datagram begins with: its type and number, and where its record ends. `None` for what is
/// encrypted, and for everything else.
fn message(datagram: &[u8]) -> Option<(u8, u16, usize)> {
    let [22, _, _, 0, 0, _, _, _, _, _, _, a, b, kind, _, _, _, c, d, ..] = datagram else { return None };
    let end = RECORD + usize::from(u16::from_be_bytes([*a, *b]));
    (end <= datagram.len()).then(|| (*kind, u16::from_be_bytes([*c, *d]), end))
}

/// Whether a datagram is the client's hello of this number and nothing else.
fn is_hello(datagram: &[u8], number: u16) -> bool {
    message(datagram) == Some((CLIENT_HELLO, number, datagram.len()))
}

/// Whether a datagram is a client's first hello.
pub(super) fn is_first(datagram: &[u8]) -> bool {
    is_hello(datagram, 0)
}

/// Whether a datagram is a client's second hello.
pub(super) fn is_second(datagram: &[u8]) -> bool {
    is_hello(datagram, 1)
}

/// The length of the first hello, where a datagram is both.
pub(super) fn both(datagram: &[u8]) -> Option<usize> {
    let (CLIENT_HELLO, 0, end) = message(datagram)? else { return None };
    is_second(&datagram[end..]).then_some(end)
}

/// Whether a datagram asks for a cookie.
pub(super) fn is_request(datagram: &[u8]) -> bool {
    message(datagram).is_some_and(|(kind, _, _)| kind == HELLO_VERIFY_REQUEST)
}

/// The stack's cryptography, of which its DTLS server gets this cookie. It asks for twenty random bytes for nothing else.
pub(super) struct Provider {
    inner: Arc<dyn RTCCryptoProvider>,
    random: Random,
}

struct Random {
    inner: Arc<dyn RTCCryptoProvider>,
    /// Until it was given out.
    cookie: Mutex<Option<Cookie>>,
}

impl Provider {
    pub(super) fn new(inner: Arc<dyn RTCCryptoProvider>, cookie: Cookie) -> Self {
        Self { inner: Arc::clone(&inner), random: Random { inner, cookie: Mutex::new(Some(cookie)) } }
    }
}

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.inner.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        &self.random
    }
}

impl RTCRandom for Random {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        if output.len() == BYTES
            && let Some(cookie) = lock(&self.cookie).take()
        {
            output.copy_from_slice(&cookie.0);
            return Ok(());
        }
        self.inner.random().fill(output)
    }
}

#[cfg(test)]
mod tests {
    use rtc::crypto::default_provider;

    use super::*;

    const COOKIE: Cookie = Cookie([0xa7; BYTES]);

    fn hello(number: u8, length: u8) -> Vec<u8> {
        let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 12 + length];
        let header = [CLIENT_HELLO, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length];
        [&record[..], &header, &vec![7; length.into()]].concat()
    }

    #[test]
    fn what_a_description_tells_is_read_from_its_session() {
        let sdp = "v=0\r\ns=-\r\nm=audio 9 X 0\r\na=mid:0\r\n";
        let told = COOKIE.told_in(sdp);
        assert_eq!(told, format!("v=0\r\ns=-\r\na=dtls-cookie:{}\r\nm=audio 9 X 0\r\na=mid:0\r\n", "a7".repeat(20)));
        assert_eq!(Cookie::of(&told), Some(COOKIE));
        assert_eq!(Cookie::of(sdp), None);
        let odd = ["a=dtls-cookie:a7", "m=x\r\na=dtls-cookie:a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7"];
        for sdp in odd.into_iter().map(str::to_owned).chain([told.replace("a7a7", "x7é"), told.replace("a7a7", "+7a7")])
        {
            assert_eq!(Cookie::of(&sdp), None, "{sdp}");
        }
    }

    #[test]
    fn hellos_are_told_apart() {
        let [first, second] = [0, 1].map(|number| hello(number, 40));
        assert!(is_first(&first) && !is_second(&first) && is_second(&second) && !is_first(&second));
        let both_of_them = [&first[..], &second].concat();
        assert_eq!(both(&both_of_them), Some(first.len()));
        assert!(!is_first(&both_of_them) && !is_second(&both_of_them));
        assert!(is_request(&COOKIE.request()) && !is_request(&first));
        for other in [&[][..], &[22], &first[..30], &second, &[0x80; 60], &both_of_them[..both_of_them.len() - 1]] {
            assert_eq!(both(other), None);
        }
        // Of another epoch.
        let mut encrypted = first.clone();
        encrypted[4] = 1;
        assert!(!is_first(&encrypted));
    }

    #[test]
    fn the_cookie_is_given_out_once_and_for_nothing_else() {
        let provider = Provider::new(default_provider().unwrap(), COOKIE);
        let draw = |length: usize| {
            let mut bytes = vec![0; length];
            provider.random().fill(&mut bytes).unwrap();
            bytes
        };
        for length in [8, 16, 19, 21, 28, 64] {
            assert_ne!(draw(length), vec![0xa7; length]);
        }
        assert_eq!(draw(BYTES), COOKIE.0);
        assert_ne!(draw(BYTES), COOKIE.0);
    }
}

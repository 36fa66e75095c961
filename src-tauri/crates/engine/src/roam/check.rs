//! Connectivity checks beside the stack's own (RFC 8445 §7.2): made like them, and answered by any ICE agent.

use std::fmt;

use rtc::{
    crypto::RTCCrypto,
    stun::{
        attributes::{
            ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY,
            ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
        },
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{BINDING_REQUEST, Message, Setter, TransactionId, is_stun_message},
        textattrs::TextAttribute,
    },
};

/// Says that the sender has moved here: 8 bytes, the number of its move, counted up through the session. From the range
/// that receivers may ignore (RFC 8489 §14).
const ATTR_MOVED: AttrType = AttrType(0xC1A0);
/// The longest check that is looked at, which is what an Ethernet frame holds; the stack's have some 120 bytes.
const MAX_CHECK: usize = 1500;

const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;

/// What a datagram is, by its first bytes (RFC 7983 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A binding request.
    Request,
    /// A binding success response.
    Success,
    /// Other STUN, and what goes through a TURN server.
    Other,
    /// DTLS, RTP, RTCP: only the selected pair carries them.
    Media,
}

/// Looks at a datagram.
pub(super) fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [20..=63 | 128..=191, ..] => Kind::Media,
        // The stack looks at no more than these bits of the type.
        [a, b, ..] if is_stun_message(datagram) => match u16::from_be_bytes([*a & 0x3f, *b]) {
            REQUEST => Kind::Request,
            SUCCESS if datagram.len() <= MAX_CHECK => Kind::Success,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// Whether a datagram is for a TURN server to pass on (RFC 8656 §12).
pub(super) fn is_relayed(datagram: &[u8]) -> bool {
    // Channel data, and send indications.
    matches!(datagram, [0x40..=0x4f, ..] | [0x00, 0x16, ..])
}

/// Name and password of one side's ICE generation (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

/// Never shown: whoever has it can move the session.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What both sides of an ICE generation prove themselves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) local: Secret,
    pub(crate) remote: Secret,
}

/// What the stack's checks on the selected pair say besides: role and priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    role: (AttrType, Vec<u8>),
    priority: Vec<u8>,
}

impl Template {
    /// Reads one of the stack's own checks.
    pub(super) fn read(check: &[u8]) -> Option<Self> {
        let message = decode(check)?;
        let role = [ATTR_ICE_CONTROLLING, ATTR_ICE_CONTROLLED]
            .into_iter()
            .find_map(|role| message.get(role).ok().map(|value| (role, value)))?;
        Some(Self { role, priority: message.get(ATTR_PRIORITY).ok()? })
    }

    /// A check like it. `moved`: says that we are here from now on; the side that nominates pairs nominates this one.
    pub(super) fn check(
        &self,
        credentials: &Credentials,
        moved: Option<u64>,
        crypto: &dyn RTCCrypto,
    ) -> Option<(TransactionId, Vec<u8>)> {
        let transaction = TransactionId::new();
        let name = format!("{}:{}", credentials.remote.ufrag, credentials.local.ufrag);
        let mut message = Message::new();
        message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(transaction),
                Box::new(TextAttribute::new(ATTR_USERNAME, name)),
            ])
            .ok()?;
        message.add(self.role.0, &self.role.1);
        message.add(ATTR_PRIORITY, &self.priority);
        if let Some(number) = moved {
            if self.role.0 == ATTR_ICE_CONTROLLING {
                message.add(ATTR_USE_CANDIDATE, &[]);
            }
            message.add(ATTR_MOVED, &number.to_be_bytes());
        }
        let key = credentials.remote.pwd.clone();
        MessageIntegrity::new_short_term_integrity_with_provider(key, crypto).add_to(&mut message).ok()?;
        FINGERPRINT.add_to(&mut message).ok()?;
        Some((transaction, message.raw))
    }
}

/// A check of the other side's, whose password is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    /// The number of the move that it tells of.
    pub(super) moved: Option<u64>,
}

/// Checks name and integrity of a request (RFC 8445 §7.3).
pub(super) fn prove_request(datagram: &[u8], credentials: &Credentials, crypto: &dyn RTCCrypto) -> Option<Proof> {
    let mut message = decode_request(datagram)?;
    let name = format!("{}:{}", credentials.local.ufrag, credentials.remote.ufrag);
    if message.get(ATTR_USERNAME).ok()? != name.as_bytes() {
        return None;
    }
    MessageIntegrity::check(&mut message, credentials.local.pwd.as_bytes(), crypto).ok()?;
    let moved = message.get(ATTR_MOVED).ok().and_then(|number| number.try_into().ok()).map(u64::from_be_bytes);
    Some(Proof { moved })
}

/// Whether a request is from somebody who knows this secret of ours. The other side's name is not looked at: it may be of a
/// generation to come.
pub(super) fn is_for(datagram: &[u8], local: &Secret, crypto: &dyn RTCCrypto) -> bool {
    let Some(mut message) = decode_request(datagram) else { return false };
    let named = message
        .get(ATTR_USERNAME)
        .is_ok_and(|name| name.strip_prefix(local.ufrag.as_bytes()).is_some_and(|theirs| theirs.starts_with(b":")));
    named && MessageIntegrity::check(&mut message, local.pwd.as_bytes(), crypto).is_ok()
}

/// Checks the integrity of a success response, and gives the transaction that it answers.
pub(super) fn prove_success(
    datagram: &[u8],
    credentials: &Credentials,
    crypto: &dyn RTCCrypto,
) -> Option<TransactionId> {
    let mut message = decode(datagram)?;
    MessageIntegrity::check(&mut message, credentials.remote.pwd.as_bytes(), crypto).ok()?;
    Some(message.transaction_id)
}

/// Whether media is RTP: what the other side reports on (RFC 5761 §4).
pub(super) fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(64..=95).contains(&(kind & 0x7f)))
}

/// Whether media is RTCP, which reports on what was received (RFC 5761 §4).
pub(super) fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// The transaction of a STUN message that was looked at by [`kind`].
pub(super) fn transaction(datagram: &[u8]) -> Option<TransactionId> {
    datagram.get(8..20)?.try_into().ok().map(TransactionId)
}

/// A request of which nothing was added by others.
fn decode_request(datagram: &[u8]) -> Option<Message> {
    let message = decode(datagram).filter(|_| datagram.len() <= MAX_CHECK)?;
    // What follows the integrity is anybody's (RFC 8489 §14.5): a check has nothing there but its fingerprint.
    let mut after = message.attributes.0.iter().skip_while(|attribute| attribute.typ != ATTR_MESSAGE_INTEGRITY).skip(1);
    if after.any(|attribute| attribute.typ != ATTR_FINGERPRINT) { None } else { Some(message) }
}

fn decode(datagram: &[u8]) -> Option<Message> {
    let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
    message.decode().ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use rtc::crypto::default_provider;

    use super::*;

    fn secret(name: &str) -> Secret {
        Secret { ufrag: name.to_owned(), pwd: format!("{name}-password-of-22-characters") }
    }

    fn ours() -> Credentials {
        Credentials { local: secret("ours"), remote: secret("theirs") }
    }

    fn theirs() -> Credentials {
        Credentials { local: secret("theirs"), remote: secret("ours") }
    }

    fn template(role: AttrType) -> Template {
        Template { role: (role, vec![1; 8]), priority: vec![2; 4] }
    }

    #[test]
    fn a_check_proves_itself_to_the_other_side_alone() {
        let provider = default_provider().unwrap();
        let crypto = provider.crypto();
        let (_, check) = template(ATTR_ICE_CONTROLLED).check(&ours(), Some(7), crypto).unwrap();
        assert_eq!(kind(&check), Kind::Request);
        assert_eq!(prove_request(&check, &theirs(), crypto), Some(Proof { moved: Some(7) }));
        assert_eq!(prove_request(&check, &ours(), crypto), None);
        let other = Credentials { local: Secret { pwd: "x".to_owned(), ..secret("theirs") }, ..theirs() };
        assert_eq!(prove_request(&check, &other, crypto), None);
    }

    #[test]
    fn a_check_that_was_changed_proves_nothing() {
        let provider = default_provider().unwrap();
        let crypto = provider.crypto();
        let (_, check) = template(ATTR_ICE_CONTROLLING).check(&ours(), Some(1), crypto).unwrap();
        for at in 0..check.len() - 8 {
            let mut changed = check.clone();
            changed[at] ^= 0x10;
            assert_eq!(prove_request(&changed, &theirs(), crypto), None, "byte {at}");
        }
    }

    #[test]
    fn what_was_added_behind_the_integrity_makes_a_check_worthless() {
        let provider = default_provider().unwrap();
        let (_, check) = template(ATTR_ICE_CONTROLLED).check(&ours(), None, provider.crypto()).unwrap();
        assert!(prove_request(&check, &theirs(), provider.crypto()).is_some());
        assert!(is_for(&check, &secret("theirs"), provider.crypto()));
        for (kind, value) in [(ATTR_MOVED, [0xff; 8]), (ATTR_ICE_CONTROLLED, [0xff; 8])] {
            let mut message = decode(&check).unwrap();
            message.add(kind, &value);
            assert_eq!(prove_request(&message.raw, &theirs(), provider.crypto()), None);
            assert!(!is_for(&message.raw, &secret("theirs"), provider.crypto()));
        }
    }

    #[test]
    fn a_check_of_another_generation_is_for_us_and_one_without_our_password_is_not() {
        let provider = default_provider().unwrap();
        let crypto = provider.crypto();
        let next = Credentials { local: secret("next"), remote: secret("ours") };
        let (_, check) = template(ATTR_ICE_CONTROLLING).check(&next, None, crypto).unwrap();
        assert_eq!(prove_request(&check, &ours(), crypto), None);
        assert!(is_for(&check, &secret("ours"), crypto));
        assert!(!is_for(&check, &secret("theirs"), crypto) && !is_for(&check, &secret("our"), crypto));
        let guessed = Secret { pwd: "another-password-of-22-chars".to_owned(), ..secret("ours") };
        assert!(!is_for(&check, &guessed, crypto));
    }

    #[test]
    fn whatever_the_stack_takes_for_a_request_is_one() {
        let provider = default_provider().unwrap();
        let (_, check) = template(ATTR_ICE_CONTROLLING).check(&ours(), None, provider.crypto()).unwrap();
        for first in [0x40, 0xc0] {
            let mut odd = check.clone();
            odd[0] |= first;
            assert_eq!(kind(&odd), Kind::Request);
            assert!(!is_for(&odd, &secret("theirs"), provider.crypto()));
        }
        let mut long = check;
        long.resize(MAX_CHECK + 1, 0);
        assert_eq!(kind(&long), Kind::Request);
        assert!(!is_for(&long, &secret("theirs"), provider.crypto()));
    }

    #[test]
    fn the_stacks_role_and_priority_are_kept() {
        let provider = default_provider().unwrap();
        let (_, check) = template(ATTR_ICE_CONTROLLING).check(&ours(), None, provider.crypto()).unwrap();
        assert_eq!(Template::read(&check), Some(template(ATTR_ICE_CONTROLLING)));
    }

    #[test]
    fn bytes_of_any_kind_are_told_apart() {
        for bytes in [&[][..], &[0], &[0; 19], &[0; 20], &[0xff; 600], &[0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42]] {
            assert_eq!(kind(bytes), Kind::Other);
            assert_eq!(prove_request(bytes, &ours(), default_provider().unwrap().crypto()), None);
        }
        assert_eq!(kind(&[22, 254, 253]), Kind::Media);
        assert_eq!(kind(&[0x80]), Kind::Media);
        assert!(is_relayed(&[0x40, 0x00]) && !is_relayed(&[0x80]));
    }
}

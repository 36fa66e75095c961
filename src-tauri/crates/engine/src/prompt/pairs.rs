//! Connectivity checks that need no second one (RFC 8445 §7, RFC 5245 §8.1.1.2).
//!
//! The stack's controlling side nominates a pair with a second check, when its turn comes, after the first was answered; the
//! controlled side takes no nomination of a pair that it has not proven itself, and says nothing to it; and checks that come
//! before the answer are lost. Where both ends are addresses of machines themselves, the first pair on which the other side
//! was heard is nominated with the first check, and the stack's second is answered here, out of the answer to the first. A
//! request that came too early is given to the stack again once it is not.
//!
//! Owns: what the checks of a session that is being made say, beside what the stack has them say. Refuses: which pairs there
//! are, and pairs of other kinds, for which better ones have to be waited for.

use std::{collections::VecDeque, net::SocketAddr};

use rtc::{
    crypto::RTCCrypto,
    stun::{
        attributes::{
            ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE,
            ATTR_USERNAME,
        },
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId},
    },
};

use crate::{roam::Secret, sdp};

/// Requests of the other side that are kept: the newest from each address.
const MAX_HEARD: usize = 16;
/// Requests of our own that wait for their answers.
const MAX_OUT: usize = 64;
/// The longest request that is looked at; the stack's have some 120 bytes.
const MAX_CHECK: usize = 640;

/// The two ends of a pair: ours, then the other side's.
pub(super) type Pair = (SocketAddr, SocketAddr);

/// See the module.
#[derive(Default)]
pub(super) struct Pairs {
    /// What the other side proves itself with; `None` until it has said so.
    remote: Option<Secret>,
    /// Where the other side says to be, relays left out, and whether that is an address of its machine.
    places: Vec<(SocketAddr, bool)>,
    /// The pair that is nominated with its first check.
    first: Option<Pair>,
    /// We nominate.
    controlling: bool,
    /// Requests of our own: on which pair, and whether they nominate it though the stack did not say so.
    out: VecDeque<(TransactionId, Pair, bool)>,
    /// The other side answered that it is nominated.
    agreed: bool,
    heard: VecDeque<Heard>,
    /// From where the other side asked, the newest last.
    askers: VecDeque<SocketAddr>,
}

/// A request of the other side's, the last on its pair.
struct Heard {
    pair: Pair,
    request: Vec<u8>,
    /// The stack could not know whom it is from.
    early: bool,
}

/// What becomes of a request of the stack's.
pub(super) enum Asks {
    /// It leaves.
    AsItIs,
    /// This leaves in its place.
    Instead(Vec<u8>),
    /// It was answered before, with this.
    Answered(Vec<u8>),
}

/// A datagram for the stack, as if it came on this pair.
pub(super) type Given = (Pair, Vec<u8>);

impl Pairs {
    /// The other side's description is about to be applied.
    pub(super) fn begin(&mut self, sdp: &str) {
        let remote = sdp::secret(sdp);
        if remote == self.remote {
            return;
        }
        let (heard, askers) = (std::mem::take(&mut self.heard), std::mem::take(&mut self.askers));
        *self = Self { remote, heard, askers, ..Self::default() };
        sdp.lines().filter_map(|line| line.strip_prefix("a=")).for_each(|line| self.candidate(line));
    }

    /// The other side told a candidate, `candidate:…` (RFC 8839 §5.1).
    pub(super) fn candidate(&mut self, candidate: &str) {
        let Some(candidate) = candidate.strip_prefix("candidate:") else { return };
        let words: Vec<&str> = candidate.split_ascii_whitespace().collect();
        let [_, _, transport, _, ip, port, "typ", kind, ..] = words[..] else { return };
        if let (true, Ok(ip), Ok(port)) =
            (kind != "relay" && transport.eq_ignore_ascii_case("udp"), ip.parse(), port.parse())
            && self.places.len() < sdp::MAX_CANDIDATES
        {
            self.places.push((SocketAddr::new(ip, port), kind == "host"));
        }
    }

    /// Whether the other side says to be there, and no relay.
    pub(super) fn is_direct(&self, place: SocketAddr) -> bool {
        self.places.iter().any(|(known, _)| *known == place)
    }

    /// What came before the stack could know whom it is from, and is from where the other side says to be.
    pub(super) fn early(&mut self) -> Vec<Given> {
        let places = if self.remote.is_some() { self.places.as_slice() } else { &[] };
        let from_there = |heard: &&mut Heard| places.iter().any(|(place, _)| *place == heard.pair.1);
        let early = self.heard.iter_mut().filter(|heard| heard.early).filter(from_there);
        early
            .map(|heard| {
                heard.early = false;
                (heard.pair, heard.request.clone())
            })
            .collect()
    }

    /// The stack asks on a pair.
    pub(super) fn asks(&mut self, request: &[u8], pair: Pair, crypto: &dyn RTCCrypto) -> Asks {
        let Some(message) = decode(request) else { return Asks::AsItIs };
        // A server that is asked for an address is told no role.
        self.controlling = match (message.contains(ATTR_ICE_CONTROLLING), message.contains(ATTR_ICE_CONTROLLED)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => return Asks::AsItIs,
        };
        let nominates = message.contains(ATTR_USE_CANDIDATE);
        let remote = self.remote.as_ref().filter(|remote| is_named(&message, remote));
        if nominates && self.agreed && self.first == Some(pair) {
            let answer = remote.and_then(|remote| answer(message.transaction_id, remote, crypto));
            return answer.map_or(Asks::AsItIs, Asks::Answered);
        }
        let is_host = self.places.iter().any(|(place, host)| *place == pair.1 && *host);
        // Whoever was not heard has not proven the pair when this gets there, says nothing to it, and another pair is nominated.
        let is_heard = self.heard.iter().any(|heard| heard.pair == pair);
        if self.controlling && !nominates && is_host && is_heard && remote.is_some() {
            self.first.get_or_insert(pair);
        }
        let nominating = remote
            .filter(|_| self.controlling && !nominates && !self.agreed && self.first == Some(pair))
            .and_then(|remote| nominating(&message, remote, crypto));
        if self.out.len() == MAX_OUT {
            self.out.pop_front();
        }
        self.out.push_back((message.transaction_id, pair, nominating.is_some()));
        nominating.map_or(Asks::AsItIs, Asks::Instead)
    }

    /// The other side answers on a pair. What to give the stack again behind the answer: the request that it could do nothing with
    /// as long as the pair was not proven.
    pub(super) fn answered(&mut self, response: &[u8], pair: Pair, crypto: &dyn RTCCrypto) -> Option<Given> {
        let mut message = decode(response)?;
        let at = self.out.iter().position(|(out, on, _)| *out == message.transaction_id && *on == pair)?;
        let password = &self.remote.as_ref()?.pwd;
        MessageIntegrity::check(&mut message, password.as_bytes(), crypto).ok()?;
        let (_, _, nominated) = self.out.remove(at)?;
        self.agreed |= nominated;
        let at = self.heard.iter().position(|heard| heard.pair == pair)?;
        // The controlled side asks in its turn whenever it is asked: only a nomination is news to it.
        let news = self.controlling || decode(&self.heard[at].request)?.contains(ATTR_USE_CANDIDATE);
        let heard = self.heard.remove(at).filter(|_| news)?;
        Some((pair, heard.request))
    }

    /// The other side asks on a pair.
    pub(super) fn hears(&mut self, request: &[u8], pair: Pair) {
        self.heard.retain(|heard| heard.pair != pair);
        if request.len() > MAX_CHECK {
            return;
        }
        if self.heard.len() == MAX_HEARD {
            self.heard.pop_front();
        }
        self.heard.push_back(Heard { pair, request: request.to_vec(), early: self.remote.is_none() });
        if !self.has_asked(pair.1) {
            if self.askers.len() == MAX_HEARD {
                self.askers.pop_front();
            }
            self.askers.push_back(pair.1);
        }
    }

    /// Whether the other side has asked from there.
    pub(super) fn has_asked(&self, place: SocketAddr) -> bool {
        self.askers.contains(&place)
    }
}

/// Whether a request of ours is for whoever has this name.
fn is_named(request: &Message, remote: &Secret) -> bool {
    let name = request.get(ATTR_USERNAME).unwrap_or_default();
    name.strip_prefix(remote.ufrag.as_bytes()).is_some_and(|ours| ours.starts_with(b":"))
}

/// The same request, which nominates its pair as well.
fn nominating(request: &Message, remote: &Secret, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
    let mut message = Message::new();
    message.build(&[Box::new(BINDING_REQUEST), Box::new(request.transaction_id)]).ok()?;
    for attribute in &request.attributes.0 {
        if attribute.typ != ATTR_MESSAGE_INTEGRITY && attribute.typ != ATTR_FINGERPRINT {
            message.add(attribute.typ, &attribute.value);
        }
    }
    message.add(ATTR_USE_CANDIDATE, &[]);
    sealed(message, remote, crypto)
}

/// The other side's answer to a request.
fn answer(transaction: TransactionId, remote: &Secret, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
    let mut message = Message::new();
    message.build(&[Box::new(BINDING_SUCCESS), Box::new(transaction)]).ok()?;
    sealed(message, remote, crypto)
}

fn sealed(mut message: Message, remote: &Secret, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
    MessageIntegrity::new_short_term_integrity_with_provider(remote.pwd.clone(), crypto).add_to(&mut message).ok()?;
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(message.raw)
}

fn decode(datagram: &[u8]) -> Option<Message> {
    let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
    (datagram.len() <= MAX_CHECK).then(|| message.decode().ok())??;
    Some(message)
}

#[cfg(test)]
mod tests {
    use rtc::{
        crypto::{RTCCryptoProvider, default_provider},
        stun::{attributes::AttrType, textattrs::TextAttribute},
    };

    use super::*;

    const HERE: &str = "10.0.0.1:4000";
    const THERE: &str = "10.0.0.2:5000";
    const ELSEWHERE: &str = "10.0.0.3:5000";

    fn secret(name: &str) -> Secret {
        Secret { ufrag: name.to_owned(), pwd: format!("{name}-password-of-22-characters") }
    }

    fn pair(remote: &str) -> Pair {
        (HERE.parse().unwrap(), remote.parse().unwrap())
    }

    fn request(from: &str, to: &str, role: AttrType, nominates: bool) -> Vec<u8> {
        let provider = default_provider().unwrap();
        let mut message = Message::new();
        let name = Box::new(TextAttribute::new(ATTR_USERNAME, format!("{to}:{from}")));
        message.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new()), name]).unwrap();
        message.add(role, &[1; 8]);
        if nominates {
            message.add(ATTR_USE_CANDIDATE, &[]);
        }
        sealed(message, &secret(to), provider.crypto()).unwrap()
    }

    fn ours(nominates: bool) -> Vec<u8> {
        request("ours", "theirs", ATTR_ICE_CONTROLLING, nominates)
    }

    fn theirs() -> Vec<u8> {
        request("theirs", "ours", ATTR_ICE_CONTROLLED, false)
    }

    fn transaction(datagram: &[u8]) -> TransactionId {
        decode(datagram).unwrap().transaction_id
    }

    struct Case {
        pairs: Pairs,
        provider: std::sync::Arc<dyn RTCCryptoProvider>,
    }

    impl Case {
        fn new(candidates: &[(&str, &str)]) -> Self {
            let mut pairs = Pairs::default();
            pairs.begin("v=0\r\na=ice-ufrag:theirs\r\na=ice-pwd:theirs-password-of-22-characters\r\n");
            for (place, kind) in candidates {
                let place: SocketAddr = place.parse().unwrap();
                let (ip, port) = (place.ip(), place.port());
                pairs.candidate(&format!("candidate:1 1 udp 2130706431 {ip} {port} typ {kind}"));
            }
            Self { pairs, provider: default_provider().unwrap() }
        }

        fn asks(&mut self, request: &[u8], remote: &str) -> Asks {
            self.pairs.asks(request, pair(remote), self.provider.crypto())
        }

        /// What leaves nominates its pair, though the stack did not say so.
        fn nominates(&mut self, remote: &str) -> Option<Vec<u8>> {
            let request = ours(false);
            match self.asks(&request, remote) {
                Asks::Instead(instead) => {
                    let mut message = decode(&instead).unwrap();
                    assert!(message.contains(ATTR_USE_CANDIDATE) && message.contains(ATTR_ICE_CONTROLLING));
                    assert_eq!(message.transaction_id, transaction(&request));
                    let password = secret("theirs").pwd;
                    MessageIntegrity::check(&mut message, password.as_bytes(), self.provider.crypto()).unwrap();
                    Some(instead)
                }
                Asks::AsItIs => None,
                Asks::Answered(_) => panic!("nothing was agreed on"),
            }
        }

        fn answered(&mut self, to: &[u8], remote: &str) -> Option<Given> {
            let answer = answer(transaction(to), &secret("theirs"), self.provider.crypto()).unwrap();
            self.pairs.answered(&answer, pair(remote), self.provider.crypto())
        }

        fn hears(&mut self, request: &[u8]) {
            self.pairs.hears(request, pair(THERE));
        }
    }

    #[test]
    fn the_first_direct_pair_is_nominated_with_its_first_check_and_no_other() {
        let mut case = Case::new(&[(ELSEWHERE, "srflx"), (THERE, "host"), ("10.0.0.4:5000", "host")]);
        assert!(case.nominates(THERE).is_none(), "nothing was heard there");
        for there in [ELSEWHERE, THERE, "10.0.0.4:5000", "10.0.0.9:5000"] {
            case.pairs.hears(&theirs(), pair(there));
        }
        assert!(case.nominates(ELSEWHERE).is_none());
        assert!(case.nominates(THERE).is_some());
        assert!(case.nominates("10.0.0.4:5000").is_none());
        assert!(case.nominates("10.0.0.9:5000").is_none(), "an address that nobody told");
        let last = case.nominates(THERE).expect("until it is answered");
        case.answered(&last, THERE);
        assert!(case.nominates(THERE).is_none());
    }

    #[test]
    fn what_the_stack_says_second_is_answered_once_the_first_was() {
        let mut case = Case::new(&[(THERE, "host")]);
        case.hears(&theirs());
        let first = case.nominates(THERE).unwrap();
        assert!(matches!(case.asks(&ours(true), THERE), Asks::AsItIs));
        let forged = answer(transaction(&first), &secret("another"), case.provider.crypto()).unwrap();
        assert!(case.pairs.answered(&forged, pair(THERE), case.provider.crypto()).is_none());
        assert!(matches!(case.asks(&ours(true), THERE), Asks::AsItIs));
        case.answered(&first, THERE);
        let second = ours(true);
        let Asks::Answered(answer) = case.asks(&second, THERE) else { panic!("it is agreed on") };
        let mut answer = decode(&answer).unwrap();
        assert_eq!(answer.transaction_id, transaction(&second));
        let password = secret("theirs").pwd;
        MessageIntegrity::check(&mut answer, password.as_bytes(), case.provider.crypto()).unwrap();
        assert!(matches!(case.asks(&ours(true), ELSEWHERE), Asks::AsItIs), "on another pair it is not");
    }

    #[test]
    fn the_controlled_side_nominates_nothing_and_is_given_a_nomination_once_it_has_proven_the_pair() {
        let mut case = Case::new(&[(THERE, "host")]);
        let check = request("ours", "theirs", ATTR_ICE_CONTROLLED, false);
        assert!(matches!(case.asks(&check, THERE), Asks::AsItIs));
        case.hears(&request("theirs", "ours", ATTR_ICE_CONTROLLING, false));
        assert!(case.answered(&check, THERE).is_none(), "it would only ask again");
        let check = request("ours", "theirs", ATTR_ICE_CONTROLLED, false);
        case.asks(&check, THERE);
        let nomination = request("theirs", "ours", ATTR_ICE_CONTROLLING, true);
        case.hears(&nomination);
        let given = case.answered(&check, THERE).unwrap();
        assert_eq!(given, (pair(THERE), nomination));
        assert!(case.answered(&check, THERE).is_none(), "once");
    }

    #[test]
    fn the_controlling_side_is_asked_again_when_it_has_proven_the_pair() {
        let mut case = Case::new(&[(THERE, "host")]);
        let theirs = theirs();
        case.hears(&theirs);
        let check = case.nominates(THERE).unwrap();
        assert!(case.answered(&check, ELSEWHERE).is_none());
        assert_eq!(case.answered(&check, THERE).unwrap().1, theirs);
    }

    #[test]
    fn what_came_too_early_is_given_once_it_is_known_whom_it_is_from() {
        let (mut pairs, there) = (Pairs::default(), pair(THERE));
        let early = request("theirs", "ours", ATTR_ICE_CONTROLLED, false);
        pairs.hears(&early, there);
        pairs.hears(&early, pair(ELSEWHERE));
        assert!(pairs.early().is_empty());
        pairs.begin("a=ice-ufrag:theirs\r\na=ice-pwd:theirs-password-of-22-characters\r\n");
        assert!(pairs.early().is_empty());
        pairs.candidate("candidate:1 1 UDP 2130706431 10.0.0.2 5000 typ host");
        assert_eq!(pairs.early(), [(there, early)]);
        assert!(pairs.early().is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_anything_may_come() {
        let mut case = Case::new(&[(THERE, "host")]);
        for port in 1..=1000 {
            let from = SocketAddr::new("10.0.0.2".parse().unwrap(), port);
            case.pairs.hears(&[0, 1, 2], (HERE.parse().unwrap(), from));
            case.asks(&ours(false), THERE);
            case.pairs.candidate(&format!("candidate:1 1 udp 1 10.0.0.2 {port} typ host"));
        }
        assert!(case.pairs.heard.len() <= MAX_HEARD && case.pairs.out.len() <= MAX_OUT);
        assert!(case.pairs.askers.len() <= MAX_HEARD);
        assert!(case.pairs.places.len() <= sdp::MAX_CANDIDATES);
        for odd in [&[][..], &[0, 1], &[0; 20], &[0xff; 700]] {
            assert!(matches!(case.asks(odd, THERE), Asks::AsItIs));
            assert!(case.pairs.answered(odd, pair(THERE), case.provider.crypto()).is_none());
            case.hears(odd);
        }
        for odd in
            ["", "candidate:", "candidate:1 1 udp 1 x.local 5 typ host", "candidate:1 1 udp 1 1.2.3.4 99999 typ host"]
        {
            case.pairs.candidate(odd);
        }
    }
}

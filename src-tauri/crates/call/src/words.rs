//! What trouble is called. A sentence says what happened, what the app does, what one can do, in that order.

use parlor_protocol::{
    Cause, PeerId, Remedy,
    ui::{Notice, Problem, Tone, Trouble},
};

/// Characters of a name that are shown.
const MAX_NAME: usize = 64;
/// Who has not told a name.
const NAMELESS: &str = "The other person";

/// A name as it may be shown: one line, no control characters, not too long.
pub(crate) fn shown_name(name: &str) -> String {
    let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ");
    name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// A cause in kebab-case.
pub(crate) fn cause_code(cause: Cause) -> &'static str {
    match cause {
        Cause::ConnectTimeout => "connect-timeout",
        Cause::Internal => "internal",
        Cause::Left | Cause::PeerLeft => "left",
        Cause::NetworkLost => "network-lost",
        Cause::NegotiationFailed => "negotiation-failed",
        Cause::NoRelay => "no-relay",
        Cause::Overloaded => "overloaded",
        Cause::PeerLost => "peer-lost",
        Cause::Replaced => "replaced",
    }
}

/// The card on a failed tile. `alone`: the room server cannot be reached either.
pub(crate) fn trouble(cause: Cause, name: &str, alone: bool) -> Trouble {
    let name = if name.is_empty() { NAMELESS } else { name };
    let (text, steps) = match cause {
        Cause::NetworkLost | Cause::PeerLost | Cause::ConnectTimeout if alone => (
            "Your network stopped answering.".to_owned(),
            vec![
                "Check that your Wi-Fi or cable is connected.".to_owned(),
                "If you use a VPN, turn it off and retry.".to_owned(),
            ],
        ),
        Cause::ConnectTimeout => (
            format!("No way through to {name} was found."),
            vec![
                "Check that your own Wi-Fi or cable is connected.".to_owned(),
                format!("Ask {name} to open the room link again."),
                "If you use a VPN, turn it off and retry.".to_owned(),
            ],
        ),
        Cause::NetworkLost => (
            format!("{} network stopped answering.", possessive(name)),
            vec![
                "Check that your own Wi-Fi or cable is connected.".to_owned(),
                format!("Ask {name} to open the room link again."),
                "If you use a VPN, turn it off and retry.".to_owned(),
            ],
        ),
        Cause::PeerLost => (
            format!("{name} lost the connection to the room."),
            vec![
                format!("Wait a moment: {name} may be on the way back."),
                format!("Ask {name} to open the room link again."),
            ],
        ),
        Cause::NegotiationFailed => (
            format!("Your Parlor and {} could not agree on how to connect.", possessive(name)),
            vec!["Retry.".to_owned(), format!("Check that you and {name} both have the newest Parlor.")],
        ),
        Cause::NoRelay => (
            "Parlor is to use a relay always, and knows of none.".to_owned(),
            vec![
                "Add a relay in the settings, under Network, and retry.".to_owned(),
                "Or turn off \u{201c}Always use a relay\u{201d} there, and retry.".to_owned(),
            ],
        ),
        Cause::Internal => (
            "Something inside Parlor stopped working.".to_owned(),
            vec!["Retry.".to_owned(), "If it happens again, close Parlor and open the room link again.".to_owned()],
        ),
        Cause::Overloaded => (
            "This computer could not keep up with the call.".to_owned(),
            vec!["Close other programs.".to_owned(), "Turn your camera off.".to_owned(), "Retry.".to_owned()],
        ),
        Cause::Left | Cause::PeerLeft => {
            (format!("{name} left the call."), vec![format!("Ask {name} to open the room link again.")])
        }
        Cause::Replaced => {
            (format!("{name} joined again from elsewhere."), vec!["Wait a moment for the new connection.".to_owned()])
        }
    };
    Trouble { title: format!("Could not connect to {name}"), text, steps }
}

/// Somebody said goodbye.
pub(crate) fn left(peer: PeerId, name: &str) -> Notice {
    let name = if name.is_empty() { NAMELESS } else { name };
    notice("peer-left", Tone::Neutral, format!("{name} left"), Some(peer))
}

/// Somebody is in the room whom we cannot understand.
pub(crate) fn unreadable(peer: PeerId) -> Notice {
    let text = "Somebody came with another room link and cannot be seen or heard. Send them your link.";
    notice("unreadable-peer", Tone::Warn, text.to_owned(), Some(peer))
}

/// Somebody speaks a newer version, or we do.
pub(crate) fn unsupported(peer: PeerId, name: &str) -> Notice {
    let name = if name.is_empty() { NAMELESS } else { name };
    let text = format!("{name} has another version of Parlor. Update both to connect.");
    notice("unsupported-version", Tone::Warn, text, Some(peer))
}

/// The room server will not have us back while the call goes on.
pub(crate) fn refused() -> Notice {
    let text = "The room server does not let you back in. Your call continues; new people cannot join.";
    notice("signaling-refused", Tone::Warn, text.to_owned(), None)
}

/// Somebody calls themselves like a person who was verified, and is another one, or has a new key.
pub(crate) fn another_key(peer: PeerId, name: &str) -> Notice {
    let text = format!("This is not the {name} you verified. Compare the words before you trust them.");
    notice("another-key", Tone::Danger, text, Some(peer))
}

/// The words of the two sides differ, or what should lead to them does not fit.
pub(crate) fn mismatch(code: &str, peer: PeerId, name: &str) -> Notice {
    let name = if name.is_empty() { NAMELESS } else { name };
    let text = format!("Somebody may sit between you and {name}. Leave, and reach them another way.");
    notice(code, Tone::Danger, text, Some(peer))
}

/// The room server has not been reached yet.
pub(crate) fn unreachable() -> Problem {
    Problem {
        code: "server-unreachable".to_owned(),
        title: "The room server cannot be reached".to_owned(),
        text: "Parlor keeps trying. Check that your Wi-Fi or cable is connected.".to_owned(),
        remedy: Remedy::Wait,
    }
}

fn notice(code: &str, tone: Tone, text: String, peer: Option<PeerId>) -> Notice {
    Notice { code: code.to_owned(), tone, text, peer }
}

fn possessive(name: &str) -> String {
    if name == NAMELESS { "The other person's".to_owned() } else { format!("{name}'s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSES: [Cause; 10] = [
        Cause::ConnectTimeout,
        Cause::Internal,
        Cause::Left,
        Cause::NetworkLost,
        Cause::NegotiationFailed,
        Cause::NoRelay,
        Cause::Overloaded,
        Cause::PeerLeft,
        Cause::PeerLost,
        Cause::Replaced,
    ];

    #[test]
    fn a_failed_tile_says_one_plain_thing_and_one_to_three_steps() {
        for cause in CAUSES {
            let card = trouble(cause, "Anna", false);
            assert_eq!(card.title, "Could not connect to Anna");
            assert!(card.text.ends_with('.') && !card.text.trim_end_matches('.').contains(['.', '!']), "{}", card.text);
            assert!((1..=3).contains(&card.steps.len()), "{cause:?}");
            for text in card.steps.iter().chain([&card.text]) {
                let lower = text.to_lowercase();
                assert!(!["error", "please", "peer", "!"].iter().any(|word| lower.contains(word)), "{text}");
            }
        }
    }

    #[test]
    fn the_words_for_a_lost_network_are_the_windows() {
        let card = trouble(Cause::NetworkLost, "Anna", false);
        assert_eq!(card.text, "Anna's network stopped answering.");
        assert_eq!(card.steps[1], "Ask Anna to open the room link again.");
    }

    #[test]
    fn when_the_server_is_gone_too_it_is_our_own_network() {
        assert_eq!(trouble(Cause::NetworkLost, "Anna", true).text, "Your network stopped answering.");
    }

    #[test]
    fn a_name_cannot_break_the_line() {
        assert_eq!(shown_name("  An\u{7}na\n\tB "), "Anna B");
        assert_eq!(shown_name(&"x".repeat(500)).chars().count(), 64);
    }
}

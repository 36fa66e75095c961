//! What people are told: devices in trouble, servers that refuse or cannot be reached.

use parlor_protocol::{
    device::DeviceKind,
    session::Remedy,
    signal::ErrorCode,
    ui::{DeviceProblem, DeviceTrouble, Problem},
};

/// A device in trouble; `own` is what it calls itself, if it was ever in use.
pub(crate) fn device(kind: DeviceKind, trouble: DeviceTrouble, own: Option<&str>) -> DeviceProblem {
    let name = name(kind);
    let without = match kind {
        DeviceKind::Camera => "You can join without one, and turn it on later.",
        DeviceKind::Microphone => "You can join and listen, and speak later.",
        DeviceKind::Speaker => "You can join and read along in the chat.",
    };
    let (title, text) = match trouble {
        DeviceTrouble::Busy => (
            format!("Another program is using your {name}"),
            format!("Close the program that uses it; Parlor takes the {name} as soon as it is free."),
        ),
        DeviceTrouble::Denied => (
            format!("Parlor may not use your {name}"),
            format!("Allow it in the system settings, under privacy, then choose the {name} again."),
        ),
        DeviceTrouble::Failed => (
            format!("Your {name} does not answer"),
            format!("Unplug it and plug it in again, or choose another {name}. Parlor keeps trying."),
        ),
        DeviceTrouble::Missing => (format!("No {name} found"), format!("Plug one in. {without}")),
        DeviceTrouble::Silent => (
            format!("Nothing comes from your {name}"),
            format!("A switch on it or the system settings may mute it: unmute it there, or choose another {name}."),
        ),
        DeviceTrouble::Unplugged => {
            let which = own.map_or_else(|| format!("Your {name}"), str::to_owned);
            (format!("{which} was unplugged"), format!("Plug it in again, or choose another {name}."))
        }
    };
    DeviceProblem { code: trouble, title, text }
}

/// The code of a device in trouble, for scripts: `camera-busy`.
pub(crate) fn device_code(kind: DeviceKind, trouble: DeviceTrouble) -> String {
    let trouble = match trouble {
        DeviceTrouble::Busy => "busy",
        DeviceTrouble::Denied => "denied",
        DeviceTrouble::Failed => "failed",
        DeviceTrouble::Missing => "missing",
        DeviceTrouble::Silent => "silent",
        DeviceTrouble::Unplugged => "unplugged",
    };
    format!("{}-{trouble}", name(kind))
}

fn name(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Camera => "camera",
        DeviceKind::Microphone => "microphone",
        DeviceKind::Speaker => "speaker",
    }
}

/// The room server refused us, and trying again does not help.
pub(crate) fn refused(code: ErrorCode) -> Problem {
    let (title, text, remedy) = match code {
        ErrorCode::BadMessage | ErrorCode::BadSignature | ErrorCode::NoSuchPeer => (
            "The room server did not understand Parlor",
            "Update Parlor, or ask whoever runs the server to update it.",
            Remedy::Rejoin,
        ),
        ErrorCode::HandshakeTimeout | ErrorCode::Idle => {
            ("The room server stopped waiting", "Your network may be slow. Try again.", Remedy::CheckNetwork)
        }
        ErrorCode::MessageTooLarge | ErrorCode::TooFast => {
            ("The room server turned messages away", "Try again in a moment.", Remedy::Rejoin)
        }
        ErrorCode::Replaced => (
            "You joined this room somewhere else",
            "This window has stepped back. Rejoin to move the call here.",
            Remedy::Rejoin,
        ),
        ErrorCode::RoomFull => ("The room is full", "Ask somebody to leave, then try again.", Remedy::Rejoin),
        ErrorCode::ServerStopping => ("The room server is restarting", "Try again in a moment.", Remedy::Rejoin),
        ErrorCode::TooManyConnections => {
            ("Too many people join from your network at once", "Wait a minute, then try again.", Remedy::Rejoin)
        }
        ErrorCode::UnsupportedVersion => {
            ("The room server needs another version of Parlor", "Update Parlor, then join again.", Remedy::None)
        }
    };
    Problem { code: kebab(code), title: title.into(), text: text.into(), remedy }
}

/// The room server cannot be reached, and is tried again.
pub(crate) fn unreachable(reason: &str, authority: &str) -> Problem {
    let (title, text) = match reason {
        "unknown-host" => {
            (format!("There is no server called {authority}"), "Check the link, or your network. Parlor keeps trying.")
        }
        "not-a-server" => (
            format!("What answers at {authority} is not a Parlor server"),
            "Check the link, or ask for a new one. Parlor keeps trying.",
        ),
        "tls-failed" => (
            format!("{authority} could not prove that it is the right server"),
            "Check the clock of this computer, or ask whoever runs the server. Parlor keeps trying.",
        ),
        _ => (
            format!("The room server at {authority} cannot be reached"),
            "It may be off, or your network may be down. Parlor keeps trying.",
        ),
    };
    Problem { code: reason.to_owned(), title, text: text.into(), remedy: Remedy::Wait }
}

/// The call ended, and not because we wanted it to.
pub(crate) fn ended(reason: &str) -> Problem {
    if reason == "wrong-key" {
        return wrong_key();
    }
    // All other reasons are the server's own codes.
    match serde_json::from_value(serde_json::Value::String(reason.to_owned())) {
        Ok(code) => refused(code),
        Err(_) => Problem {
            code: reason.to_owned(),
            title: "The call has ended".into(),
            text: "Rejoin to come back.".into(),
            remedy: Remedy::Rejoin,
        },
    }
}

/// Nobody in the room could be understood with our key.
fn wrong_key() -> Problem {
    Problem {
        code: "wrong-key".into(),
        title: "This link has the wrong key for this room".into(),
        text: "The people there cannot be read with it. Ask one of them for a new link.".into(),
        remedy: Remedy::None,
    }
}

/// A code as it is written on a wire.
pub(crate) fn kebab(code: impl serde::Serialize) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(_) | Err(_) => "unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_says_what_happened_and_what_to_do() {
        for kind in [DeviceKind::Camera, DeviceKind::Microphone, DeviceKind::Speaker] {
            for trouble in [
                DeviceTrouble::Busy,
                DeviceTrouble::Denied,
                DeviceTrouble::Failed,
                DeviceTrouble::Missing,
                DeviceTrouble::Silent,
                DeviceTrouble::Unplugged,
            ] {
                let problem = device(kind, trouble, None);
                assert!(!problem.title.ends_with('.') && problem.text.ends_with('.'), "{problem:?}");
            }
        }
    }

    #[test]
    fn a_device_that_was_in_use_is_called_by_its_name() {
        let problem = device(DeviceKind::Camera, DeviceTrouble::Unplugged, Some("Blue webcam"));
        assert_eq!(problem.title, "Blue webcam was unplugged");
        assert_eq!(device_code(DeviceKind::Camera, DeviceTrouble::Unplugged), "camera-unplugged");
    }

    #[test]
    fn codes_are_written_as_on_the_wire() {
        assert_eq!(kebab(ErrorCode::RoomFull), "room-full");
    }
}

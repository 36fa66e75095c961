//! Why a device refuses, from what its driver says.

use parlor_protocol::ui::DeviceTrouble;

/// Tells kinds of trouble apart by the words of an error. The camera library hands on nothing but words; within them stands the
/// number that the system gave. `ran`: the device worked a moment ago.
pub(super) fn trouble(words: &str, ran: bool) -> DeviceTrouble {
    let gone = if ran { DeviceTrouble::Unplugged } else { DeviceTrouble::Missing };
    match system_error(words) {
        Some(EPERM | EACCES) => DeviceTrouble::Denied,
        Some(EBUSY) => DeviceTrouble::Busy,
        Some(ENOENT | ENXIO | ENODEV) => gone,
        Some(_) => DeviceTrouble::Failed,
        None => by_words(&words.to_lowercase(), gone),
    }
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ENXIO: i32 = 6;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;

/// The number in `(os error 16)`; other systems than Unix have other numbers, and their words say enough.
fn system_error(words: &str) -> Option<i32> {
    let (_, rest) = words.rsplit_once("(os error ").filter(|_| cfg!(unix))?;
    rest.split_once(')')?.0.parse().ok()
}

fn by_words(words: &str, gone: DeviceTrouble) -> DeviceTrouble {
    let any = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    if any(&["access is denied", "permission", "not authorized", "denied"]) {
        DeviceTrouble::Denied
    } else if any(&["in use", "busy", "being used", "lock"]) {
        DeviceTrouble::Busy
    } else if any(&["not found", "no such", "disconnected", "removed", "invalidated"]) {
        gone
    } else {
        DeviceTrouble::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn numbers_tell_kinds_apart() {
        for (error, ran, expected) in [
            ("Permission denied (os error 13)", false, DeviceTrouble::Denied),
            ("Device or resource busy (os error 16)", true, DeviceTrouble::Busy),
            ("No such file or directory (os error 2)", false, DeviceTrouble::Missing),
            ("No such device (os error 19)", false, DeviceTrouble::Missing),
            ("No such device (os error 19)", true, DeviceTrouble::Unplugged),
            ("Input/output error (os error 5)", true, DeviceTrouble::Failed),
        ] {
            assert_eq!(trouble(&format!("Could not capture frame: {error}"), ran), expected, "{error}");
        }
    }

    #[test]
    fn words_tell_kinds_apart() {
        assert_eq!(trouble("Access is denied.", false), DeviceTrouble::Denied);
        assert_eq!(trouble("The device is already in use", false), DeviceTrouble::Busy);
        assert_eq!(trouble("Device not found", true), DeviceTrouble::Unplugged);
        assert_eq!(trouble("odd (os error x)", true), DeviceTrouble::Failed);
    }
}

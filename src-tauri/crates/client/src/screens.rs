//! Which screen is shown, and the link that is kept for Rejoin.

use parlor_protocol::{
    RoomLink,
    session::Remedy,
    ui::{Problem, Screen},
};

/// The way through lobby, call and end page.
#[derive(Debug)]
pub(crate) struct Screens {
    screen: Screen,
    link: Option<RoomLink>,
}

impl Screens {
    pub(crate) fn new() -> Self {
        Self { screen: lobby(None, false, None), link: None }
    }

    pub(crate) fn screen(&self) -> Screen {
        self.screen.clone()
    }

    /// The room of the call, or of the one just left.
    pub(crate) fn link(&self) -> Option<&RoomLink> {
        self.link.as_ref()
    }

    pub(crate) fn in_call(&self) -> bool {
        self.screen == Screen::Call
    }

    /// A start was asked for, and neither done nor called off.
    pub(crate) fn starting(&self) -> bool {
        matches!(self.screen, Screen::Lobby { busy: true, link: None, .. })
    }

    /// A link was opened from outside: it waits in the lobby, and never takes anybody out of a call.
    pub(crate) fn offer(&mut self, link: String) -> bool {
        if self.in_call() {
            return false;
        }
        self.screen = lobby(Some(link), false, None);
        true
    }

    /// A room is being entered.
    pub(crate) fn entering(&mut self, link: RoomLink) {
        self.screen = lobby(Some(link.to_string()), true, None);
        self.link = Some(link);
    }

    /// A start was asked for, and a server is on its way.
    pub(crate) fn busy(&mut self) {
        self.screen = lobby(None, true, None);
    }

    /// Entering has not worked yet, and is tried again.
    pub(crate) fn still_entering(&mut self, problem: Problem) {
        if let Screen::Lobby { busy: true, problem: shown, .. } = &mut self.screen {
            *shown = Some(problem);
        }
    }

    /// In the room.
    pub(crate) fn entered(&mut self) {
        self.screen = Screen::Call;
    }

    /// Entering failed, or was called off.
    pub(crate) fn refused(&mut self, given: Option<String>, problem: Option<Problem>) {
        let link = given.or_else(|| self.link.as_ref().map(ToString::to_string));
        self.screen = lobby(link, false, problem);
    }

    /// The call is over.
    pub(crate) fn ended(&mut self, title: String, text: String, seconds: u64) {
        self.screen = Screen::Ended { title, text, seconds };
    }

    /// Back to where calls begin.
    pub(crate) fn lobby(&mut self) {
        self.link = None;
        self.screen = lobby(None, false, None);
    }
}

fn lobby(link: Option<String>, busy: bool, problem: Option<Problem>) -> Screen {
    Screen::Lobby { link, busy, problem }
}

/// A problem with a link that was pasted.
pub(crate) fn link_problem(error: &parlor_protocol::LinkError) -> Problem {
    let said = error.to_string();
    let (title, text) = said.split_once(". ").unwrap_or((&said, ""));
    Problem {
        code: "bad-link".into(),
        title: title.trim_end_matches('.').to_owned(),
        text: text.to_owned(),
        remedy: Remedy::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> RoomLink {
        "parlor://example.org/studio#AAECAwQFBgcICQoLDA0ODw".parse().expect("a link")
    }

    #[test]
    fn a_link_from_outside_waits_in_the_lobby_and_does_not_end_a_call() {
        let mut screens = Screens::new();
        assert!(screens.offer("parlor://x".into()));
        assert_eq!(screens.screen(), lobby(Some("parlor://x".into()), false, None));
        screens.entering(link());
        screens.entered();
        assert!(!screens.offer("parlor://y".into()));
        assert_eq!(screens.screen(), Screen::Call);
    }

    #[test]
    fn a_start_is_over_with_the_room_or_without() {
        let mut screens = Screens::new();
        assert!(!screens.starting());
        screens.busy();
        assert!(screens.starting());
        screens.entering(link());
        assert!(!screens.starting());
        screens.busy();
        screens.offer("parlor://x".into());
        assert!(!screens.starting());
    }

    #[test]
    fn a_refused_room_leaves_its_link_in_the_lobby() {
        let mut screens = Screens::new();
        screens.entering(link());
        screens.refused(None, None);
        assert_eq!(screens.screen(), lobby(Some(link().to_string()), false, None));
    }

    #[test]
    fn the_words_about_a_bad_link_say_what_and_what_to_do() {
        let problem = link_problem(&parlor_protocol::LinkError::Host);
        assert_eq!(problem.title, "This room link names no server");
        assert_eq!(problem.text, "Ask for the whole link.");
    }
}

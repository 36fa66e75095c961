//! Into a room and out of it.

use std::sync::Arc;

use parlor_call::{Command, Refusal};
use parlor_protocol::{
    InstanceId, LinkKey, RoomLink,
    headless::HeadlessEvent,
    session::SessionState,
    ui::{Settings, Tile, Tone},
};

use super::{Owner, view::hue};
use crate::{
    Server,
    room::{Arrival, Room, RoomEvent, Setup},
    rooms, screens,
    sight::Sight,
    words,
};

impl Owner {
    pub(super) async fn open_link(&mut self, text: String) {
        self.give_up().await;
        // A link from outside is shown and waits for its person: it never joins by itself.
        match text.parse::<RoomLink>() {
            Ok(link) => {
                if !self.screens.offer(link.to_string()) {
                    self.notice("link-in-call", Tone::Neutral, "Leave this call first to open another room link.");
                }
            }
            Err(error) => {
                if !self.screens.in_call() {
                    self.screens.refused(Some(text), Some(screens::link_problem(&error)));
                }
            }
        }
    }

    /// Enters no room any more that is still being entered: the lobby is about to say something else.
    pub(super) async fn give_up(&mut self) {
        if !self.screens.in_call() {
            self.leave().await;
        }
    }

    pub(super) async fn start(&mut self, server: Server) {
        let mut key = [0; 16];
        let random = getrandom::fill(&mut key).map_err(|error| error.to_string());
        match random.and_then(|()| rooms::fresh_room()) {
            Ok(room) => {
                let link = RoomLink { authority: server.authority, room, plain: server.plain, key: LinkKey(key) };
                self.enter(link).await;
            }
            Err(message) => self.error("no-randomness", message),
        }
    }

    pub(super) async fn join(&mut self, text: &str) {
        match text.parse::<RoomLink>() {
            Ok(link) => self.enter(link).await,
            Err(error) => {
                self.give_up().await;
                self.error("bad-link", error.to_string());
                self.screens.refused(Some(text.to_owned()), Some(screens::link_problem(&error)));
            }
        }
    }

    pub(super) async fn enter(&mut self, link: RoomLink) {
        self.leave().await;
        let mut random = [0; 24];
        if let Err(error) = getrandom::fill(&mut random) {
            return self.error("no-randomness", error.to_string());
        }
        let (instance, seed) = random.split_at(16);
        self.devices.open();
        self.screens.entering(link.clone());
        self.signaling_problem = None;
        self.diagnosis.enter();
        let settings = Settings { name: self.name(), ..self.settings.clone() };
        let known = self.known.of(&link.room);
        self.room = Some(Box::new(Room::enter(Setup {
            link,
            known,
            secret: &self.secret,
            instance: InstanceId(instance.try_into().expect("16 of 24 bytes")),
            seed: u64::from_le_bytes(seed.try_into().expect("8 of 24 bytes")),
            settings: &settings,
            hue: hue(&settings.name),
            media: self.devices.sendable(self.media),
            timings: self.timings,
            bind: self.bind,
            network: self.network.clone(),
            decode: self.decode,
            sink: Arc::clone(&self.sink),
            taps: self.devices.taps(),
            clock: self.clock,
            volumes: self.volumes.clone(),
        })));
    }

    /// Leaves the room, if there is one.
    pub(super) async fn leave(&mut self) {
        let Some(room) = &mut self.room else {
            if self.screens.starting() {
                self.screens.lobby();
            }
            return;
        };
        let others = others(room);
        let goodbyes = room.command(Command::Leave);
        for event in goodbyes {
            if let RoomEvent::Call(event) = event {
                self.call_event(event);
            }
        }
        let (joined, seconds) = self.over("left").await;
        if joined {
            let name = self.screens.link().map(|link| title(link.room.as_str())).unwrap_or_default();
            self.screens.ended("You left the call".into(), after(&name, &others), seconds);
        } else {
            self.screens.refused(None, None);
        }
    }

    /// The core has ended the call: why is for the screen to say.
    pub(super) async fn ended(&mut self, reason: &str) {
        let (joined, seconds) = self.over(reason).await;
        let problem = words::ended(reason);
        if reason == "wrong-key" {
            self.error(reason, format!("{}.", problem.title));
        }
        if joined && reason != "wrong-key" {
            self.screens.ended(problem.title, problem.text, seconds);
        } else {
            self.screens.refused(None, Some(problem));
        }
    }

    /// Lets the room go. Whether we were in it, and for how many seconds.
    pub(super) async fn over(&mut self, reason: &str) -> (bool, u64) {
        let Some(room) = self.room.take() else { return (false, 0) };
        let seconds = room.since.elapsed().as_secs();
        room.close().await;
        self.sight = Sight::default();
        if !self.lobby {
            self.devices.close();
        }
        self.headless(HeadlessEvent::Left { reason: reason.into() });
        self.dirty = true;
        (self.peer.take().is_some(), seconds)
    }

    pub(super) async fn arrive(&mut self, arrival: Arrival) {
        let Some(room) = self.room.as_mut() else { return };
        let news = room.handle(arrival);
        self.news(news).await;
    }

    pub(super) async fn command(&mut self, command: Command) {
        let Some(room) = self.room.as_mut() else {
            if needs_call(&command) {
                self.refused(&Refusal::Closed);
            }
            return;
        };
        let news = room.command(command);
        self.news(news).await;
    }
}

/// Whether it means nothing without a call. What somebody is called and sends is kept for the next one, and of a call that
/// is over nothing is unread.
fn needs_call(command: &Command) -> bool {
    match command {
        Command::Chat { .. }
        | Command::Dismiss(_)
        | Command::DismissWarning(_)
        | Command::Reconnect(_)
        | Command::Renew(_)
        | Command::Retry(_)
        | Command::Unverify(_)
        | Command::Verify(_)
        | Command::WordsDiffer(_) => true,
        Command::ChatRead
        | Command::Know(_)
        | Command::Leave
        | Command::MediaFlow { .. }
        | Command::PictureSeen { .. }
        | Command::SetMedia(_)
        | Command::SetName(_)
        | Command::SetView { .. } => false,
    }
}

/// Names of the others who are reached.
fn others(room: &Room) -> Vec<String> {
    let reached = |tile: &Tile| tile.state == SessionState::Connected;
    room.peers().into_iter().filter(reached).map(|tile| tile.name).collect()
}

/// What the end page says of the room.
fn after(room: &str, others: &[String]) -> String {
    match others {
        [] => format!("{room} is empty now."),
        [one] => format!("{room} goes on with {one}."),
        [one, rest @ ..] => format!("{room} goes on with {one} and {} more.", rest.len()),
    }
}

/// A room's name as people read it: `quiet-harbour` is "Quiet harbour".
fn title(room: &str) -> String {
    let spaced = room.replace(['-', '_'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

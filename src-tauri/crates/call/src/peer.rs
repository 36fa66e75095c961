//! One other person: their tile, and the newest session to them.

use std::time::Instant;

use parlor_protocol::{
    Cause, Remedy, SessionState,
    media::{MediaState, TrackRole, View},
    peer::Hello,
    session::SessionStateEvent,
    signal::Address,
    ui,
};

use crate::{
    Timings,
    bucket::Bucket,
    flow::Flow,
    session::{Session, Status},
    tally::Tally,
    timer::{Timer, Timers},
    words::{shown_name, trouble},
};

/// One other person.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: Address,
    /// Number of the tile in frame headers.
    pub(crate) tile: u32,
    pub(crate) name: String,
    hue: u16,
    pub(crate) media: MediaState,
    /// The tracks that were announced as there.
    pub(crate) tracks: MediaState,
    /// None before they said who they are, and after it failed.
    pub(crate) session: Option<Session>,
    pub(crate) status: Status,
    /// `peer-connect` was announced, and `peer-disconnect` was not.
    pub(crate) connected: bool,
    /// Why the failed card is shown, until a session is connected again.
    pub(crate) failed: Option<Cause>,
    /// Sessions that were made by themselves since it last worked.
    pub(crate) revivals: u32,
    /// The person took the tile away: it is not shown before a session is connected.
    pub(crate) hidden: bool,
    /// When the first session was made of those that took each other's place and never had a path.
    pub(crate) begun: Option<Instant>,
    /// When the first of them was being connected.
    connecting: Option<Instant>,
    /// When a session was last made anew for another network.
    pub(crate) moved: Option<Instant>,
    pub(crate) flow: Flow,
    pub(crate) picture: bool,
    /// How large we show what it sends; unknown until somebody has looked.
    pub(crate) view: Option<View>,
    pub(crate) tally: Tally,
    pub(crate) timers: Timers,
    /// New sessions that the other side may begin.
    pub(crate) begins: Bucket,
    row: SessionState,
    row_since: Instant,
    last: Option<SessionStateEvent>,
}

/// What the rest of the call has to do with a tile's looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) start: Instant,
    pub(crate) signaling_up: bool,
}

impl Surroundings {
    /// Milliseconds since the client started.
    pub(crate) fn ms(self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Peer {
    pub(crate) fn new(address: Address, tile: u32, hello: Option<&Hello>, timings: &Timings, now: Instant) -> Self {
        let mut peer = Self {
            address,
            tile,
            name: String::new(),
            hue: 0,
            media: MediaState::default(),
            tracks: MediaState::default(),
            session: None,
            status: Status { state: SessionState::New, since: now, attempt: 0, cause: None },
            connected: false,
            failed: None,
            revivals: 0,
            hidden: false,
            begun: None,
            connecting: None,
            moved: None,
            flow: Flow::default(),
            picture: false,
            view: None,
            tally: Tally::new(now),
            timers: Timers::default(),
            begins: Bucket::new(4, timings.restart_after[0]),
            row: SessionState::New,
            row_since: now,
            last: None,
        };
        if let Some(hello) = hello {
            peer.introduce(hello);
        }
        peer
    }

    /// They said who they are. What they say of their media counts until `ctrl` tells.
    pub(crate) fn introduce(&mut self, hello: &Hello) {
        self.name = shown_name(&hello.name);
        self.hue = hello.hue % 360;
        if !self.connected {
            self.set_media(hello.media);
        }
    }

    pub(crate) fn set_media(&mut self, media: MediaState) {
        self.media = media;
        self.picture &= media.camera;
    }

    /// What was tried until now is over, one way or the other: the next session is the first.
    pub(crate) fn begin_anew(&mut self) {
        self.begun = None;
        self.connecting = None;
    }

    /// A picture of one of their tracks came.
    pub(crate) fn see(&mut self, role: TrackRole) {
        self.picture |= role == TrackRole::Camera && self.media.camera;
    }

    /// Such tracks have until then to send something.
    pub(crate) fn expect(&mut self, such: impl Fn(TrackRole) -> bool, until: Instant) {
        for role in TrackRole::ALL.into_iter().filter(|role| such(*role)) {
            self.flow.expect(role);
            self.timers.set(Timer::Stall, until);
        }
    }

    /// The session is there and connected.
    pub(crate) fn is_healthy(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_healthy)
    }

    /// The event for the state of things, if it says anything new.
    pub(crate) fn news(&mut self, around: Surroundings, now: Instant) -> Option<SessionStateEvent> {
        self.tally.state(self.status.state, now);
        let row = self.current_row();
        if row != self.row {
            self.row = row;
            self.row_since = match row {
                // Whoever waits for a connection does not care how many were tried.
                SessionState::New => self.begun.unwrap_or(now),
                SessionState::Connecting => *self.connecting.get_or_insert(now),
                SessionState::Connected | SessionState::Disconnected | SessionState::Failed | SessionState::Closed => {
                    now
                }
            };
        }
        let event = SessionStateEvent {
            peer: self.address.peer,
            state: self.status.state,
            since: around.ms(self.status.since),
            attempt: self.attempt(),
            cause: self.status.cause,
            remedy: self.remedy(around),
            frozen: self.frozen(),
        };
        let news = self.last.as_ref() != Some(&event);
        self.last = Some(event.clone());
        news.then_some(event)
    }

    /// What is shown.
    pub(crate) fn view(&self, around: Surroundings) -> ui::Tile {
        let cause = self.failed.or(self.status.cause);
        let card = self.failed.filter(|_| self.row == SessionState::Failed);
        ui::Tile {
            peer: self.address.peer,
            tile: self.tile,
            name: self.name.clone(),
            hue: self.hue,
            state: self.status.state,
            row: self.row,
            since: around.ms(self.row_since),
            attempt: self.attempt(),
            frozen: self.frozen(),
            cause,
            remedy: if card.is_some() { Remedy::Retry } else { self.remedy(around) },
            trouble: card.map(|cause| trouble(cause, &self.name, !around.signaling_up)),
            media: self.media,
            picture: self.picture,
            // The call knows.
            trust: ui::Trust::None,
        }
    }

    fn current_row(&self) -> SessionState {
        let state = self.status.state;
        match state {
            SessionState::New | SessionState::Connecting | SessionState::Closed if self.failed.is_some() => {
                SessionState::Failed
            }
            SessionState::Connecting if self.session.as_ref().is_some_and(Session::was_connected) => {
                SessionState::Disconnected
            }
            SessionState::New
            | SessionState::Connecting
            | SessionState::Connected
            | SessionState::Disconnected
            | SessionState::Failed
            | SessionState::Closed => state,
        }
    }

    /// Which attempt is under way, be it a restart or a new session.
    fn attempt(&self) -> u32 {
        let reviving = match self.status.state {
            SessionState::New | SessionState::Connecting => true,
            SessionState::Failed => self.timers.at(Timer::Revive).is_some(),
            SessionState::Connected | SessionState::Disconnected | SessionState::Closed => false,
        };
        if self.failed.is_some() && reviving { self.revivals } else { self.status.attempt }
    }

    fn remedy(&self, around: Surroundings) -> Remedy {
        match self.status.state {
            SessionState::New | SessionState::Connecting => Remedy::Wait,
            SessionState::Connected => Remedy::None,
            SessionState::Disconnected if around.signaling_up => Remedy::Wait,
            SessionState::Disconnected => Remedy::CheckNetwork,
            SessionState::Failed => Remedy::Retry,
            SessionState::Closed if self.status.cause == Some(Cause::Left) => Remedy::Rejoin,
            SessionState::Closed => Remedy::None,
        }
    }

    /// No connection to it works, and the person waits for one.
    pub(crate) fn is_sought(&self) -> bool {
        match self.status.state {
            SessionState::Connecting | SessionState::Disconnected | SessionState::Failed => !self.hidden,
            SessionState::New | SessionState::Connected | SessionState::Closed => false,
        }
    }

    fn frozen(&self) -> bool {
        self.status.state == SessionState::Connected && self.flow.is_frozen(self.tracks)
    }
}

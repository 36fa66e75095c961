//! The owner of all rooms: one task that does what connections ask, one thing after the other.

use std::{pin::pin, time::Instant};

use axum::extract::ws::Utf8Bytes;
use parlor_protocol::{
    RoomName,
    signal::{Address, ErrorCode, IceServers, LeaveReason, Member},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep_until,
};

use crate::{
    config::Config,
    outbox::Outbox,
    rooms::{Rooms, Ticket},
    stopped,
};

/// Requests that may wait. Beyond them the connections wait, and so their clients do.
const REQUESTS: usize = 1024;

/// A handle on the owner. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    requests: mpsc::Sender<Request>,
}

enum Request {
    Enter {
        room: RoomName,
        member: Member,
        ice: IceServers,
        outbox: Outbox,
        reply: oneshot::Sender<Result<Ticket, ErrorCode>>,
    },
    Gone {
        ticket: Ticket,
        reason: LeaveReason,
    },
    Relay {
        ticket: Ticket,
        to: Option<Address>,
        text: Utf8Bytes,
    },
}

impl Hub {
    /// Starts the owner. It ends when the server is to stop.
    pub(crate) fn spawn(config: &Config, stop: watch::Receiver<bool>) -> Self {
        let (requests, inbox) = mpsc::channel(REQUESTS);
        tokio::spawn(run(Rooms::new(config), inbox, stop));
        Self { requests }
    }

    /// See [`Rooms::enter`].
    pub(crate) async fn enter(
        &self,
        room: RoomName,
        member: Member,
        ice: IceServers,
        outbox: Outbox,
    ) -> Result<Ticket, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Enter { room, member, ice, outbox, reply };
        self.requests.send(request).await.map_err(|_| ErrorCode::ServerStopping)?;
        answer.await.map_err(|_| ErrorCode::ServerStopping)?
    }

    /// See [`Rooms::relay`].
    pub(crate) async fn relay(&self, ticket: Ticket, to: Option<Address>, text: Utf8Bytes) {
        self.request(Request::Relay { ticket, to, text }).await;
    }

    /// See [`Rooms::gone`].
    pub(crate) async fn gone(&self, ticket: Ticket, reason: LeaveReason) {
        self.request(Request::Gone { ticket, reason }).await;
    }

    async fn request(&self, request: Request) {
        // An owner that has ended has let everybody go: nothing is left to be done.
        let _ended = self.requests.send(request).await;
    }
}

async fn run(mut rooms: Rooms, mut inbox: mpsc::Receiver<Request>, stop: watch::Receiver<bool>) {
    let mut stop = pin!(stopped(stop));
    loop {
        let expiry = async {
            match rooms.poll_timeout() {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut stop => break,
            () = expiry => rooms.expire(Instant::now()),
            request = inbox.recv() => match request {
                Some(request) => handle(&mut rooms, request),
                None => break,
            },
        }
    }
    rooms.stop();
}

fn handle(rooms: &mut Rooms, request: Request) {
    let now = Instant::now();
    match request {
        Request::Enter { room, member, ice, outbox, reply } => {
            if let Err(Ok(ticket)) = reply.send(rooms.enter(&room, member, ice, outbox, now)) {
                // The connection broke while it waited.
                rooms.gone(&ticket, LeaveReason::Lost, now);
            }
        }
        Request::Gone { ticket, reason } => rooms.gone(&ticket, reason, now),
        Request::Relay { ticket, to, text } => rooms.relay(&ticket, to, &text, now),
    }
}

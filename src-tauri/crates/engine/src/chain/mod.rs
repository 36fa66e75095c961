//! The interceptors of a session, and what they share with it.
//!
//! Owns: what happens to RTP and RTCP between the tracks and the wire. Refuses: waiting; everything here runs inside the
//! connection's own task.

mod bind_rtx;
mod estimator;
mod feed;
mod hold;
mod nack;
mod pacer;
mod record;
mod shared;
mod tap;

pub(crate) use self::{
    bind_rtx::BindRtx,
    estimator::Estimator,
    feed::{Feed, Outgoing},
    hold::Hold,
    nack::Nack,
    pacer::Pacer,
    shared::{Shared, Stream},
    tap::Tap,
};

/// The bookkeeping that every interceptor here has in common: packets on their way in, and out.
#[derive(Default)]
pub(crate) struct Belt {
    /// On their way to the tracks.
    pub(crate) read: std::collections::VecDeque<rtc::interceptor::TaggedPacket>,
    /// On their way to the wire.
    pub(crate) write: std::collections::VecDeque<rtc::interceptor::TaggedPacket>,
}

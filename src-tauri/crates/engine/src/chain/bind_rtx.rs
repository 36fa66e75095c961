//! Counts retransmissions as what they are: packets on the wire.

use std::time::Instant;

use rtc::{
    interceptor::{Interceptor, StreamInfo, TaggedPacket},
    sansio::Protocol,
    shared::error::Error,
};

/// Tells an interceptor of a local track's retransmission stream too. The stack binds the track's own SSRC alone, so that
/// retransmissions would go out without a transport-wide number and unseen by congestion control.
pub(crate) struct BindRtx<I>(I);

impl<I: Interceptor> BindRtx<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self(inner)
    }
}

fn retransmissions(info: &StreamInfo) -> Option<StreamInfo> {
    let mut rtx = info.clone();
    rtx.ssrc = info.ssrc_rtx?;
    rtx.payload_type = info.payload_type_rtx?;
    rtx.ssrc_rtx = None;
    rtx.payload_type_rtx = None;
    Some(rtx)
}

impl<I: Interceptor> Interceptor for BindRtx<I> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.0.bind_local_stream(info);
        if let Some(rtx) = retransmissions(info) {
            self.0.bind_local_stream(&rtx);
        }
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_local_stream(info);
        if let Some(rtx) = retransmissions(info) {
            self.0.unbind_local_stream(&rtx);
        }
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_remote_stream(info);
    }
}

impl<I: Interceptor> Protocol<TaggedPacket, TaggedPacket, ()> for BindRtx<I> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.0.handle_read(packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.0.poll_read()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.0.handle_write(packet)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.0.poll_write()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.0.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn close(&mut self) -> Result<(), Error> {
        self.0.close()
    }
}

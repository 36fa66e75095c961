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

#[cfg(test)]
mod tests {
    use rtc::{
        interceptor::{
            NackResponderBuilder, Packet, RTCPFeedback, RTPHeaderExtension, Registry, Slot, TwccSenderBuilder,
        },
        rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers},
        rtp,
        shared::TransportContext,
    };

    use super::*;

    fn stream() -> StreamInfo {
        StreamInfo {
            ssrc: 1,
            ssrc_rtx: Some(2),
            payload_type: 96,
            payload_type_rtx: Some(97),
            rtp_header_extensions: vec![RTPHeaderExtension {
                uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01".to_owned(),
                id: 3,
            }],
            rtcp_feedback: vec![RTCPFeedback { typ: "nack".to_owned(), parameter: String::new() }],
            ..StreamInfo::default()
        }
    }

    fn tagged(packet: Packet) -> TaggedPacket {
        TaggedPacket { now: Instant::now(), transport: TransportContext::default(), message: packet.into() }
    }

    #[test]
    fn retransmissions_are_numbered_like_every_packet_on_the_wire() {
        let mut chain = Registry::new()
            .with(Slot::TwccSender, BindRtx::new(TwccSenderBuilder::new().build()))
            .with(Slot::NackResponder, NackResponderBuilder::new().build())
            .build();
        chain.bind_local_stream(&stream());
        let header = rtp::Header { version: 2, ssrc: 1, payload_type: 96, sequence_number: 7, ..Default::default() };
        chain.handle_write(tagged(Packet::Rtp(rtp::Packet { header, payload: vec![1].into() }))).unwrap();
        let nack = TransportLayerNack { sender_ssrc: 9, media_ssrc: 1, nacks: nack_pairs_from_sequence_numbers(&[7]) };
        chain.handle_read(tagged(Packet::Rtcp(vec![Box::new(nack)]))).unwrap();

        let mut numbers = Vec::new();
        while let Some(packet) = chain.poll_write() {
            let Packet::Rtp(rtp) = packet.message.packet else { continue };
            numbers.push((rtp.header.ssrc, rtp.header.get_extension(3).map(|number| number.to_vec())));
        }
        assert_eq!(numbers, [(1, Some(vec![0, 0])), (2, Some(vec![0, 1]))]);
    }
}

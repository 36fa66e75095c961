//! Listens to RTCP: who needs a key frame, how long a round trip takes, how much was lost.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        self,
        payload_feedbacks::{full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication},
        receiver_report::ReceiverReport,
        reception_report::ReceptionReport,
        sender_report::SenderReport,
    },
    sansio::Protocol,
    shared::error::Error,
};

use crate::chain::{Belt, Shared};

/// Sender reports whose answer may still come: a second's worth of each track, several times over.
const REMEMBERED: usize = 32;

/// Passes everything on and reads along. It sits above the pacer and below whatever makes RTCP, so that it sees our own
/// sender reports leave: the round trip then needs no comparison of clocks.
pub(crate) struct Tap {
    shared: Arc<Shared>,
    belt: Belt,
    /// Sender reports on their way: SSRC, middle 32 bits of the NTP time, when they left.
    reports: VecDeque<(u32, u32, Instant)>,
}

impl Tap {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, belt: Belt::default(), reports: VecDeque::new() }
    }

    fn received(&mut self, packet: &dyn rtcp::Packet, now: Instant) {
        let any = packet.as_any();
        if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
            self.key_frame(pli.media_ssrc);
        } else if let Some(fir) = any.downcast_ref::<FullIntraRequest>() {
            fir.fir.iter().for_each(|entry| self.key_frame(entry.ssrc));
        } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
            report.reports.iter().for_each(|block| self.reported(block, now));
        } else if let Some(report) = any.downcast_ref::<SenderReport>() {
            report.reports.iter().for_each(|block| self.reported(block, now));
        }
    }

    fn key_frame(&self, ssrc: u32) {
        if let Some(role) = self.shared.role(ssrc) {
            self.shared.want_key_frame(role);
        }
    }

    /// RFC 3550 §6.4.1: round trip = arrival - last report - delay since it.
    fn reported(&self, block: &ReceptionReport, now: Instant) {
        let Some(role) = self.shared.role(block.ssrc) else { return };
        self.shared.set_loss(role, block.fraction_lost);
        let sent = self.reports.iter().rev().find(|(ssrc, ntp, _)| {
            *ssrc == block.ssrc && *ntp == block.last_sender_report && block.last_sender_report != 0
        });
        let Some((_, _, sent)) = sent else { return };
        let held = Duration::from_secs_f64(f64::from(block.delay) / 65_536.0);
        if let Some(rtt) = now.checked_duration_since(*sent).and_then(|elapsed| elapsed.checked_sub(held)) {
            self.shared.set_rtt(rtt);
        }
    }

    fn sent(&mut self, packet: &dyn rtcp::Packet, now: Instant) {
        let Some(report) = packet.as_any().downcast_ref::<SenderReport>() else { return };
        if self.reports.len() == REMEMBERED {
            self.reports.pop_front();
        }
        #[allow(clippy::cast_possible_truncation, reason = "the middle 32 bits are what a receiver reports back")]
        self.reports.push_back((report.ssrc, (report.ntp_time >> 16) as u32, now));
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(compound) = &packet.message.packet {
            compound.iter().for_each(|rtcp| self.received(rtcp.as_ref(), packet.now));
        }
        self.belt.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.belt.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(compound) = &packet.message.packet {
            compound.iter().for_each(|rtcp| self.sent(rtcp.as_ref(), packet.now));
        } else if packet.message.has(&Attribute::Retransmission) {
            self.shared.retransmitted.fetch_add(1, Relaxed);
        }
        self.belt.write.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.belt.write.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

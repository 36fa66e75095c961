//! A call over a link, in virtual time: the estimator, the pacer and the stack's own history of packets, as in the chain,
//! and an app that follows the estimate.

mod app;
mod link;
mod receiver;
mod tests;
mod whole;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_protocol::media::TrackRole;
use rtc::{
    interceptor::{
        Attribute, AttributedPacket, BandwidthEstimator, History, Interceptor, Packet, StreamInfo, TaggedPacket,
    },
    rtp,
    sansio::Protocol,
    shared::{TransportContext, marshal::MarshalSize},
};

use self::{
    app::{App, Media},
    link::{Fate, Link, Path},
    receiver::{Receiver, Report, Return},
};
use crate::{
    chain::{Estimator, Pacer, Shared},
    inbox::Inbox,
    options::Rates,
    outbound,
};

const TICK: f64 = 0.001;

/// A packet that was put on the link.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: f64,
    bits: f64,
    fate: Fate,
}

/// How long a packet was in the pacer.
#[derive(Debug, Clone, Copy)]
struct Paced {
    sound: bool,
    waited: f64,
}

struct Call {
    zero: Instant,
    now: f64,
    shared: Arc<Shared>,
    estimator: Estimator,
    pacer: Pacer,
    history: History,
    link: Link,
    receiver: Receiver,
    app: App,
    reports: Vec<Report>,
    /// By the number of the packet: when it arrives.
    arriving: Vec<(f64, u64)>,
    packets: u64,
    sequence: u16,
    /// Of packets that wait in the pacer: when they came, by sequence number.
    entered: BTreeMap<u16, f64>,
    /// Packets of pictures that were lost, and when that will have been told.
    missed: Vec<(f64, usize)>,
    sent: Vec<Sent>,
    paced: Vec<Paced>,
    /// The estimate at each hundredth of a second.
    estimates: Vec<f64>,
}

impl Call {
    fn new(path: Path, seed: u64) -> Self {
        println!("seed {seed}");
        let rates = Rates::default();
        let shared = Arc::new(Shared::new(outbound::streams(), rates.start, Inbox::new().0));
        let estimator = Estimator::new(rates, Arc::clone(&shared));
        let mut pacer = Pacer::new(rates.start, Arc::clone(&shared));
        let camera = shared.streams()[TrackRole::Camera as usize];
        let info =
            StreamInfo { ssrc: camera.ssrc, ssrc_rtx: camera.rtx, payload_type_rtx: Some(97), ..Default::default() };
        pacer.bind_local_stream(&info);
        let back = Return { delay: path.delay, ..Return::default() };
        Self {
            zero: Instant::now(),
            now: 0.0,
            shared,
            estimator,
            pacer,
            history: History::new(),
            link: Link::new(path, seed),
            receiver: Receiver::new(back, seed + 1),
            app: App::new(seed + 2),
            reports: Vec::new(),
            arriving: Vec::new(),
            packets: 0,
            sequence: 0,
            entered: BTreeMap::new(),
            missed: Vec::new(),
            sent: Vec::new(),
            paced: Vec::new(),
            estimates: Vec::new(),
        }
    }

    /// Lets the call go on for so many seconds on a link that is like this.
    fn run(&mut self, path: Path, seconds: f64) -> &mut Self {
        self.link.change(path, self.now);
        let end = self.now + seconds;
        while self.now < end {
            self.tick();
            self.now += TICK;
        }
        self
    }

    fn tick(&mut self) {
        let now = self.at(self.now);
        self.arrivals();
        if let Some(report) = self.receiver.poll(self.now) {
            self.reports.push(report);
        }
        self.handle_reports(now);
        if self.estimator.poll_timeout().is_some_and(|due| due <= now) {
            self.estimator.handle_timeout(now);
            assert!(self.estimator.poll_timeout().is_none_or(|due| due > now), "a timer that does not advance");
        }
        while let Some(due) = self.pacer.poll_timeout().filter(|due| *due <= now) {
            self.pacer.handle_timeout(due).unwrap();
            self.leave();
        }
        self.resend(now);
        for media in self.app.poll(self.shared.media_rate() as f64, self.shared.queue().as_secs_f64(), self.now) {
            self.enter(media, now);
        }
        if self.estimates.len() as f64 * 0.01 <= self.now {
            self.estimates.push(self.estimate());
        }
    }

    fn enter(&mut self, media: Media, now: Instant) {
        let (role, bytes, timestamp) = match media {
            Media::Sound { bytes } => (TrackRole::Microphone, bytes, 0),
            Media::Picture { bytes, number } => (TrackRole::Camera, bytes, number),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.entered.insert(self.sequence, self.now);
        let ssrc = self.shared.streams()[role as usize].ssrc;
        self.write(packet(ssrc, self.sequence, timestamp, bytes, now));
    }

    /// Pictures that were lost are asked for again and sent again, as the chain does.
    fn resend(&mut self, now: Instant) {
        let due: Vec<usize> = self.missed.iter().filter(|(at, _)| *at <= self.now).map(|(_, bytes)| *bytes).collect();
        self.missed.retain(|(at, _)| *at > self.now);
        let rtx = self.shared.streams()[TrackRole::Camera as usize].rtx.unwrap();
        for bytes in due {
            let mut again = packet(rtx, 0, 0, bytes, now);
            again.message.add(Attribute::Retransmission);
            self.write(again);
        }
    }

    fn write(&mut self, packet: TaggedPacket) {
        self.pacer.handle_write(packet).unwrap();
        self.leave();
    }

    /// Puts what the pacer let go on the link.
    fn leave(&mut self) {
        while let Some(packet) = self.pacer.poll_write() {
            let Packet::Rtp(rtp) = &packet.message.packet else { continue };
            let (at, size, ssrc) = ((packet.now - self.zero).as_secs_f64(), rtp.marshal_size(), rtp.header.ssrc);
            let sequence = rtp.header.sequence_number;
            let role = self.shared.role(ssrc);
            if role.is_some()
                && let Some(entered) = self.entered.remove(&sequence)
            {
                let sound = role.is_some_and(|role| role.is_audio());
                self.paced.push(Paced { sound, waited: at - entered });
            }
            let number = self.packets;
            self.packets += 1;
            #[allow(clippy::cast_possible_truncation, reason = "the number on the wire")]
            self.history.add_outgoing(ssrc, sequence, true, number as u16, size, packet.now);
            let bits = size as f64 * 8.0;
            let fate = self.link.send(bits, at);
            match fate {
                Fate::Arrives { at, .. } => self.arriving.push((at, number)),
                Fate::Lost | Fate::Overflowed if role == Some(TrackRole::Camera) => {
                    let told = at + 2.0 * self.link.path.delay + 0.03;
                    self.missed.push((told, size));
                }
                Fate::Lost | Fate::Overflowed => {}
            }
            self.sent.push(Sent { at, bits: Link::bits(bits), fate });
        }
    }

    fn arrivals(&mut self) {
        let now = self.now;
        self.arriving.sort_by(|one, other| one.0.total_cmp(&other.0));
        let here = self.arriving.partition_point(|(at, _)| *at <= now);
        for (at, number) in self.arriving.drain(..here) {
            self.receiver.arrive(number, at);
        }
    }

    fn handle_reports(&mut self, now: Instant) {
        let (here, later) = std::mem::take(&mut self.reports).into_iter().partition(|(at, _)| *at <= self.now);
        self.reports = later;
        let here: Vec<Report> = here;
        for (_, report) in here {
            for acknowledgement in report {
                self.history.on_twcc_feedback(now, acknowledgement);
            }
            let reports = self.history.take_reports();
            self.estimator.on_reports(now, &reports);
        }
        self.history.prune_before(now.checked_sub(Duration::from_secs(2)).unwrap_or(now));
    }

    fn at(&self, seconds: f64) -> Instant {
        self.zero + Duration::from_secs_f64(seconds)
    }

    fn estimate(&self) -> f64 {
        self.shared.estimate() as f64
    }

    fn between(&self, from: f64, to: f64) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.at >= from && sent.at < to)
    }

    /// Bits per second that came through the link of what was sent within these seconds.
    fn delivered(&self, from: f64, to: f64) -> f64 {
        let through = self.between(from, to).filter(|sent| matches!(sent.fate, Fate::Arrives { .. }));
        through.map(|sent| sent.bits).sum::<f64>() / (to - from)
    }

    /// Part that found no room.
    fn overflowed(&self, from: f64, to: f64) -> f64 {
        let lost = self.between(from, to).filter(|sent| sent.fate == Fate::Overflowed).count();
        lost as f64 / self.between(from, to).count().max(1) as f64
    }

    /// How long 95 % of the packets waited at most.
    fn queued(&self, from: f64, to: f64) -> f64 {
        let mut waits: Vec<f64> = self
            .between(from, to)
            .filter_map(|sent| match sent.fate {
                Fate::Arrives { waited, .. } => Some(waited),
                Fate::Lost | Fate::Overflowed => None,
            })
            .collect();
        percentile(&mut waits, 0.95)
    }

    /// The mean estimate.
    fn mean(&self, from: f64, to: f64) -> f64 {
        let part = &self.estimates[(from * 100.0) as usize..((to * 100.0) as usize).min(self.estimates.len())];
        part.iter().sum::<f64>() / part.len() as f64
    }

    /// How many seconds after a moment the link first carries this bitrate over half a second.
    fn reaches(&self, rate: f64, from: f64, to: f64) -> f64 {
        let steps = ((to - from) / 0.05) as usize;
        let moments = (1..=steps).map(|step| from + step as f64 * 0.05);
        let reached = moments.into_iter().find(|at| self.delivered(*at - 0.5, *at) >= rate);
        reached.map_or(f64::INFINITY, |at| at - from)
    }
}

fn packet(ssrc: u32, sequence: u16, timestamp: u32, bytes: usize, now: Instant) -> TaggedPacket {
    let header = rtp::Header { version: 2, ssrc, sequence_number: sequence, timestamp, ..Default::default() };
    let rtp = rtp::Packet { header, payload: vec![0; bytes].into() };
    TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(Packet::Rtp(rtp)) }
}

fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * part) as usize).copied().unwrap_or_default()
}

//! Pictures from their encoder to the screen, in virtual time: both sides' whole chains as a connection has them, the gate and
//! the packetizer before, the assembler, the playout and the count of freezes behind.

mod encoder;
mod tests;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_media::video::{Assembled, Assembler, Freezes, Playout, Vp8Packetizer};
use parlor_protocol::media::{RtpReceived, TrackRole};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rtc::{
    interceptor::{AttributedPacket, Interceptor, Packet, RTCPFeedback, RTPHeaderExtension, StreamInfo, TaggedPacket},
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp,
    shared::{TransportContext, marshal::MarshalSize},
};

use tokio::sync::watch;

use self::encoder::Encoder;
use super::link::{Fate, Link, Path};
use crate::{
    chain::Shared,
    connection,
    gate::{Gate, Verdict},
    inbox::{Inbox, Notice, Notices},
    options::SessionOptions,
    outbound,
};

const TICK: f64 = 0.001;
const PICTURE: f64 = 1.0 / 30.0;
const SOUND: f64 = 0.02;
const SOUND_BYTES: usize = 83;
/// Pictures are not encoded while the pacer needs longer than this.
const ROOM: Duration = Duration::from_millis(75);

/// One side of the connection.
struct Side {
    shared: Arc<Shared>,
    notices: Notices,
    chain: Box<dyn Interceptor>,
    _pausing: watch::Sender<bool>,
}

impl Side {
    fn new() -> Self {
        let options = SessionOptions::default();
        let (inbox, notices, _) = Inbox::new();
        let shared = Arc::new(Shared::new(outbound::streams(), options.rates.start, inbox));
        let (pausing, paused) = watch::channel(false);
        let chain = Box::new(connection::chain(&options, &shared, paused).build());
        Self { shared, notices, chain, _pausing: pausing }
    }

    fn turn(&mut self, now: Instant) {
        if self.chain.poll_timeout().is_some_and(|due| due <= now) {
            self.chain.handle_timeout(now).unwrap();
        }
    }
}

/// What was seen from one moment to another.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    pictures: u32,
    freezes: u32,
    frozen: f64,
    /// Bits that came through the link.
    bits: f64,
    /// Key frames, and why: pictures that the gate refused, and wishes of the viewer's.
    keys: u32,
    refused: u32,
    asked: u32,
}

struct Call {
    zero: Instant,
    now: f64,
    sender: Side,
    viewer: Side,
    link: Link,
    random: StdRng,
    /// Part of the reports and requests that is lost.
    back_loss: f64,
    forth: Vec<(f64, TaggedPacket)>,
    back: VecDeque<(f64, TaggedPacket)>,
    encoder: Encoder,
    gate: Gate,
    packetizer: Vp8Packetizer,
    sequences: [u16; 4],
    next_picture: f64,
    next_sound: f64,
    assembler: Assembler,
    playout: Playout,
    freezes: Freezes,
    seen: Seen,
    /// When packets came through, and their bits; how long each waited.
    through: Vec<(f64, f64, f64)>,
    sent: u32,
    dropped: u32,
}

impl Call {
    fn new(path: Path, seed: u64) -> Self {
        let (mut sender, mut viewer) = (Side::new(), Side::new());
        for role in [TrackRole::Microphone, TrackRole::Camera] {
            let info = stream(&sender.shared, role);
            sender.chain.bind_local_stream(&info);
            viewer.chain.bind_remote_stream(&info);
        }
        Self {
            zero: Instant::now(),
            now: 0.0,
            sender,
            viewer,
            link: Link::new(path, seed),
            random: StdRng::seed_from_u64(seed + 1),
            back_loss: 0.0,
            forth: Vec::new(),
            back: VecDeque::new(),
            encoder: Encoder::new(seed + 2),
            gate: Gate::new(),
            packetizer: Vp8Packetizer::new(),
            sequences: [0; 4],
            next_picture: 0.1,
            next_sound: 0.0,
            assembler: Assembler::new(),
            playout: Playout::new(),
            freezes: Freezes::default(),
            seen: Seen::default(),
            through: Vec::new(),
            sent: 0,
            dropped: 0,
        }
    }

    /// Lets the call go on for so many seconds on a link that is like this, and says what was seen meanwhile.
    fn run(&mut self, path: Path, seconds: f64) -> Seen {
        self.link.change(path, self.now);
        self.seen = Seen::default();
        let (keys, end) = (self.encoder.keys, self.now + seconds);
        while self.now < end {
            self.tick();
            self.now += TICK;
        }
        Seen { keys: self.encoder.keys - keys, ..self.seen }
    }

    fn tick(&mut self) {
        let now = self.at(self.now);
        self.arrivals(now);
        self.sender.turn(now);
        self.viewer.turn(now);
        self.media(now);
        self.leave();
        self.look(now);
        self.answer();
    }

    fn arrivals(&mut self, now: Instant) {
        self.forth.sort_by(|one, other| one.0.total_cmp(&other.0));
        let here = self.forth.partition_point(|(at, _)| *at <= self.now);
        for (_, packet) in self.forth.drain(..here) {
            self.viewer.chain.handle_read(TaggedPacket { now, ..packet }).unwrap();
        }
        while self.back.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, packet)) = self.back.pop_front() else { break };
            self.sender.chain.handle_read(TaggedPacket { now, ..packet }).unwrap();
        }
        while self.sender.chain.poll_read().is_some() {}
    }

    fn media(&mut self, now: Instant) {
        while let Some(notice) = self.sender.notices.try_next() {
            if let Notice::KeyFrame(TrackRole::Camera) = notice {
                self.encoder.want_key(self.sender.shared.rtt(), now);
            }
        }
        if self.now >= self.next_sound {
            self.next_sound += SOUND;
            let timestamp = u32::from(self.sequences[TrackRole::Microphone as usize]) * 960;
            self.write(TrackRole::Microphone, timestamp, true, vec![0; SOUND_BYTES].into(), now);
        }
        if self.now >= self.next_picture {
            self.next_picture += PICTURE;
            self.picture(now);
        }
    }

    fn picture(&mut self, now: Instant) {
        if self.sender.shared.queue() > ROOM {
            return;
        }
        let Some(frame) = self.encoder.picture(self.sender.shared.media_rate(), now) else { return };
        for (n, packet) in self.packetizer.packetize(&frame).into_iter().enumerate() {
            match self.gate.judge(&packet, self.sender.shared.queue(), true) {
                Verdict::Pass => self.write(TrackRole::Camera, packet.timestamp, packet.marker, packet.payload, now),
                verdict if n == 0 => {
                    self.packetizer.take_back();
                    self.seen.refused += u32::from(frame.temporal == 0);
                    if verdict == Verdict::Ask {
                        self.encoder.want_key(Duration::ZERO, now);
                    }
                    return;
                }
                Verdict::Drop | Verdict::Ask => {}
            }
        }
    }

    fn write(&mut self, role: TrackRole, timestamp: u32, marker: bool, payload: bytes::Bytes, now: Instant) {
        let stream = stream(&self.sender.shared, role);
        let sequence = &mut self.sequences[role as usize];
        *sequence = sequence.wrapping_add(1);
        let header = rtp::Header {
            version: 2,
            marker,
            payload_type: stream.payload_type,
            sequence_number: *sequence,
            timestamp,
            ssrc: stream.ssrc,
            ..Default::default()
        };
        self.sender.chain.handle_write(tagged(Packet::Rtp(rtp::Packet { header, payload }), now)).unwrap();
        self.leave();
    }

    /// Puts what the sender lets go on the link.
    fn leave(&mut self) {
        while let Some(packet) = self.sender.chain.poll_write() {
            let now = packet.now;
            let packet = tagged(packet.message.packet, now);
            let Packet::Rtp(rtp) = &packet.message.packet else {
                self.forth.push((self.now + self.link.path.delay, packet));
                continue;
            };
            #[allow(clippy::cast_precision_loss, reason = "a packet's bits")]
            let bits = rtp.marshal_size() as f64 * 8.0;
            self.sent += 1;
            match self.link.send(bits, self.now) {
                Fate::Arrives { at, waited } => {
                    self.through.push((self.now, Link::bits(bits), waited));
                    self.seen.bits += Link::bits(bits);
                    self.forth.push((at, packet));
                }
                Fate::Lost => {}
                Fate::Overflowed => self.dropped += 1,
            }
        }
    }

    /// The viewer looks at what came.
    fn look(&mut self, now: Instant) {
        let camera = stream(&self.sender.shared, TrackRole::Camera);
        while let Some(packet) = self.viewer.chain.poll_read() {
            let Packet::Rtp(rtp) = packet.message.packet else { continue };
            let (sequence, payload) = if rtp.header.ssrc == camera.ssrc {
                (rtp.header.sequence_number, rtp.payload)
            } else if Some(rtp.header.ssrc) == camera.ssrc_rtx {
                (u16::from_be_bytes([rtp.payload[0], rtp.payload[1]]), rtp.payload.slice(2..))
            } else {
                continue;
            };
            let (timestamp, marker) = (rtp.header.timestamp, rtp.header.marker);
            self.assembler.push(RtpReceived { sequence, timestamp, marker, payload }, now);
            self.assemble(now);
        }
        self.assemble(now);
        while self.playout.poll(now).is_some() {
            self.seen.pictures += 1;
            if let Some(frozen) = self.freezes.shown(now) {
                self.seen.freezes += 1;
                println!("frozen for {frozen:?} until {:.2} s", self.now);
                self.seen.frozen += frozen.as_secs_f64();
            }
        }
    }

    fn assemble(&mut self, now: Instant) {
        let rtt = Duration::from_secs_f64(self.link.path.delay * 2.0);
        self.viewer.shared.set_rtt(rtt);
        self.assembler.set_rtt(rtt);
        self.assembler.set_delay(self.playout.delay());
        while let Some(assembled) = self.assembler.poll(now) {
            match assembled {
                Assembled::Frame(frame) => self.playout.push(frame, now),
                Assembled::KeyFrameNeeded => {
                    self.seen.asked += 1;
                    let media_ssrc = stream(&self.sender.shared, TrackRole::Camera).ssrc;
                    let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc };
                    self.viewer.chain.handle_write(tagged(Packet::Rtcp(vec![Box::new(pli)]), now)).unwrap();
                }
            }
        }
    }

    /// Puts what the viewer says on its way.
    fn answer(&mut self) {
        while let Some(packet) = self.viewer.chain.poll_write() {
            let packet = tagged(packet.message.packet, packet.now);
            if self.random.random::<f64>() >= self.back_loss {
                self.back.push_back((self.now + self.link.path.delay, packet));
            }
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.zero + Duration::from_secs_f64(seconds)
    }

    /// Bits a second that came through the link.
    fn rate(&self, from: f64, to: f64) -> f64 {
        let through = self.through.iter().filter(|(at, ..)| (from..to).contains(at));
        through.map(|(_, bits, _)| bits).sum::<f64>() / (to - from)
    }

    /// How long nearly all packets waited for the link.
    fn queued(&self, from: f64, to: f64) -> f64 {
        let through = self.through.iter().filter(|(at, ..)| (from..to).contains(at));
        super::percentile(&mut through.map(|(.., waited)| *waited).collect::<Vec<_>>(), 0.95)
    }

    /// How many seconds after a moment so much comes through within a second.
    fn reaches(&self, rate: f64, from: f64, to: f64) -> f64 {
        let mut at = from;
        while at < to && self.rate(at - 1.0, at) < rate {
            at += 0.1;
        }
        if at < to { at - from } else { f64::INFINITY }
    }
}

fn tagged(packet: Packet, now: Instant) -> TaggedPacket {
    TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(packet) }
}

/// As it is negotiated.
fn stream(shared: &Shared, role: TrackRole) -> StreamInfo {
    let stream = shared.streams()[role as usize];
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    let picture = !role.is_audio();
    StreamInfo {
        ssrc: stream.ssrc,
        ssrc_rtx: stream.rtx,
        payload_type: if picture { 96 } else { 111 },
        payload_type_rtx: picture.then_some(97),
        rtp_header_extensions: vec![RTPHeaderExtension {
            uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01".to_owned(),
            id: 3,
        }],
        clock_rate: if picture { 90_000 } else { 48_000 },
        rtcp_feedback: if picture {
            vec![feedback("nack", ""), feedback("nack", "pli"), feedback("transport-cc", "")]
        } else {
            vec![feedback("transport-cc", "")]
        },
        ..StreamInfo::default()
    }
}

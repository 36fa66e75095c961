//! From the devices to one session: each sound packet, and each picture of the rendition that is right for its path.

mod clock;
mod switch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parlor_engine::{RtpSender, Session};
use parlor_media::{
    audio::Microphone,
    video::{Choice, EncodedFrame, Ladder, Subscription, Vp8Packetizer},
};
use parlor_protocol::media::{RtpPayload, TrackRole};
use tokio::{
    sync::{
        Notify,
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    task::JoinHandle,
};

use self::{
    clock::{PictureClock, Rebase},
    switch::Switch,
};
use crate::devices::Taps;

/// The two tasks that feed a session; they end with it.
pub(crate) struct Sending {
    tasks: [JoinHandle<()>; 2],
    choice: watch::Sender<Option<Choice>>,
    wishes: Arc<Wishes>,
}

#[derive(Default)]
struct Wishes {
    /// A key frame is wanted.
    key: Notify,
    /// The round trip, in microseconds.
    rtt_us: AtomicU64,
}

impl Sending {
    /// Sound flows at once, pictures once it is [chosen](Self::choose) which.
    /// `narrower` is notified when the path carries less, without waiting for the session to say so.
    pub(crate) fn spawn(session: &Session, taps: &Taps, narrower: Arc<Notify>) -> Self {
        let (choice, choices) = watch::channel(None);
        let wishes = Arc::new(Wishes::default());
        // Sound has a task of its own, so that it never stands behind a large picture.
        let sound = tokio::spawn(sound(session.sender(), taps.microphone.clone()));
        let lane = Lane::new(session.sender(), Arc::clone(&wishes), narrower);
        let pictures = tokio::spawn(pictures(lane, taps.ladder.clone(), choices));
        Self { tasks: [sound, pictures], choice, wishes }
    }

    /// Which pictures of the camera to send from now on; none where nobody looks.
    pub(crate) fn choose(&self, choice: Option<Choice>) {
        self.choice.send_if_modified(|old| std::mem::replace(old, choice) != choice);
    }

    /// Sends a key frame soon, unless one has just been sent that the wish cannot know of.
    pub(crate) fn request_key(&self) {
        self.wishes.key.notify_one();
    }

    /// The session's round trip.
    pub(crate) fn set_rtt(&self, rtt: Duration) {
        self.wishes.rtt_us.store(u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn sound(session: RtpSender, mut source: watch::Receiver<Option<Arc<Microphone>>>) {
    let mut clock = Rebase::default();
    loop {
        let current = source.borrow_and_update().clone();
        let mut packets = current.as_ref().map(|microphone| microphone.subscribe());
        clock.restart();
        loop {
            let packet = tokio::select! {
                changed = source.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                packet = next(&mut packets) => packet,
            };
            // Sound that was missed is gone: what comes now matters more.
            let Some(packet) = packet else { continue };
            let timestamp = clock.map(packet.timestamp, SOUND_STEP);
            let payload = RtpPayload { timestamp, marker: packet.marker, payload: packet.payload };
            session.send_rtp(TrackRole::Microphone, payload);
        }
    }
}

/// The next of a source's packets; `None` when some were missed. Waits for ever where there is no source.
async fn next<T: Clone>(source: &mut Option<Receiver<T>>) -> Option<T> {
    if let Some(receiver) = source {
        match receiver.recv().await {
            Ok(packet) => return Some(packet),
            Err(RecvError::Lagged(_)) => return None,
            Err(RecvError::Closed) => *source = None,
        }
    }
    std::future::pending().await
}

async fn pictures(
    mut lane: Lane,
    mut source: watch::Receiver<Option<Arc<Ladder>>>,
    mut choices: watch::Receiver<Option<Choice>>,
) {
    let wishes = Arc::clone(&lane.wishes);
    loop {
        let ladder = source.borrow_and_update().clone();
        let mut taps: [Option<Tap>; 2] = [None, None];
        lane.switch = Switch::default();
        loop {
            let rungs = ladder.as_ref().map_or(0, |ladder| ladder.renditions().len());
            lane.switch.order(choices.borrow_and_update().filter(|choice| choice.rung < rungs));
            follow(&mut taps, ladder.as_deref(), &lane);
            tokio::select! {
                changed = source.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                changed = choices.changed() => if changed.is_err() {
                    return;
                },
                () = wishes.key.notified() => if lane.wants_key(Instant::now()) {
                    request_key(ladder.as_deref(), lane.switch.current());
                },
                (rung, frame) = frame(&mut taps) => match frame {
                    Some(frame) => lane.send(rung, &frame, Instant::now()),
                    None => {
                        lane.switch.missed(rung);
                        request_key(ladder.as_deref(), Some(rung));
                    }
                },
            }
        }
    }
}

fn request_key(ladder: Option<&Ladder>, rung: Option<usize>) {
    if let Some(rendition) = ladder.zip(rung).and_then(|(ladder, rung)| ladder.renditions().get(rung)) {
        rendition.request_key();
    }
}

/// A rendition that is listened to.
struct Tap {
    rung: usize,
    frames: Subscription,
}

/// Listens to the renditions that the switch wants, and to no others: without takers an encoder stops.
fn follow(taps: &mut [Option<Tap>; 2], ladder: Option<&Ladder>, lane: &Lane) {
    let wanted = [lane.switch.current(), lane.switch.coming()];
    for tap in taps.iter_mut() {
        tap.take_if(|tap| !wanted.contains(&Some(tap.rung)));
    }
    for rung in wanted.into_iter().flatten() {
        let known = taps.iter().flatten().any(|tap| tap.rung == rung);
        let rendition = ladder.and_then(|ladder| ladder.renditions().get(rung)).filter(|_| !known);
        if let Some(rendition) = rendition
            && let Some(free) = taps.iter_mut().find(|tap| tap.is_none())
        {
            let session = lane.session.clone();
            *free = Some(Tap { rung, frames: rendition.subscribe(move || session.pace().queue <= ROOM) });
        }
    }
}

/// The next frame of any rendition that is listened to; `None` when some were missed.
async fn frame([first, second]: &mut [Option<Tap>; 2]) -> (usize, Option<Arc<EncodedFrame>>) {
    tokio::select! {
        frame = tapped(first) => frame,
        frame = tapped(second) => frame,
    }
}

async fn tapped(tap: &mut Option<Tap>) -> (usize, Option<Arc<EncodedFrame>>) {
    if let Some(Tap { rung, frames }) = tap {
        match frames.next().await {
            Ok(frame) => return (*rung, Some(frame)),
            Err(RecvError::Lagged(_)) => return (*rung, None),
            // Its ladder is gone: another one is on its way.
            Err(RecvError::Closed) => {}
        }
    }
    std::future::pending().await
}

/// The camera's track of one session. Whatever renditions its frames come from, its numbers and times go on without a gap.
struct Lane {
    session: RtpSender,
    wishes: Arc<Wishes>,
    switch: Switch,
    packetizer: Vp8Packetizer,
    clock: PictureClock,
    narrower: Arc<Notify>,
    /// The path's estimate that was told of, or a higher one since.
    estimate: u64,
    /// When a key frame was sent of which nothing has been refused since.
    key_sent: Option<Instant>,
}

impl Lane {
    fn new(session: RtpSender, wishes: Arc<Wishes>, narrower: Arc<Notify>) -> Self {
        Self {
            estimate: session.pace().estimate,
            session,
            wishes,
            switch: Switch::default(),
            packetizer: Vp8Packetizer::new(),
            clock: PictureClock::new(),
            narrower,
            key_sent: None,
        }
    }

    fn send(&mut self, rung: usize, frame: &EncodedFrame, now: Instant) {
        if !self.switch.takes(rung, frame.key, frame.temporal) {
            return;
        }
        self.watch();
        let timestamp = self.clock.map(frame.captured);
        for (at, packet) in self.packetizer.packetize(frame).into_iter().enumerate() {
            let sent = self.session.send_rtp(TrackRole::Camera, RtpPayload { timestamp, ..packet });
            if at == 0 && !sent {
                self.packetizer.take_back();
                self.key_sent = self.key_sent.filter(|_| frame.temporal > 0);
                return;
            }
        }
        if frame.key {
            self.key_sent = Some(now);
        }
    }

    /// Tells of a path that got narrower before the next picture is encoded.
    fn watch(&mut self) {
        let estimate = self.session.pace().estimate;
        if estimate * 100 < self.estimate * NARROWER {
            self.narrower.notify_one();
            self.estimate = estimate;
        }
        self.estimate = self.estimate.max(estimate);
    }

    /// Whether a wish for a key frame is about what was sent so far: one that comes less than a round trip after a key frame
    /// was made before that arrived.
    fn wants_key(&self, now: Instant) -> bool {
        let rtt = Duration::from_micros(self.wishes.rtt_us.load(Ordering::Relaxed)).min(LONGEST_RTT);
        self.key_sent.is_none_or(|sent| now.saturating_duration_since(sent) >= rtt)
    }
}

/// How long pictures may wait to leave before no more are encoded. The session throws them away above 100 ms.
const ROOM: Duration = Duration::from_millis(75);
/// What is left of a path, in percent, that is worth an encoder's hurry.
const NARROWER: u64 = 95;
/// A round trip that was longer was a pause of one of the two, and says nothing of how old a wish is.
const LONGEST_RTT: Duration = Duration::from_millis(500);
/// 20 ms at 48 kHz.
const SOUND_STEP: u32 = 960;

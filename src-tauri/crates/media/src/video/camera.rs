//! A camera in use: a source on a thread of its own, watched by another.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self as blocking, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parlor_protocol::{
    device::{CameraSpec, VideoFormat},
    ui::DeviceTrouble,
};
use tokio::sync::{mpsc, watch};

use super::{
    CameraEvent, Picture,
    event::{Fault, Reporter},
    source,
};

/// When to call a camera stalled that delivered before.
const STALLED: Duration = Duration::from_secs(2);
/// When to call one stalled that gave nothing yet: some take seconds to open, and more to find their exposure.
const NEVER_BEGAN: Duration = Duration::from_secs(8);
/// When to try again: doubled from the first to the last. A camera that is plugged in is looked for each second.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(4);
const RETRY_GONE: Duration = Duration::from_secs(1);
/// Reports that may wait for the watcher, which does nothing but hand them on. A full queue holds the source back.
const REPORTS: usize = 4;

/// A camera that is tried again until it is dropped. Dropping it does not wait; the device closes within a frame.
#[derive(Debug)]
pub struct Camera {
    slot: Arc<watch::Sender<Option<Arc<Picture>>>>,
    damaged: Arc<AtomicU64>,
    reports: blocking::SyncSender<Report>,
}

impl Camera {
    /// Begins to open what the spec says, for pictures of at most this size and about this rate. What becomes of it is told in
    /// `events`: one event for each change. When those are not read, only the newest is kept.
    pub fn open(spec: CameraSpec, want: VideoFormat, events: mpsc::Sender<CameraEvent>) -> Self {
        let slot = Arc::new(watch::Sender::new(None));
        let damaged = Arc::new(AtomicU64::new(0));
        let (reports, inbox) = blocking::sync_channel(REPORTS);
        let camera = Self { slot: Arc::clone(&slot), damaged: Arc::clone(&damaged), reports: reports.clone() };
        if spec == CameraSpec::None {
            return camera;
        }
        let watcher = Watcher {
            spec,
            want,
            slot,
            damaged,
            reports,
            reporter: Reporter::new(events),
            run: None,
            runs: 0,
            abandoned: Vec::new(),
            pictures: 0,
            known: None,
            trouble: None,
            attempts: 0,
        };
        if let Err(error) = thread::Builder::new().name("camera".to_owned()).spawn(move || watcher.watch(&inbox)) {
            tracing::error!(%error, "no thread to watch the camera");
        }
        camera
    }

    /// The newest picture; empty before the first and during trouble. Readers that are slow miss pictures.
    pub fn latest(&self) -> watch::Receiver<Option<Arc<Picture>>> {
        self.slot.subscribe()
    }

    /// How many pictures came damaged and were skipped.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // Fails when the watcher is gone, which is just as well.
        let _gone = self.reports.send(Report::Close);
    }
}

/// What the watcher hears of a run, that is of one attempt to use the source.
enum Report {
    Close,
    Damaged { run: u64 },
    Ended { run: u64, fault: Option<Fault> },
    Picture { run: u64, picture: Picture },
    Opened { run: u64, name: String, format: VideoFormat },
}

/// The run that is in use.
struct Run {
    id: u64,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// What it is, once it is open.
    source: Option<(String, VideoFormat)>,
    delivered: bool,
    damaged: u64,
    /// When it is called stalled.
    deadline: Instant,
}

struct Watcher {
    spec: CameraSpec,
    want: VideoFormat,
    slot: Arc<watch::Sender<Option<Arc<Picture>>>>,
    damaged: Arc<AtomicU64>,
    reports: blocking::SyncSender<Report>,
    reporter: Reporter,
    run: Option<Run>,
    runs: u64,
    /// Runs that did not come back: a driver may keep a thread for ever.
    abandoned: Vec<JoinHandle<()>>,
    /// How many pictures came.
    pictures: u64,
    /// The source that was last in use.
    known: Option<(String, VideoFormat)>,
    trouble: Option<DeviceTrouble>,
    attempts: u32,
}

impl Watcher {
    fn watch(mut self, inbox: &blocking::Receiver<Report>) {
        let mut retry = Instant::now();
        loop {
            let now = Instant::now();
            let deadline = self.run.as_ref().map(|run| run.deadline);
            match deadline {
                None if now >= retry => retry = self.start(now),
                Some(deadline) if now >= deadline => retry = self.stalled(now),
                None | Some(_) => {}
            }
            self.reporter.flush();
            let wake = self.run.as_ref().map_or(retry, |run| run.deadline);
            match inbox.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(Report::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(report) => retry = self.hear(report, retry),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        if let Some(run) = &self.run {
            run.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a run; gives back when to try again should that be impossible.
    fn start(&mut self, now: Instant) -> Instant {
        self.runs += 1;
        self.abandoned.retain(|thread| !thread.is_finished());
        let (id, stop) = (self.runs, Arc::new(AtomicBool::new(false)));
        let (spec, want, reports) = (self.spec.clone(), self.want, self.reports.clone());
        let stopped = Arc::clone(&stop);
        let capture = move || {
            // Drivers' wrappers panic when a device goes at the wrong moment; the camera shall be tried again all the same.
            let result = catch_unwind(AssertUnwindSafe(|| capture(id, &spec, want, &stopped, &reports)));
            let panicked = |_| Some(Fault::new(DeviceTrouble::Failed, "the camera's driver failed"));
            let fault = result.unwrap_or_else(panicked);
            let _gone = reports.send(Report::Ended { run: id, fault });
        };
        match thread::Builder::new().name("capture".to_owned()).spawn(capture) {
            Ok(thread) => {
                let deadline = now + NEVER_BEGAN;
                self.run = Some(Run { id, stop, thread, source: None, delivered: false, damaged: 0, deadline });
                deadline
            }
            Err(error) => self.trouble(Fault::new(DeviceTrouble::Failed, error.to_string()), now),
        }
    }

    /// Handles what a run says; gives back when to try again.
    fn hear(&mut self, report: Report, retry: Instant) -> Instant {
        let now = Instant::now();
        let current = self.run.as_ref().map(|run| run.id);
        match report {
            Report::Opened { run, name, format } if Some(run) == current => {
                if let Some(run) = &mut self.run {
                    run.source = Some((name, format));
                    run.deadline = now + NEVER_BEGAN;
                }
            }
            Report::Picture { run, picture } if Some(run) == current => self.picture(picture, now),
            Report::Damaged { run } if Some(run) == current => {
                self.damaged.fetch_add(1, Ordering::Relaxed);
                self.run.iter_mut().for_each(|run| run.damaged += 1);
            }
            Report::Ended { run, fault } if Some(run) == current => {
                self.run = None;
                let fault = fault.unwrap_or_else(|| Fault::new(DeviceTrouble::Failed, "the camera ended by itself"));
                return self.trouble(fault, now);
            }
            // A run that was abandoned let go of its device: now it can be opened.
            Report::Ended { .. } if current.is_none() => return now,
            Report::Close
            | Report::Damaged { .. }
            | Report::Ended { .. }
            | Report::Opened { .. }
            | Report::Picture { .. } => {}
        }
        retry
    }

    fn picture(&mut self, picture: Picture, now: Instant) {
        let Some(run) = &mut self.run else { return };
        run.deadline = now + STALLED;
        run.damaged = 0;
        if !run.delivered {
            run.delivered = true;
            self.attempts = 0;
            let troubled = self.trouble.take().is_some();
            if self.known == run.source && troubled {
                self.reporter.report(CameraEvent::Recovered);
            } else if let Some((name, format)) = run.source.clone() {
                self.known = run.source.clone();
                self.reporter.report(CameraEvent::Started { name, format });
            }
        }
        self.pictures += 1;
        self.slot.send_replace(Some(Arc::new(Picture { number: self.pictures, ..picture })));
    }

    /// No picture came in time. The thread may hang in the driver for ever: it is left behind.
    fn stalled(&mut self, now: Instant) -> Instant {
        let Some(run) = self.run.take() else { return now };
        run.stop.store(true, Ordering::Relaxed);
        self.abandoned.push(run.thread);
        let words = match (run.damaged, run.delivered) {
            (1.., _) => "the camera gives nothing but damaged pictures",
            (0, true) => "the camera stopped giving pictures",
            (0, false) => "the camera gives no pictures",
        };
        self.trouble(Fault::new(DeviceTrouble::Failed, words), now)
    }

    /// Tells of trouble when it is news; gives back when to try again.
    fn trouble(&mut self, fault: Fault, now: Instant) -> Instant {
        let kind = match (fault.trouble, self.trouble) {
            // It is our own thread, left behind, that still holds the device.
            (DeviceTrouble::Busy, Some(before)) if self.abandoned.iter().any(|thread| !thread.is_finished()) => before,
            // What was pulled out stays so until it is back.
            (DeviceTrouble::Missing, Some(DeviceTrouble::Unplugged)) => DeviceTrouble::Unplugged,
            (kind, _) => kind,
        };
        if self.trouble != Some(kind) {
            self.trouble = Some(kind);
            self.attempts = 0;
            self.slot.send_replace(None);
            self.reporter.report(CameraEvent::Trouble { trouble: kind, detail: fault.detail });
        }
        let wait = (RETRY_FIRST * 2u32.saturating_pow(self.attempts)).min(RETRY_MOST);
        self.attempts = (self.attempts + 1).min(8);
        now + match kind {
            DeviceTrouble::Missing | DeviceTrouble::Unplugged => wait.min(RETRY_GONE),
            DeviceTrouble::Busy | DeviceTrouble::Denied | DeviceTrouble::Failed | DeviceTrouble::Silent => wait,
        }
    }
}

/// One attempt to use the source, on a thread that may never come back. Ends with a fault, or because it was told to.
fn capture(
    run: u64,
    spec: &CameraSpec,
    want: VideoFormat,
    stop: &AtomicBool,
    reports: &blocking::SyncSender<Report>,
) -> Option<Fault> {
    let mut source = match source::open(spec, want, stop) {
        Ok(source) => source,
        Err(fault) => return Some(fault),
    };
    let mut report = Report::Opened { run, name: source.name().to_owned(), format: source.format() };
    loop {
        if reports.send(report).is_err() || stop.load(Ordering::Relaxed) {
            return None;
        }
        report = match source.next() {
            Ok(Some(picture)) => Report::Picture { run, picture },
            Ok(None) => Report::Damaged { run },
            Err(fault) => return Some(fault),
        };
    }
}

#[cfg(test)]
mod tests;

//! Keeps one sound device open: opens it, watches it, follows the default, opens it again after trouble.
//!
//! It has a thread of its own because asking a sound system may hang; the threads that carry sound only see a ring.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use cpal::{Device, Host, HostId, traits::StreamTrait};
use parlor_protocol::ui::DeviceTrouble;

use super::{
    AudioEvent,
    device::{self, Direction, Found},
    dry::Dry,
    event::{Fault, Reporter},
    known,
    microphone::no_thread,
    silence::Silence,
};

/// How often a running device is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the system is asked for its default, or whether a named device is still there.
const ASK: Duration = Duration::from_secs(1);
/// A device that neither gave nor took sound for so long is dead, whatever the system says.
const DEAD: Duration = Duration::from_secs(2);
/// Waits between attempts: short at first because most troubles are (a server restarting, a device moving), then a pace that
/// costs nothing and still finds a device soon after it is plugged in.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Callbacks of so many milliseconds are asked for: a frame each. The system holds two of them.
const CALLBACK_MS: u32 = 10;
/// The same of a device that ran dry again and again: what it holds lasts twice as long.
const LONG_CALLBACK_MS: u32 = 20;

/// Makes a stream on a device and hands its ring to whoever carries the sound.
pub(crate) trait Port: Send + 'static {
    const DIRECTION: Direction;

    /// Opens the device, for callbacks of so many milliseconds if it lets us choose; the stream does not run yet.
    fn open(&mut self, device: &Device, callback_ms: u32, watch: Watch) -> Result<cpal::Stream, cpal::Error>;
}

/// What a stream's callbacks tell the keeper.
#[derive(Clone)]
pub(crate) struct Watch {
    notes: mpsc::SyncSender<Note>,
    stream: u64,
    beats: Arc<AtomicU64>,
    /// Beats with sound in them.
    sounds: Arc<AtomicU64>,
    /// How often the system's buffer ran dry, or over, as the callbacks found, and as the system said. Both may mean the same.
    dry: Arc<AtomicU64>,
    told: Arc<AtomicU64>,
}

impl Watch {
    /// Sound came or went; whether there was any sound in it. For the sound callback: waits for nothing.
    pub(crate) fn beat(&self, sound: bool) {
        self.beats.fetch_add(1, Ordering::Relaxed);
        self.sounds.fetch_add(u64::from(sound), Ordering::Relaxed);
    }

    /// The system's buffer ran dry, or over. For the sound callback: waits for nothing.
    pub(crate) fn ran_dry(&self) {
        self.dry.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the system's buffer ran dry, or over.
    fn times_dry(&self) -> u64 {
        self.dry.load(Ordering::Relaxed).max(self.told.load(Ordering::Relaxed))
    }

    /// The stream reports an error. For the error callback.
    pub(crate) fn error(&self, error: cpal::Error) {
        if device::is_fatal(&error) {
            // When full, there are errors enough in it.
            let _ = self.notes.try_send(Note::Error { stream: self.stream, error });
        } else {
            if device::is_dry(&error) {
                self.told.fetch_add(1, Ordering::Relaxed);
            }
            tracing::debug!(%error, "sound device");
        }
    }
}

enum Note {
    Error {
        stream: u64,
        error: cpal::Error,
    },
    /// Look at the stop flag.
    Stop,
}

/// A device being kept. Dropping it closes the device, without waiting for it.
pub(crate) struct Keeper {
    stop: Arc<AtomicBool>,
    notes: mpsc::SyncSender<Note>,
}

impl Keeper {
    pub(crate) fn spawn<P: Port>(port: P, wanted: Option<String>, mut reporter: Reporter) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (notes, inbox) = mpsc::sync_channel(8);
        let keeping = Keeping {
            port,
            wanted,
            reporter: reporter.clone(),
            stop: stop.clone(),
            notes: notes.clone(),
            inbox,
            host: None,
            system: None,
            stream: 0,
            trouble: None,
            ran: false,
        };
        if let Err(error) = thread::Builder::new().name("sound device".into()).spawn(move || keeping.run()) {
            reporter.report(no_thread(&error).into());
        }
        Self { stop, notes }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // When full, the keeper is about to look anyway.
        let _ = self.notes.try_send(Note::Stop);
    }
}

struct Keeping<P> {
    port: P,
    wanted: Option<String>,
    reporter: Reporter,
    stop: Arc<AtomicBool>,
    notes: mpsc::SyncSender<Note>,
    inbox: mpsc::Receiver<Note>,
    host: Option<Host>,
    /// Which sound system it was: who moved to another one while the first restarts would stay there.
    system: Option<HostId>,
    stream: u64,
    trouble: Option<DeviceTrouble>,
    ran: bool,
}

/// Why a running device is closed.
enum End {
    /// Nobody wants it any more.
    Stopped,
    /// The default is another one now.
    Moved,
    /// It runs dry again and again: callbacks are to be longer.
    Dry,
    Trouble(Fault),
}

impl<P: Port> Keeping<P> {
    fn run(mut self) {
        let mut retry = FIRST_RETRY;
        let mut moved = false;
        while !self.stopped() {
            let (found, watch, stream) = match self.open() {
                Ok(open) => open,
                Err(fault) => {
                    self.trouble(fault);
                    self.wait(retry);
                    retry = (retry * 2).min(LAST_RETRY);
                    continue;
                }
            };
            self.runs(&found.name, moved);
            let opened = Instant::now();
            // Trouble is reported before the stream is closed: with a server that hangs, closing takes as long as it hangs.
            let (wait, next) = match self.watch(&found, &watch) {
                End::Stopped => return,
                End::Moved => (false, true),
                End::Dry => {
                    self.lengthen(&found);
                    (false, false)
                }
                End::Trouble(fault) => {
                    self.trouble(fault);
                    (true, false)
                }
            };
            moved = next;
            drop(stream);
            if opened.elapsed() > DEAD {
                retry = FIRST_RETRY;
            }
            if wait {
                self.wait(retry);
                retry = (retry * 2).min(LAST_RETRY);
            }
        }
    }

    fn open(&mut self) -> Result<(Found, Watch, cpal::Stream), Fault> {
        let open = self.try_open();
        if open.is_err() {
            self.host = None;
        }
        open
    }

    fn try_open(&mut self) -> Result<(Found, Watch, cpal::Stream), Fault> {
        let host = match self.host.take() {
            Some(host) => host,
            None => self
                .system
                .map_or_else(|| Ok(cpal::default_host()), cpal::host_from_id)
                .map_err(|e| device::fault(&e))?,
        };
        self.system = Some(host.id());
        let found = device::find(self.host.insert(host), P::DIRECTION, self.wanted.as_deref())?;
        self.stream += 1;
        let watch = Watch {
            notes: self.notes.clone(),
            stream: self.stream,
            beats: Arc::default(),
            sounds: Arc::default(),
            dry: Arc::default(),
            told: Arc::default(),
        };
        let callback_ms = if known::of(P::DIRECTION, &found.id).dry { LONG_CALLBACK_MS } else { CALLBACK_MS };
        let stream =
            self.port.open(&found.device, callback_ms, watch.clone()).map_err(|error| device::fault(&error))?;
        stream.play().map_err(|error| device::fault(&error))?;
        Ok((found, watch, stream))
    }

    /// Looks at a running device until it is to be closed.
    fn watch(&mut self, found: &Found, watch: &Watch) -> End {
        let (mut beats, mut alive, mut asked) = (0, Instant::now(), Instant::now());
        let known = known::of(P::DIRECTION, &found.id);
        let (mut sounds, mut silence) = (0, Silence::new(known.pauses, Instant::now()));
        let (mut pauses, mut dry) = (known.pauses, Dry::new(Instant::now()));
        while !self.stopped() {
            if let Some(error) = self.wait(LOOK) {
                self.host = None;
                return End::Trouble(device::fault(&error));
            }
            let now = Instant::now();
            let count = watch.beats.load(Ordering::Relaxed);
            if count == beats {
                if now - alive > DEAD {
                    self.host = None;
                    return End::Trouble(Fault::new(
                        DeviceTrouble::Failed,
                        format!("{} is there but dead", found.name),
                    ));
                }
                // A device that does not beat is not asked about: the question might hang for the same reason.
                continue;
            }
            (beats, alive) = (count, now);
            if dry.look(watch.times_dry(), now) && !known.dry {
                return End::Dry;
            }
            if P::DIRECTION == Direction::Capture {
                let count = watch.sounds.load(Ordering::Relaxed);
                let sound = std::mem::replace(&mut sounds, count) != count;
                let told = silence.look(sound, now);
                if silence.pauses() != pauses {
                    pauses = silence.pauses();
                    known::learn(P::DIRECTION, &found.id, |known| known.pauses = pauses);
                }
                match told {
                    Some(true) => self.trouble(Fault::new(
                        DeviceTrouble::Silent,
                        format!("{} gives nothing but digital silence", found.name),
                    )),
                    Some(false) => self.runs(&found.name, false),
                    None => {}
                }
            }
            if now - asked > ASK {
                asked = now;
                if let Some(end) = self.ask(found) {
                    return end;
                }
            }
        }
        End::Stopped
    }

    /// Whether another device should be used: the new default, or none because ours is gone and there is no default.
    fn ask(&mut self, found: &Found) -> Option<End> {
        let host = self.host.as_ref()?;
        match (device::find(host, P::DIRECTION, self.wanted.as_deref()), &self.wanted) {
            (Ok(other), _) if other.id == found.id => None,
            (Ok(_), _) => Some(End::Moved),
            (Err(fault), Some(_)) => Some(End::Trouble(fault)),
            // Sound systems move a stream, without a word, to whatever there is when its device goes: to what the speaker plays.
            (Err(_), None) => device::find(host, P::DIRECTION, Some(&found.id)).err().map(End::Trouble),
        }
    }

    /// Waits so long, or until the stream fails or nobody wants the device any more.
    fn wait(&mut self, time: Duration) -> Option<cpal::Error> {
        let until = Instant::now() + time;
        self.reporter.flush();
        while !self.stopped() {
            match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Note::Error { stream, error }) if stream == self.stream => return Some(error),
                Ok(Note::Error { .. } | Note::Stop) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        None
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Has callbacks of this device be longer from now on.
    fn lengthen(&mut self, found: &Found) {
        known::learn(P::DIRECTION, &found.id, |known| known.dry = true);
        if self.stopped() {
            return;
        }
        let device = P::DIRECTION.noun();
        tracing::info!(device, callback_ms = LONG_CALLBACK_MS, "it ran dry again and again, and is opened anew");
        self.reporter.report(AudioEvent::RanDry { callback_ms: LONG_CALLBACK_MS });
    }

    fn runs(&mut self, name: &str, moved: bool) {
        if self.stopped() {
            return;
        }
        let name = name.to_owned();
        let event = if self.trouble.take().is_some() {
            AudioEvent::Recovered { name }
        } else if moved {
            AudioEvent::Moved { name }
        } else {
            AudioEvent::Started { name }
        };
        self.ran = true;
        self.reporter.report(event);
    }

    /// Reports trouble, unless it is the one that was reported already. What becomes of a device that nobody wants any more would
    /// be taken for what became of the next one.
    fn trouble(&mut self, fault: Fault) {
        if self.stopped() {
            return;
        }
        let trouble = match fault.trouble {
            // What was there and is not any more was pulled out.
            DeviceTrouble::Missing if self.ran => DeviceTrouble::Unplugged,
            other @ (DeviceTrouble::Busy
            | DeviceTrouble::Denied
            | DeviceTrouble::Failed
            | DeviceTrouble::Missing
            | DeviceTrouble::Silent
            | DeviceTrouble::Unplugged) => other,
        };
        if self.trouble != Some(trouble) {
            self.trouble = Some(trouble);
            self.reporter.report(Fault { trouble, ..fault }.into());
        }
    }
}

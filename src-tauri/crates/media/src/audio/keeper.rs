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
    event::{Fault, Reporter},
    microphone::no_thread,
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

/// Makes a stream on a device and hands its ring to whoever carries the sound.
pub(crate) trait Port: Send + 'static {
    const DIRECTION: Direction;

    /// Opens the device; the stream does not run yet.
    fn open(&mut self, device: &Device, watch: Watch) -> Result<cpal::Stream, cpal::Error>;
}

/// What a stream's callbacks tell the keeper.
#[derive(Clone)]
pub(crate) struct Watch {
    notes: mpsc::SyncSender<Note>,
    stream: u64,
    beats: Arc<AtomicU64>,
}

impl Watch {
    /// Sound came or went. For the sound callback: waits for nothing.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The stream reports an error. For the error callback.
    pub(crate) fn error(&self, error: cpal::Error) {
        if device::is_fatal(&error) {
            // When full, there are errors enough in it.
            let _ = self.notes.try_send(Note { stream: self.stream, error });
        } else {
            tracing::debug!(%error, "sound device");
        }
    }
}

struct Note {
    stream: u64,
    error: cpal::Error,
}

/// A device being kept. Dropping it closes the device, without waiting for it.
pub(crate) struct Keeper {
    stop: Arc<AtomicBool>,
    thread: Option<thread::Thread>,
}

impl Keeper {
    pub(crate) fn spawn<P: Port>(port: P, wanted: Option<String>, mut reporter: Reporter) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (notes, inbox) = mpsc::sync_channel(8);
        let flag = stop.clone();
        let (sender, failed) = mpsc::sync_channel::<Reporter>(1);
        let spawned = thread::Builder::new().name("sound device".into()).spawn(move || {
            let Ok(reporter) = failed.recv() else { return };
            Loop { port, wanted, reporter, stop: flag, notes, inbox, host: None, stream: 0, trouble: None, ran: false }.run();
        });
        let thread = match spawned {
            Ok(handle) => {
                // The channel has room for it.
                let _ = sender.send(reporter);
                Some(handle.thread().clone())
            }
            Err(error) => {
                reporter.report(no_thread(&error).into());
                None
            }
        };
        Self { stop, thread }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

struct Loop<P> {
    port: P,
    wanted: Option<String>,
    reporter: Reporter,
    stop: Arc<AtomicBool>,
    notes: mpsc::SyncSender<Note>,
    inbox: mpsc::Receiver<Note>,
    /// The sound system, and which one it was while it does not answer.
    host: Option<(HostId, Option<Host>)>,
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
    Trouble(Fault),
}

impl<P: Port> Loop<P> {
    fn run(mut self) {
        let mut retry = FIRST_RETRY;
        let mut moved = false;
        while !self.stopped() {
            let (found, watch, stream) = match self.open() {
                Ok(open) => open,
                Err(fault) => {
                    self.trouble(fault);
                    self.pause(retry);
                    retry = (retry * 2).min(LAST_RETRY);
                    continue;
                }
            };
            self.runs(&found.name, moved);
            let opened = Instant::now();
            let end = self.watch(&found, &watch);
            // Reported before the stream is closed: with a server that hangs, closing may take as long as it hangs.
            moved = match end {
                End::Stopped => return,
                End::Moved => true,
                End::Trouble(fault) => {
                    self.trouble(fault);
                    false
                }
            };
            drop(stream);
            if opened.elapsed() > DEAD {
                retry = FIRST_RETRY;
            } else if !moved {
                self.pause(retry);
                retry = (retry * 2).min(LAST_RETRY);
            }
        }
    }

    fn open(&mut self) -> Result<(Found, Watch, cpal::Stream), Fault> {
        let found = device::find(self.host()?, P::DIRECTION, self.wanted.as_deref());
        let found = found.inspect_err(|_| self.forget_host())?;
        self.stream += 1;
        let watch = Watch { notes: self.notes.clone(), stream: self.stream, beats: Arc::default() };
        let stream = self.port.open(&found.device, watch.clone()).and_then(|stream| stream.play().map(|()| stream));
        let stream = stream.map_err(|error| device::fault(&error)).inspect_err(|_| self.forget_host())?;
        Ok((found, watch, stream))
    }

    /// Looks at a running device until it is to be closed.
    fn watch(&mut self, found: &Found, watch: &Watch) -> End {
        let (mut beats, mut alive, mut asked) = (0, Instant::now(), Instant::now());
        loop {
            let note = self.inbox.try_recv().ok();
            if self.stopped() {
                return End::Stopped;
            }
            self.reporter.flush();
            if let Some(note) = note {
                if note.stream == watch.stream {
                    self.forget_host();
                    return End::Trouble(device::fault(&note.error));
                }
                continue;
            }
            let now = Instant::now();
            let count = watch.beats.load(Ordering::Relaxed);
            let beating = count != beats;
            if beating {
                (beats, alive) = (count, now);
            } else if now - alive > DEAD {
                return End::Trouble(Fault::new(DeviceTrouble::Failed, format!("{} is there but dead", found.name)));
            }
            // A device that does not beat is not asked about: the question might hang for the same reason.
            if beating && now - asked > ASK {
                asked = now;
                if let Some(end) = self.ask(found) {
                    return end;
                }
            }
            self.pause(LOOK);
        }
    }

    /// Whether another device should be used: the new default, or none because ours is gone.
    fn ask(&mut self, found: &Found) -> Option<End> {
        let Ok(host) = self.host() else { return None };
        match (device::find(host, P::DIRECTION, self.wanted.as_deref()), &self.wanted) {
            (Ok(other), _) if other.id == found.id => None,
            (Ok(_), _) => Some(End::Moved),
            (Err(fault), Some(_)) => Some(End::Trouble(fault)),
            // Without any default the stream knows best whether it goes on.
            (Err(_), None) => None,
        }
    }

    fn host(&mut self) -> Result<&Host, Fault> {
        let host = match self.host.take() {
            Some((_, Some(host))) => host,
            Some((id, None)) => match device::host_again(id) {
                Ok(host) => host,
                Err(fault) => {
                    self.host = Some((id, None));
                    return Err(fault);
                }
            },
            None => device::host(),
        };
        let (_, host) = self.host.insert((host.id(), None));
        todo(host)
    }

    fn forget_host(&mut self) {
        if let Some((_, host)) = &mut self.host {
            *host = None;
        }
    }

    fn runs(&mut self, name: &str, moved: bool) {
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

    /// Reports trouble, unless it is the one that was reported already.
    fn trouble(&mut self, fault: Fault) {
        let trouble = match fault.trouble {
            // What was there and is not any more was pulled out.
            DeviceTrouble::Missing if self.ran => DeviceTrouble::Unplugged,
            other => other,
        };
        if self.trouble != Some(trouble) {
            self.trouble = Some(trouble);
            self.reporter.report(Fault { trouble, ..fault }.into());
        }
    }
}

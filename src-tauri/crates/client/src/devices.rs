//! The devices in use: opened, changed and closed here; what they give is offered to every session through taps.

use std::{sync::Arc, time::Duration};

use parlor_media::{
    audio::{self, AudioEvent, Microphone, Speaker, Switches},
    video::{self, Camera, CameraEvent, Ladder},
};
use parlor_protocol::{
    device::{CameraSpec, DeviceKind, MicrophoneSpec, SpeakerSpec, VideoFormat},
    media::MediaState,
    ui::{DeviceChoice, DeviceProblem, DeviceTrouble, Devices, Picker, Settings},
};
use tokio::sync::{mpsc, watch};

use crate::{DeviceOverrides, renditions::Renditions, words};

/// Device events that may wait; devices tell of changes, not of data.
const EVENTS: usize = 64;
/// How often the lists of devices are read anew while people can see them.
const LIST_EVERY: Duration = Duration::from_secs(2);
/// What devices tell the owner task. Each opened device has a number: what an older one still says is of no use.
pub(crate) enum DeviceEvent {
    Camera(u32, CameraEvent),
    Lists(Lists),
    Microphone(u32, AudioEvent),
    Speaker(u32, AudioEvent),
}

impl DeviceEvent {
    /// What is opened again because it ran dry again and again, and the length of its callbacks from now on in milliseconds.
    pub(crate) fn ran_dry(&self) -> Option<(DeviceKind, u32)> {
        match self {
            Self::Microphone(_, AudioEvent::RanDry { callback_ms }) => Some((DeviceKind::Microphone, *callback_ms)),
            Self::Speaker(_, AudioEvent::RanDry { callback_ms }) => Some((DeviceKind::Speaker, *callback_ms)),
            Self::Camera(..) | Self::Lists(_) | Self::Microphone(..) | Self::Speaker(..) => None,
        }
    }
}

/// All devices there are: id and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    cameras: Vec<(String, String)>,
    microphones: Vec<(String, String)>,
    speakers: Vec<(String, String)>,
}

/// What sessions take from the devices, whichever they are at the moment.
#[derive(Clone)]
pub(crate) struct Taps {
    pub(crate) camera: watch::Receiver<Option<Arc<Camera>>>,
    pub(crate) ladder: watch::Receiver<Option<Arc<Ladder>>>,
    pub(crate) microphone: watch::Receiver<Option<Arc<Microphone>>>,
    pub(crate) speaker: watch::Receiver<Option<Arc<Speaker>>>,
}

/// The devices of a client.
pub(crate) struct Bay {
    camera: Slot<CameraSpec, Camera>,
    microphone: Slot<MicrophoneSpec, Microphone>,
    speaker: Slot<SpeakerSpec, Speaker>,
    pub(crate) renditions: Renditions,
    events: mpsc::Sender<DeviceEvent>,
    /// In a call or in a lobby with a preview.
    open: bool,
    camera_on: bool,
    muted: bool,
    /// What is done to captured sound.
    switches: Switches,
    dtx: bool,
    /// Pictures really come.
    pub(crate) picture: bool,
}

/// One kind of device: what is wanted, what is open, what people see of it.
struct Slot<S, D> {
    spec: S,
    device: watch::Sender<Option<Arc<D>>>,
    /// Counts the devices that were opened here, and their ends.
    number: u32,
    /// What the device in use calls itself.
    name: Option<String>,
    picker: Picker,
}

impl<S: ToString, D> Slot<S, D> {
    fn new(spec: S) -> Self {
        let picker = Picker { chosen: spec.to_string(), ..Picker::default() };
        Self { spec, device: watch::Sender::new(None), number: 0, name: None, picker }
    }

    /// The next device's number.
    fn next(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn put(&mut self, device: D) {
        self.device.send_replace(Some(Arc::new(device)));
    }

    fn close(&mut self) {
        self.next();
        self.device.send_replace(None);
    }

    fn choose(&mut self, spec: S) {
        self.picker.chosen = spec.to_string();
        self.picker.problem = None;
        self.name = None;
        self.spec = spec;
    }

    fn works(&mut self, name: String) {
        self.name = Some(name);
        self.picker.problem = None;
    }

    /// The problem with its code, where it is news.
    fn trouble(&mut self, kind: DeviceKind, trouble: DeviceTrouble) -> Option<(String, DeviceProblem)> {
        let problem = words::device(kind, trouble, self.name.as_deref());
        let old = self.picker.problem.replace(problem.clone());
        (old.as_ref() != Some(&problem)).then_some((words::device_code(kind, trouble), problem))
    }
}

impl Bay {
    pub(crate) fn new(settings: &Settings, overrides: &DeviceOverrides) -> (Self, mpsc::Receiver<DeviceEvent>) {
        let (events, inbox) = mpsc::channel(EVENTS);
        let bay = Self {
            camera: Slot::new(pick(&overrides.camera, &settings.camera, CameraSpec::Device(None))),
            microphone: Slot::new(pick(&overrides.microphone, &settings.microphone, MicrophoneSpec::Device(None))),
            speaker: Slot::new(pick(&overrides.speaker, &settings.speaker, SpeakerSpec::Device(None))),
            renditions: Renditions::new(),
            events,
            open: false,
            camera_on: settings.camera_on,
            muted: !settings.microphone_on,
            switches: switches(settings),
            dtx: settings.dtx,
            picture: false,
        };
        (bay, inbox)
    }

    pub(crate) fn taps(&self) -> Taps {
        Taps {
            camera: self.camera.device.subscribe(),
            ladder: self.renditions.subscribe(),
            microphone: self.microphone.device.subscribe(),
            speaker: self.speaker.device.subscribe(),
        }
    }

    pub(crate) fn view(&self) -> Devices {
        Devices {
            camera: self.camera.picker.clone(),
            microphone: self.microphone.picker.clone(),
            speaker: self.speaker.picker.clone(),
        }
    }

    /// What can be sent of what is wanted: nothing comes from a device that was chosen away. One that is in trouble still
    /// counts, because it may come back at any time.
    pub(crate) fn sendable(&self, wanted: MediaState) -> MediaState {
        MediaState {
            microphone: wanted.microphone && self.microphone.spec != MicrophoneSpec::None,
            camera: wanted.camera && self.camera.spec != CameraSpec::None,
            ..wanted
        }
    }

    /// Opens what is wanted. Does nothing to what is open already.
    pub(crate) fn open(&mut self) {
        if self.open {
            return;
        }
        self.open = true;
        self.open_camera();
        self.open_microphone();
        self.open_speaker();
        // What the room hears is what the microphone must not send back.
        if let (Some(microphone), Some(speaker)) =
            (self.microphone.device.borrow().as_ref(), self.speaker.device.borrow().as_ref())
        {
            microphone.cancel(speaker.reference());
        }
    }

    /// Lets all devices go.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.close_camera();
        self.microphone.close();
        self.speaker.close();
    }

    /// Turns the camera on or off; off lets the device go, so that its light goes out.
    pub(crate) fn set_camera(&mut self, on: bool) {
        self.camera_on = on;
        if !on {
            self.close_camera();
            self.camera.picker.problem = None;
        } else if self.open && self.camera.device.borrow().is_none() {
            self.open_camera();
        }
    }

    /// Turns the microphone on or off; off keeps the device, so that speaking while muted is noticed. A problem that nobody had to
    /// hear of before, with its code, is for people to hear now.
    pub(crate) fn set_microphone(&mut self, on: bool) -> Option<(String, DeviceProblem)> {
        let unmuted = std::mem::replace(&mut self.muted, !on) && on;
        if let Some(microphone) = self.microphone.device.borrow().as_ref() {
            microphone.set_muted(!on);
        }
        let silent = self.microphone.picker.problem.clone().filter(|problem| problem.code == DeviceTrouble::Silent);
        let code = words::device_code(DeviceKind::Microphone, DeviceTrouble::Silent);
        silent.filter(|_| unmuted).map(|problem| (code, problem))
    }

    /// Does to captured sound what the settings say, from now on.
    pub(crate) fn process_sound(&mut self, settings: &Settings) {
        self.switches = switches(settings);
        if let Some(microphone) = self.microphone.device.borrow().as_ref() {
            microphone.process(self.switches);
        }
    }

    /// Uses another device from now on.
    pub(crate) fn choose(&mut self, kind: DeviceKind, spec: &str) -> Result<(), parlor_protocol::device::SpecError> {
        let mut overrides = DeviceOverrides::default();
        match kind {
            DeviceKind::Camera => overrides.camera = Some(spec.parse()?),
            DeviceKind::Microphone => overrides.microphone = Some(spec.parse()?),
            DeviceKind::Speaker => overrides.speaker = Some(spec.parse()?),
        }
        self.use_devices(overrides);
        Ok(())
    }

    /// Uses other devices from now on, where any are named. Sound changes its device in place, so that its clock goes on.
    pub(crate) fn use_devices(&mut self, devices: DeviceOverrides) {
        if let Some(spec) = devices.camera {
            self.close_camera();
            self.camera.choose(spec);
            if self.open && self.camera_on {
                self.open_camera();
            }
        }
        if let Some(spec) = devices.microphone {
            self.microphone.choose(spec);
            if let Some(microphone) = self.microphone.device.borrow().as_ref() {
                microphone.switch(&self.microphone.spec);
            }
        }
        if let Some(spec) = devices.speaker {
            self.speaker.choose(spec);
            if let Some(speaker) = self.speaker.device.borrow().as_ref() {
                speaker.switch(&self.speaker.spec);
            }
        }
    }

    /// Takes note of what a device told. A problem that is news, with its code, is for people to hear.
    pub(crate) fn handle(&mut self, event: DeviceEvent) -> Option<(String, DeviceProblem)> {
        match event {
            DeviceEvent::Camera(number, _) if number != self.camera.number => {}
            DeviceEvent::Microphone(number, _) if number != self.microphone.number => {}
            DeviceEvent::Speaker(number, _) if number != self.speaker.number => {}
            DeviceEvent::Camera(_, CameraEvent::Started { name, format }) => {
                self.camera.works(name);
                self.picture = true;
                if let Some(camera) = self.camera.device.borrow().as_ref() {
                    self.renditions.start(camera, format);
                }
            }
            DeviceEvent::Camera(_, CameraEvent::Trouble { trouble, detail }) => {
                tracing::info!(?trouble, "the camera is in trouble");
                tracing::trace!(detail);
                self.picture = false;
                return self.camera.trouble(DeviceKind::Camera, trouble);
            }
            DeviceEvent::Camera(_, CameraEvent::Recovered) => {
                self.camera.picker.problem = None;
                self.picture = true;
            }
            DeviceEvent::Lists(lists) => self.list(lists),
            DeviceEvent::Microphone(
                _,
                AudioEvent::Started { name } | AudioEvent::Recovered { name } | AudioEvent::Moved { name },
            ) => self.microphone.works(name),
            DeviceEvent::Microphone(_, AudioEvent::Trouble { trouble, detail }) => {
                tracing::info!(?trouble, "the microphone is in trouble");
                tracing::trace!(detail);
                let news = self.microphone.trouble(DeviceKind::Microphone, trouble);
                // Whoever is muted need not hear that nobody hears them.
                return news.filter(|_| !self.muted || trouble != DeviceTrouble::Silent);
            }
            DeviceEvent::Microphone(_, AudioEvent::RanDry { .. })
            | DeviceEvent::Speaker(_, AudioEvent::RanDry { .. }) => {}
            DeviceEvent::Speaker(
                _,
                AudioEvent::Started { name } | AudioEvent::Recovered { name } | AudioEvent::Moved { name },
            ) => self.speaker.works(name),
            DeviceEvent::Speaker(_, AudioEvent::Trouble { trouble, detail }) => {
                tracing::info!(?trouble, "the speaker is in trouble");
                tracing::trace!(detail);
                return self.speaker.trouble(DeviceKind::Speaker, trouble);
            }
        }
        None
    }

    /// How much of the sound that we send is lost, 0 to 1.
    pub(crate) fn set_loss(&self, loss: f64) {
        if let Some(microphone) = self.microphone.device.borrow().as_ref() {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
            microphone.set_expected_loss((loss.clamp(0.0, 0.5) * 100.0).round() as u8);
        }
    }

    /// Loudness at the microphone, 0 to 1; muted or not. And whether somebody speaks into it while it is muted.
    pub(crate) fn microphone_level(&self) -> (f32, bool) {
        let microphone = self.microphone.device.borrow();
        microphone.as_ref().map_or((0.0, false), |microphone| (microphone.level(), microphone.speaks_muted()))
    }

    fn open_camera(&mut self) {
        if !self.camera_on || self.camera.spec == CameraSpec::None {
            return;
        }
        let (sender, receiver) = mpsc::channel(EVENTS);
        let number = self.camera.next();
        self.forward(receiver, move |event| DeviceEvent::Camera(number, event));
        self.camera.put(Camera::open(self.camera.spec.clone(), VideoFormat::default(), sender));
    }

    fn close_camera(&mut self) {
        self.picture = false;
        self.renditions.stop();
        self.camera.close();
    }

    fn open_microphone(&mut self) {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let number = self.microphone.next();
        self.forward(receiver, move |event| DeviceEvent::Microphone(number, event));
        let microphone = Microphone::open(&self.microphone.spec, sender);
        microphone.set_muted(self.muted);
        microphone.set_dtx(self.dtx);
        microphone.process(self.switches);
        self.microphone.put(microphone);
    }

    fn open_speaker(&mut self) {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let number = self.speaker.next();
        self.forward(receiver, move |event| DeviceEvent::Speaker(number, event));
        let speaker = Speaker::open(&self.speaker.spec, sender);
        self.speaker.put(speaker);
    }

    /// Hands a device's events on until the device is gone.
    fn forward<T: Send + 'static>(
        &self,
        mut from: mpsc::Receiver<T>,
        wrap: impl Fn(T) -> DeviceEvent + Send + 'static,
    ) {
        let to = self.events.clone();
        tokio::spawn(async move {
            while let Some(event) = from.recv().await {
                if to.send(wrap(event)).await.is_err() {
                    return;
                }
            }
        });
    }

    fn list(&mut self, lists: Lists) {
        self.camera.picker.choices = choices(lists.cameras, &self.camera.picker.chosen, "camera");
        self.microphone.picker.choices = choices(lists.microphones, &self.microphone.picker.chosen, "microphone");
        self.speaker.picker.choices = choices(lists.speakers, &self.speaker.picker.chosen, "speaker");
    }
}

/// What the settings say of captured sound. Rumble goes with any of the three: they all work better without it.
fn switches(settings: &Settings) -> Switches {
    let Settings { echo_cancellation, noise_suppression, automatic_gain, .. } = *settings;
    let high_pass = echo_cancellation || noise_suppression || automatic_gain;
    Switches { echo_cancellation, noise_suppression, automatic_gain, high_pass }
}

/// Reads the lists of devices every two seconds, and tells when they change.
pub(crate) fn watch_lists(events: &Bay) {
    let events = events.events.clone();
    tokio::spawn(async move {
        let mut known = None;
        loop {
            // Asking the system may take a while, and a driver may hang: never on the runtime's own threads.
            let Ok(lists) = tokio::task::spawn_blocking(read_lists).await else { return };
            if known.as_ref() != Some(&lists) {
                let told = Lists {
                    cameras: lists.cameras.clone(),
                    microphones: lists.microphones.clone(),
                    speakers: lists.speakers.clone(),
                };
                if events.send(DeviceEvent::Lists(told)).await.is_err() {
                    return;
                }
                known = Some(lists);
            }
            tokio::time::sleep(LIST_EVERY).await;
            if events.is_closed() {
                return;
            }
        }
    });
}

fn read_lists() -> Lists {
    Lists { cameras: video::cameras(), microphones: audio::microphones(), speakers: audio::speakers() }
}

/// What a person can choose from; the device in use is among it even when the system does not list it.
fn choices(listed: Vec<(String, String)>, chosen: &str, kind: &str) -> Vec<DeviceChoice> {
    let mut choices = vec![DeviceChoice { spec: "device".into(), name: format!("Default {kind}") }];
    choices.extend(listed.into_iter().map(|(id, name)| DeviceChoice { spec: format!("device:{id}"), name }));
    if !choices.iter().any(|choice| choice.spec == chosen) {
        choices.push(DeviceChoice { spec: chosen.to_owned(), name: synthetic_name(chosen) });
    }
    choices
}

fn synthetic_name(spec: &str) -> String {
    match spec.split_once(':').map_or(spec, |(kind, _)| kind) {
        "pattern" => "Test picture".into(),
        "tone" => "Test tone".into(),
        "file" => "A file".into(),
        "none" => "None".into(),
        _ => "Unplugged device".into(),
    }
}

/// The override, or the settings' spec, or the usual. A spec that is none (an edited settings file) is the usual.
fn pick<S: Clone + std::str::FromStr>(given: &Option<S>, settings: &str, usual: S) -> S {
    given.clone().or_else(|| settings.parse().ok()).unwrap_or(usual)
}

#[cfg(test)]
mod tests;

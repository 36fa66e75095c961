//! Offers, answers and candidates (RFC 8829, RFC 8838).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use parlor_protocol::{
    media::TrackRole,
    negotiation::{Candidate, Description, DescriptionKind},
};
use rtc::peer_connection::configuration::RTCOfferOptions;
use webrtc::{
    media_stream::{
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::TrackRemote,
    },
    peer_connection::{PeerConnection, RTCIceCandidateInit, RTCSessionDescription},
    rtp_transceiver::RtpTransceiver,
};

use crate::{
    connection::DIRECT_WAIT,
    error::EngineError,
    hide,
    keep::{
        self, Ahead, Keep,
        text::{self, Setup},
    },
    late::{self, Late},
    names::Names,
    options::IcePolicy,
    roam::Credentials,
    role::{kind, payload_type},
    sdp::{self, Line, Parsed},
};

/// Candidates kept for a description that has not come; the oldest go first.
const HELD: usize = 64;
/// ICE generations whose late candidates are known as late.
const PAST: usize = 16;

/// What was agreed on, and what is needed to agree on more.
pub(crate) struct Negotiation {
    policy: IcePolicy,
    /// TCP between the two sides is wanted.
    tcp: bool,
    /// Candidates of this generation that the other side told: where they are, and over which protocol.
    admitted: BTreeSet<String>,
    tracks: [Arc<TrackLocalStaticRTP>; 4],
    transceivers: BTreeMap<TrackRole, Arc<dyn RtpTransceiver>>,
    /// What each m-line carries from here.
    local: BTreeMap<String, TrackRole>,
    /// What each m-line carries from there.
    remote: BTreeMap<String, TrackRole>,
    /// Mid for candidates: all m-lines share one transport (RFC 8843), so the first will do.
    first_mid: String,
    local_ufrag: String,
    remote_ufrag: String,
    past: VecDeque<String>,
    held: VecDeque<Candidate>,
    /// Local candidates of this generation that were told already: gathering runs again with every description.
    told: BTreeSet<String>,
    ended: bool,
    late: Late,
    keep: Keep,
    names: Names,
    /// A restart's offer that was said and not set yet.
    staged: Option<RTCSessionDescription>,
    /// A restart's answer that was said and not set yet.
    ahead: Option<Ahead>,
    /// A restart was prepared and given up: the stack goes through with it at the next description that it sets.
    stale: bool,
}

impl Negotiation {
    pub(crate) fn new(
        tracks: [Arc<TrackLocalStaticRTP>; 4],
        policy: IcePolicy,
        tcp: bool,
        keep: Keep,
        names: Names,
    ) -> Self {
        Self {
            keep,
            names,
            staged: None,
            ahead: None,
            stale: false,
            policy,
            tcp,
            admitted: BTreeSet::new(),
            tracks,
            transceivers: BTreeMap::new(),
            local: BTreeMap::new(),
            remote: BTreeMap::new(),
            first_mid: String::new(),
            local_ufrag: String::new(),
            remote_ufrag: String::new(),
            past: VecDeque::new(),
            held: VecDeque::new(),
            told: BTreeSet::new(),
            ended: false,
            late: Late::default(),
        }
    }

    /// Makes an offer and sets it. A session that has no m-lines yet gets all four. `keep`: the path in use works, so that
    /// a restart is set when it is answered.
    pub(crate) async fn offer(
        &mut self,
        pc: &dyn PeerConnection,
        ice_restart: bool,
        keep: bool,
    ) -> Result<Description, EngineError> {
        if self.staged.is_some() || pc.pending_local_description().await.is_some() {
            return Err(EngineError::Description("an offer is out already".to_owned()));
        }
        if self.transceivers.is_empty() {
            for role in TrackRole::ALL {
                self.attach(pc, role).await?;
            }
        }
        let offer = pc.create_offer(Some(RTCOfferOptions { ice_restart })).await?;
        let restarts = !self.local_ufrag.is_empty() && sdp::ufrag(&offer.sdp) != self.local_ufrag;
        if restarts && keep {
            let description = self.unset(DescriptionKind::Offer, &offer.sdp);
            self.staged = Some(offer);
            return Ok(description);
        }
        self.set_local(pc, offer, DescriptionKind::Offer).await
    }

    /// Answers an offer that restarts ICE and nothing else, without setting anything yet: [`Self::settle`] does. `None`
    /// where that cannot be, and nothing was done.
    pub(crate) async fn answer_ahead(
        &mut self,
        pc: &dyn PeerConnection,
        description: &Description,
    ) -> Result<Option<Description>, EngineError> {
        let parsed = sdp::parse(description)?;
        let in_force = (pc.current_local_description().await, pc.current_remote_description().await);
        let (Some(local), Some(remote)) = in_force else { return Ok(None) };
        let offer = &parsed.description.sdp;
        if self.staged.is_some() || pc.pending_local_description().await.is_some() || parsed.ufrag == self.remote_ufrag
        {
            return Ok(None);
        }
        let Some(setup) = Setup::ours(&local.sdp, &remote.sdp).filter(|_| text::is_restart_alone(&remote.sdp, offer))
        else {
            return Ok(None);
        };
        let answer = RTCSessionDescription::answer(text::decided(offer, setup.other()))?;
        let made = pc.create_offer(Some(RTCOfferOptions { ice_restart: true })).await?;
        self.stale = true;
        let Some(secret) = sdp::secret(&made.sdp).filter(|_| sdp::answers(&made.sdp, offer)) else { return Ok(None) };
        let said = text::decided(&text::renewed(&local.sdp, &made.sdp, &secret), setup);
        self.keep.expect(&format!("{}:{}", secret.ufrag, parsed.ufrag));
        self.ahead = Some(Ahead { offer: made, answer, ufrag: parsed.ufrag, candidates: parsed.candidates });
        Ok(Some(self.unset(DescriptionKind::Answer, &said)))
    }

    /// An answer was said and waits to be set.
    pub(crate) fn is_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    /// Whether an offer of ours is out that was not set.
    pub(crate) fn is_staged(&self) -> bool {
        self.staged.is_some()
    }

    /// Whether the stack restarts ICE at the next description, whoever makes it.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether an answer that was said ahead is to another generation than this offer's.
    pub(crate) fn is_ahead_of_another(&self, offer: &Description) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.ufrag != sdp::ufrag(&offer.sdp))
    }

    /// Sets what was answered ahead.
    pub(crate) async fn settle(&mut self, pc: &dyn PeerConnection) -> Result<(), EngineError> {
        let Some(Ahead { offer, answer, ufrag, candidates }) = self.ahead.take() else { return Ok(()) };
        self.keep.begin();
        let set = async {
            keep::as_if_older(DIRECT_WAIT, self.set_local(pc, offer, DescriptionKind::Offer)).await?;
            pc.set_remote_description(answer).await.map_err(EngineError::from)
        };
        if let Err(error) = set.await {
            self.keep.end();
            self.keep.release();
            self.rollback(pc).await?;
            return Err(error);
        }
        self.enter_generation(pc, ufrag, candidates).await;
        Ok(())
    }

    /// Forgets what was answered ahead: nobody took the answer up.
    pub(crate) fn forget(&mut self) {
        self.ahead = None;
        self.keep.end();
    }

    /// A description that the stack has not set, as it is said.
    fn unset(&self, kind: DescriptionKind, sdp: &str) -> Description {
        let datagrams = self.told.iter().map(String::as_str).filter(|candidate| !late::is_tcp(candidate));
        let sdp = self.shown(&text::with_candidates(sdp, datagrams));
        Description { kind, sdp, tracks: self.local.clone() }
    }

    /// A description as the other side may see it.
    fn shown(&self, sdp: &str) -> String {
        let sdp = self.keep.told(sdp);
        match self.policy {
            IcePolicy::All => late::without(&sdp),
            IcePolicy::Relay => hide::description(&sdp),
        }
    }

    /// Whether the next offer of ours begins the first ICE generation.
    pub(crate) fn begins(&self) -> bool {
        self.local_ufrag.is_empty()
    }

    /// Whether a remote description begins another ICE generation (RFC 8839 §4.4.1.1.1).
    pub(crate) fn restarts(&self, description: &Description) -> bool {
        description.kind == DescriptionKind::Offer && sdp::ufrag(&description.sdp) != self.remote_ufrag
    }

    /// Applies a remote description; an offer is answered.
    pub(crate) async fn apply(
        &mut self,
        pc: &dyn PeerConnection,
        description: &Description,
        rollback: bool,
    ) -> Result<Option<Description>, EngineError> {
        let parsed = sdp::parse(description)?;
        if rollback {
            self.rollback(pc).await?;
        }
        let answer = match description.kind {
            DescriptionKind::Offer => Some(self.answer(pc, description, &parsed).await?),
            DescriptionKind::Answer => {
                self.complete(pc, description, &parsed).await?;
                None
            }
        };
        self.enter_generation(pc, parsed.ufrag, parsed.candidates).await;
        Ok(answer)
    }

    /// Takes the own offer back (RFC 8829 §4.1.10.2). The stack knows no implicit rollback.
    pub(crate) async fn rollback(&mut self, pc: &dyn PeerConnection) -> Result<(), EngineError> {
        // The path in use is as it was.
        self.stale |= self.staged.take().is_some();
        if pc.pending_local_description().await.is_some() {
            pc.set_local_description(RTCSessionDescription::rollback(None)?).await?;
        }
        Ok(())
    }

    /// Takes a remote candidate, keeps it for a coming generation, or drops it.
    pub(crate) async fn candidate(&mut self, pc: &dyn PeerConnection, candidate: Candidate) {
        let current = !self.remote_ufrag.is_empty();
        if current && (candidate.ufrag.is_empty() || candidate.ufrag == self.remote_ufrag) {
            self.add(pc, candidate).await;
        } else if !self.past.contains(&candidate.ufrag) {
            if self.held.len() == HELD {
                self.held.pop_front();
            }
            self.held.push_back(candidate);
        }
    }

    /// A local candidate as the other side needs it; `None` when it was told already, or may not be told.
    pub(crate) fn local_candidate(&mut self, candidate: String) -> Option<Candidate> {
        let candidate = self.keep.told(&candidate);
        let candidate = match self.policy {
            IcePolicy::All => candidate,
            IcePolicy::Relay => hide::candidate(&candidate)?,
        };
        if !self.told.insert(candidate.clone()) {
            return None;
        }
        self.late.hold(Candidate { candidate, mid: self.first_mid.clone(), ufrag: self.local_ufrag.clone() })
    }

    /// Candidates that are told only where others do not work, and the end of candidates, when they are due.
    pub(crate) fn late(&mut self, connected: bool, now: Instant) -> (Vec<Candidate>, Option<String>) {
        self.late.take(connected, now)
    }

    /// The generation that has no more local candidates; `None` when that was told already.
    pub(crate) fn end_of_candidates(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        self.late.hold_end(self.local_ufrag.clone())
    }

    /// What a remote track carries.
    pub(crate) async fn role(&self, pc: &dyn PeerConnection, track: &Arc<dyn TrackRemote>) -> Option<TrackRole> {
        for transceiver in pc.get_transceivers().await {
            let Ok(Some(receiver)) = transceiver.receiver().await else { continue };
            if Arc::ptr_eq(receiver.track(), track) {
                let mid = transceiver.mid().await.ok().flatten()?;
                return self.remote.get(&mid).or_else(|| self.local.get(&mid)).copied();
            }
        }
        None
    }

    /// What both sides prove themselves with in the generation that was agreed on last; `None` while none was.
    pub(crate) async fn credentials(&self, pc: &dyn PeerConnection) -> Option<Credentials> {
        let local = pc.current_local_description().await?;
        let remote = pc.current_remote_description().await?;
        Some(Credentials { local: sdp::secret(&local.sdp)?, remote: sdp::secret(&remote.sdp)? })
    }

    /// Payload types of the tracks that may be sent now.
    pub(crate) async fn payload_types(&self) -> BTreeMap<TrackRole, u8> {
        let mut types = BTreeMap::new();
        for (&role, transceiver) in &self.transceivers {
            if let Some(payload_type) = payload_type(transceiver.as_ref(), role).await {
                types.insert(role, payload_type);
            }
        }
        types
    }

    async fn attach(&mut self, pc: &dyn PeerConnection, role: TrackRole) -> Result<(), EngineError> {
        if !self.transceivers.contains_key(&role) {
            let track: Arc<dyn TrackLocal> = self.tracks[role as usize].clone();
            let transceiver = pc.add_transceiver_from_track(track, None).await?;
            self.transceivers.insert(role, transceiver);
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        pc: &dyn PeerConnection,
        description: &Description,
        parsed: &Parsed,
    ) -> Result<Description, EngineError> {
        if pc.pending_local_description().await.is_some() {
            return Err(EngineError::Description("an offer of our own is out".to_owned()));
        }
        self.flush(pc).await?;
        let roles = self.assign(&description.tracks, &parsed.lines);
        // The stack gives each new m-line the first free transceiver of its kind: they must come in the lines' order. One
        // that no line takes would be offered for ever.
        for role in parsed.lines.iter().filter(|line| line.receives).filter_map(|line| roles.get(&line.mid)) {
            self.attach(pc, *role).await?;
        }
        let answered = async {
            pc.set_remote_description(parsed.description.clone()).await?;
            let answer = pc.create_answer(None).await?;
            self.set_local(pc, answer, DescriptionKind::Answer).await
        };
        match answered.await {
            Ok(answer) => {
                self.remote = roles;
                Ok(answer)
            }
            Err(error) => {
                if pc.pending_remote_description().await.is_some() {
                    pc.set_remote_description(RTCSessionDescription::rollback(None)?).await?;
                }
                Err(error)
            }
        }
    }

    async fn complete(
        &mut self,
        pc: &dyn PeerConnection,
        description: &Description,
        parsed: &Parsed,
    ) -> Result<(), EngineError> {
        let out = match &self.staged {
            Some(offer) => Some(offer.clone()),
            None => pc.pending_local_description().await,
        };
        let Some(offer) = out else {
            return Err(EngineError::Description("an answer without an offer".to_owned()));
        };
        if !sdp::answers(&offer.sdp, &parsed.description.sdp) {
            return Err(EngineError::Description("an answer to another offer".to_owned()));
        }
        if self.staged.take().is_some() {
            self.keep.begin();
            let set = keep::as_if_older(DIRECT_WAIT, self.set_local(pc, offer, DescriptionKind::Offer)).await;
            set.inspect_err(|_| {
                self.keep.end();
                self.keep.release();
            })?;
        }
        pc.set_remote_description(parsed.description.clone()).await?;
        self.remote = self.assign(&description.tracks, &parsed.lines);
        Ok(())
    }

    /// What each m-line carries: as named, as known from before, or by kind and order.
    fn assign(&self, named: &BTreeMap<String, TrackRole>, lines: &[Line]) -> BTreeMap<String, TrackRole> {
        let mut roles = BTreeMap::new();
        let mut free: Vec<TrackRole> = TrackRole::ALL.to_vec();
        for known in [named, &self.local] {
            for line in lines.iter().filter(|line| !known.is_empty() && known.contains_key(&line.mid)) {
                let role = known[&line.mid];
                if !roles.contains_key(&line.mid) && kind(role) == line.kind && free.contains(&role) {
                    free.retain(|other| *other != role);
                    roles.insert(line.mid.clone(), role);
                }
            }
        }
        for line in lines {
            if !roles.contains_key(&line.mid)
                && let Some(at) = free.iter().position(|role| kind(*role) == line.kind)
            {
                roles.insert(line.mid.clone(), free.remove(at));
            }
        }
        roles
    }

    async fn set_local(
        &mut self,
        pc: &dyn PeerConnection,
        description: RTCSessionDescription,
        kind: DescriptionKind,
    ) -> Result<Description, EngineError> {
        let sdp = description.sdp.clone();
        pc.set_local_description(description).await?;
        self.stale = false;
        let ufrag = sdp::ufrag(&sdp);
        if ufrag != self.local_ufrag {
            self.local_ufrag = ufrag;
            self.told.clear();
            // The stack forgets the other side's with its own.
            self.admitted.clear();
            self.ended = false;
            self.late.begin();
        }
        self.local.clear();
        for (&role, transceiver) in &self.transceivers {
            if let Some(mid) = transceiver.mid().await? {
                self.local.insert(mid, role);
            }
        }
        self.first_mid = sdp::first_mid(&sdp);
        // What the stack has now includes the candidates gathered so far.
        let sdp = pc.local_description().await.map_or(sdp, |description| description.sdp);
        Ok(Description { kind, sdp: self.shown(&sdp), tracks: self.local.clone() })
    }

    /// Goes through with a restart that was given up, before the stack does so in an answer that must not hold one.
    async fn flush(&mut self, pc: &dyn PeerConnection) -> Result<(), EngineError> {
        if self.stale {
            let offer = pc.create_offer(None).await?;
            self.set_local(pc, offer, DescriptionKind::Offer).await?;
            self.rollback(pc).await?;
        }
        Ok(())
    }

    async fn enter_generation(&mut self, pc: &dyn PeerConnection, ufrag: String, candidates: Vec<String>) {
        if ufrag != self.remote_ufrag {
            let past = std::mem::replace(&mut self.remote_ufrag, ufrag);
            if self.past.len() == PAST {
                self.past.pop_front();
            }
            self.past.extend(Some(past).filter(|past| !past.is_empty()));
            self.admitted.clear();
        }
        self.late.agreed(Instant::now());
        for candidate in candidates {
            let ufrag = self.remote_ufrag.clone();
            self.add(pc, Candidate { candidate, mid: String::new(), ufrag }).await;
        }
        for candidate in std::mem::take(&mut self.held) {
            self.candidate(pc, candidate).await;
        }
    }

    async fn add(&mut self, pc: &dyn PeerConnection, candidate: Candidate) {
        let line = candidate.candidate.trim_start_matches("a=").trim_start_matches("candidate:");
        if self.admitted.len() == sdp::MAX_CANDIDATES || !sdp::is_admitted(line, self.tcp) {
            return tracing::debug!("a remote candidate is not wanted");
        }
        // The stack would count one twice that a description says again.
        if !self.admitted.insert(sdp::place(line)) || self.names.ask(&candidate) {
            return;
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: Some(candidate.mid),
            sdp_mline_index: Some(0),
            username_fragment: Some(candidate.ufrag).filter(|ufrag| !ufrag.is_empty()),
            ..Default::default()
        };
        if pc.add_ice_candidate(init).await.is_err() {
            tracing::debug!("a remote candidate could not be read");
        }
    }
}

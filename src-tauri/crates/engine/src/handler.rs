//! The connection's callbacks. They run inside the connection's own task: each only drops a note into the inbox.

use std::sync::Arc;

use webrtc::{
    data_channel::DataChannel,
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
    },
};

use crate::{
    chain::Shared,
    inbox::{Inbox, Notice},
};

/// Forwards; see the module.
pub(crate) struct Handler {
    pub(crate) inbox: Inbox,
    pub(crate) shared: Arc<Shared>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(candidate) = event.candidate.to_json()
            && !candidate.candidate.is_empty()
        {
            self.inbox.post(Notice::Candidate(candidate.candidate));
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.shared.set_gathering(state);
        if state == RTCIceGatheringState::Complete {
            self.inbox.post(Notice::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.inbox.post(Notice::State(state));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.inbox.post(Notice::Channel(channel));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.inbox.post(Notice::Track(track));
    }
}

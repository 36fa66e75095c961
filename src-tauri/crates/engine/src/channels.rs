//! Data channels: `ctrl` and `chat`, and those that either side opens by label.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use parlor_protocol::{chat, ctrl};
use rtc::data_channel::RTCDataChannelInit;
use tokio::task::JoinHandle;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    peer_connection::PeerConnection,
};

use crate::{
    error::EngineError,
    inbox::{Inbox, Notice},
};

/// Channels beside `ctrl` and `chat` that may be open at once. The other side can open them too.
const MOST: usize = 32;
/// How often is looked whether everything is acknowledged: the stack tells of it only above a threshold.
const FLUSH_LOOK: Duration = Duration::from_millis(2);
/// Bytes in a label.
const LABEL: usize = 256;

/// The channels of a session.
#[derive(Default)]
pub(crate) struct Channels {
    by_label: BTreeMap<String, Entry>,
}

struct Entry {
    channel: Arc<dyn DataChannel>,
    reader: JoinHandle<()>,
    open: bool,
}

impl Channels {
    /// Opens `ctrl` and `chat`, which both sides agree on without a word (RFC 8832 §4).
    pub(crate) async fn open_fixed(&mut self, pc: &dyn PeerConnection, inbox: &Inbox) -> Result<(), EngineError> {
        for (label, id) in [(ctrl::LABEL, ctrl::ID), (chat::LABEL, chat::ID)] {
            let init = RTCDataChannelInit { negotiated: Some(id), ..Default::default() };
            let channel = pc.create_data_channel(label, Some(init)).await?;
            self.insert(label.to_owned(), channel, inbox);
        }
        Ok(())
    }

    /// Opens a channel. False when the label is in use, ours, or too long, or there are too many.
    pub(crate) async fn open(
        &mut self,
        pc: &dyn PeerConnection,
        label: &str,
        inbox: &Inbox,
    ) -> Result<bool, EngineError> {
        if !self.is_free(label) {
            return Ok(false);
        }
        let channel = pc.create_data_channel(label, None).await?;
        self.insert(label.to_owned(), channel, inbox);
        Ok(true)
    }

    /// Takes a channel that the other side opened, or closes it where it is not wanted.
    pub(crate) async fn accept(&mut self, channel: Arc<dyn DataChannel>, inbox: &Inbox) {
        match channel.label().await {
            Ok(label) if self.is_free(&label) => self.insert(label, channel, inbox),
            Ok(_) | Err(_) => {
                tracing::debug!("a channel with this label is not wanted");
                channel.close().await.ok();
            }
        }
    }

    /// Closes a channel that can be closed.
    pub(crate) async fn close(&mut self, label: &str) {
        if is_fixed(label) {
            return;
        }
        if let Some(entry) = self.by_label.get(label) {
            entry.channel.close().await.ok();
        }
    }

    /// A channel can be used from now on. False when it is not ours.
    pub(crate) fn opened(&mut self, label: &str) -> bool {
        self.by_label.get_mut(label).map(|entry| entry.open = true).is_some()
    }

    /// A channel ended. False when it was not known.
    pub(crate) fn closed(&mut self, label: &str) -> bool {
        self.by_label.remove(label).is_some()
    }

    /// Hands a message to the channel without waiting. False when it was not taken.
    pub(crate) async fn send(&self, label: &str, data: Bytes) -> bool {
        let Some(entry) = self.by_label.get(label).filter(|entry| entry.open) else { return false };
        let sent = match std::str::from_utf8(&data) {
            Ok(text) if is_fixed(label) => entry.channel.try_send_text(text).await,
            Ok(_) | Err(_) => entry.channel.try_send(BytesMut::from(data)).await,
        };
        sent.is_ok()
    }

    /// Waits until the other side has acknowledged everything that was sent. A connection that closes takes what it has
    /// not sent yet with it.
    pub(crate) async fn flush(&self) {
        for entry in self.by_label.values().filter(|entry| entry.open) {
            while entry.channel.outstanding_bytes().await.is_ok_and(|bytes| bytes > 0) {
                tokio::time::sleep(FLUSH_LOOK).await;
            }
        }
    }

    /// Ends what reads the channels.
    pub(crate) fn stop(&mut self) {
        for (_, entry) in std::mem::take(&mut self.by_label) {
            entry.reader.abort();
        }
    }

    /// Whether a channel may be opened under this label. Those of `ctrl` and `chat` are for one channel of a session each:
    /// another would pass for what has ended.
    fn is_free(&self, label: &str) -> bool {
        !is_fixed(label) && label.len() <= LABEL && self.by_label.len() < MOST + 2 && !self.by_label.contains_key(label)
    }

    fn insert(&mut self, label: String, channel: Arc<dyn DataChannel>, inbox: &Inbox) {
        let reader = tokio::spawn(read(label.clone(), Arc::clone(&channel), inbox.clone()));
        self.by_label.insert(label, Entry { channel, reader, open: false });
    }
}

fn is_fixed(label: &str) -> bool {
    label == ctrl::LABEL || label == chat::LABEL
}

/// Passes on what comes; waits where the session is behind, which holds the sender back.
async fn read(label: String, channel: Arc<dyn DataChannel>, inbox: Inbox) {
    while let Some(event) = channel.poll().await {
        let notice = if let DataChannelEvent::OnMessage(message) = event {
            Notice::ChannelMessage(label.clone(), message.data.freeze())
        } else if matches!(event, DataChannelEvent::OnOpen) {
            Notice::ChannelOpen(label.clone())
        } else if matches!(event, DataChannelEvent::OnClose) {
            break;
        } else {
            continue;
        };
        if !inbox.send(notice).await {
            return;
        }
    }
    inbox.send(Notice::ChannelClosed(label)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_channel_takes_the_label_of_a_fixed_one_that_ended() {
        let mut channels = Channels::default();
        for label in [ctrl::LABEL, chat::LABEL] {
            channels.closed(label);
            assert!(!channels.is_free(label), "{label}");
        }
        assert!(channels.is_free("file/1"));
    }
}

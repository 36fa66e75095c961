//! What waits to be written to one client. Bounded: a client that does not read is let go, nobody waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::extract::ws::Utf8Bytes;
use parlor_protocol::signal::ToClient;
use tokio::sync::mpsc;

/// Messages that may wait for one client.
const MESSAGES: usize = 512;
/// Bytes that may wait for one client.
const BYTES: usize = 2 * 1024 * 1024;

/// The end into which messages go. When the last one is dropped, the client gets what waits and is then disconnected.
#[derive(Clone)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// An end that does not keep the client connected.
pub(crate) struct WeakOutbox {
    sender: mpsc::WeakSender<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// The end out of which messages come.
pub(crate) struct Waiting {
    receiver: mpsc::Receiver<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// More waits than may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Both ends.
pub(crate) fn outbox() -> (Outbox, Waiting) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let bytes = Arc::<AtomicUsize>::default();
    (Outbox { sender, bytes: Arc::clone(&bytes) }, Waiting { receiver, bytes })
}

impl Outbox {
    /// Puts in a message that was written before: one text for many.
    pub(crate) fn put_text(&self, text: Utf8Bytes) -> Result<(), Full> {
        let length = text.as_str().len();
        // Counts only, so no order with anything else is needed.
        if self.bytes.load(Ordering::Relaxed).saturating_add(length) > BYTES {
            return Err(Full);
        }
        self.bytes.fetch_add(length, Ordering::Relaxed);
        self.sender.try_send(text).map_err(|_| Full)
    }

    /// Puts in a message.
    pub(crate) fn put(&self, message: &ToClient) -> Result<(), Full> {
        self.put_text(text(message))
    }

    /// An end that does not keep the client connected.
    pub(crate) fn downgrade(&self) -> WeakOutbox {
        WeakOutbox { sender: self.sender.downgrade(), bytes: Arc::clone(&self.bytes) }
    }
}

impl WeakOutbox {
    /// The whole end, while there is one.
    pub(crate) fn upgrade(&self) -> Option<Outbox> {
        self.sender.upgrade().map(|sender| Outbox { sender, bytes: Arc::clone(&self.bytes) })
    }
}

impl Waiting {
    /// The next message; none when all that waited is out and no more can come.
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        let text = self.receiver.recv().await?;
        self.bytes.fetch_sub(text.as_str().len(), Ordering::Relaxed);
        Some(text)
    }
}

#[cfg(test)]
impl Waiting {
    /// What waits now.
    pub(crate) fn drain(&mut self) -> Vec<ToClient> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).map(|text| serde_json::from_str(&text).unwrap()).collect()
    }

    /// Whether the client was let go.
    pub(crate) fn is_closed(&self) -> bool {
        self.receiver.is_closed()
    }
}

/// A message as it goes over the wire.
pub(crate) fn text(message: &ToClient) -> Utf8Bytes {
    serde_json::to_string(message).expect("our own messages have no keys but texts").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_comes_out_in_order_even_after_the_end() {
        let (outbox, mut waiting) = outbox();
        outbox.put(&ToClient::Pong { n: 1 }).unwrap();
        outbox.put(&ToClient::Pong { n: 2 }).unwrap();
        drop(outbox);
        assert_eq!(waiting.next().await.unwrap().as_str(), r#"{"type":"pong","n":1}"#);
        assert_eq!(waiting.next().await.unwrap().as_str(), r#"{"type":"pong","n":2}"#);
        assert_eq!(waiting.next().await, None);
    }

    #[test]
    fn messages_are_bounded() {
        let (outbox, _waiting) = outbox();
        let put = (0..10_000).take_while(|_| outbox.put(&ToClient::Pong { n: 1 }).is_ok()).count();
        assert_eq!(put, MESSAGES);
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_given_back() {
        let (outbox, mut waiting) = outbox();
        let large = Utf8Bytes::from("x".repeat(BYTES / 2));
        outbox.put_text(large.clone()).unwrap();
        outbox.put_text(large.clone()).unwrap();
        assert_eq!(outbox.put_text("x".into()), Err(Full));
        assert_eq!(waiting.next().await, Some(large.clone()));
        assert_eq!(outbox.put_text(large), Ok(()));
    }

    #[test]
    fn a_weak_end_keeps_nothing_open() {
        let (outbox, _waiting) = outbox();
        let weak = outbox.downgrade();
        assert!(weak.upgrade().is_some());
        drop(outbox);
        assert!(weak.upgrade().is_none());
    }
}

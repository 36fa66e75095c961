//! Pictures for the page that asks for them.
//!
//! The page asks for the next message as soon as it has the one before, and is answered when there is something to show: one
//! message at a time is on its way, and what a slow page has no time for waits in [`Frames`], which is bounded. A Tauri
//! channel would run two scripts in the page for each message, and never say that the page is behind.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use parlor_client::FrameSink;
use parlor_protocol::frame::FrameHeader;
use tokio::sync::Notify;

use crate::frames::{Fate, Frames};

/// The client's pictures on their way to a page.
#[derive(Default)]
pub(crate) struct Pictures {
    state: Mutex<State>,
    /// Rings when there may be something new for whoever asked.
    bell: Notify,
}

#[derive(Default)]
struct State {
    frames: Frames,
    /// The page that is served.
    page: u32,
}

impl Pictures {
    /// Serves another page from now on. The result is its number, with which it asks.
    pub(crate) fn attach(&self) -> u32 {
        let mut state = self.lock();
        state.page += 1;
        state.frames.restart();
        self.bell.notify_waiters();
        state.page
    }

    /// The next message for a page, as soon as there is one; nothing for a page whose place another one took.
    pub(crate) async fn next(&self, page: u32) -> Option<Vec<u8>> {
        loop {
            // Made before the look: it hears what rings from here on.
            let rung = self.bell.notified();
            {
                let mut state = self.lock();
                if state.page != page {
                    return None;
                }
                if let Some(message) = state.frames.take() {
                    return Some(message);
                }
            }
            rung.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FrameSink for Pictures {
    fn frame(&self, header: FrameHeader, payload: &[u8]) -> bool {
        let fate = self.lock().frames.put(header, payload, Instant::now());
        self.bell.notify_waiters();
        match fate {
            Fate::KeyFrameNeeded => false,
            Fate::Lost | Fate::Taken => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use parlor_protocol::frame::{FrameCodec, HEADER_BYTES};
    use tokio::time::timeout;

    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(30);

    fn put(pictures: &Pictures, byte: u8) -> bool {
        let header = FrameHeader {
            codec: FrameCodec::Vp8,
            key: true,
            mirror: false,
            tile: 1,
            width: 16,
            height: 16,
            time_us: 0,
        };
        pictures.frame(header, &[byte; 1000])
    }

    /// The first bytes of the payloads in a message.
    fn payloads(message: &[u8]) -> Vec<u8> {
        message.chunks_exact(HEADER_BYTES + 1000).map(|frame| frame[HEADER_BYTES]).collect()
    }

    #[tokio::test]
    async fn who_asks_is_answered_when_there_is_a_picture() {
        let pictures = Arc::new(Pictures::default());
        let page = pictures.attach();
        let asked = tokio::spawn({
            let pictures = Arc::clone(&pictures);
            async move { pictures.next(page).await }
        });
        tokio::time::sleep(A_MOMENT).await;
        assert!(!asked.is_finished());
        put(&pictures, 7);
        let message = timeout(LONG, asked).await.unwrap().unwrap().unwrap();
        assert_eq!(payloads(&message), [7]);
    }

    #[tokio::test]
    async fn what_came_while_nobody_asked_goes_at_once_and_is_bounded() {
        let pictures = Pictures::default();
        let page = pictures.attach();
        for byte in 0..100 {
            put(&pictures, byte);
        }
        let message = timeout(LONG, pictures.next(page)).await.unwrap().unwrap();
        assert_eq!(payloads(&message), [0, 1, 2, 3, 4]);
        assert!(timeout(A_MOMENT, pictures.next(page)).await.is_err());
    }

    #[tokio::test]
    async fn a_page_whose_place_was_taken_is_sent_away() {
        let pictures = Arc::new(Pictures::default());
        let old = pictures.attach();
        let asked = tokio::spawn({
            let pictures = Arc::clone(&pictures);
            async move { pictures.next(old).await }
        });
        tokio::time::sleep(A_MOMENT).await;
        put(&Pictures::default(), 0);
        let new = pictures.attach();
        assert_eq!(timeout(LONG, asked).await.unwrap().unwrap(), None);
        put(&pictures, 3);
        assert_eq!(pictures.next(old).await, None);
        assert_eq!(payloads(&timeout(LONG, pictures.next(new)).await.unwrap().unwrap()), [3]);
    }
}

//! Pictures for the page that asks for them.
//!
//! The page asks for the next message as soon as it has the one before, and is answered when there is something to show: one
//! message at a time is on its way, and what a slow page has no time for waits in [`Frames`], which is bounded. A Tauri
//! channel would run two scripts in the page for each message, and never say that the page is behind.
//!
//! Requests are numbered, as an answer may be lost: where its own protocol fails, Tauri repeats the request by another way, and
//! the page asks again when it is refused. What was in a lost answer cannot be decoded without.

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
    /// Counts its requests, those with the same number too: the newest is the one to answer.
    turn: u64,
    /// The number of the newest request that was answered.
    answered: u32,
}

/// The page asked again: the answer to this request would not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overtaken;

impl Pictures {
    /// Serves another page from now on. The result is its number, with which it asks.
    pub(crate) fn attach(&self) -> u32 {
        let mut state = self.lock();
        state.page += 1;
        state.answered = 0;
        state.frames.restart();
        self.bell.notify_waiters();
        state.page
    }

    /// The next message for a page, as soon as there is one; nothing for a page whose place another one took. Requests are
    /// numbered from 1. One that does not follow the last one that was answered says that the answer did not arrive.
    pub(crate) async fn next(&self, page: u32, number: u32) -> Result<Option<Vec<u8>>, Overtaken> {
        let turn = self.turn(page, number);
        loop {
            // Made before the look: it hears what rings from here on.
            let rung = self.bell.notified();
            {
                let mut state = self.lock();
                if state.page != page {
                    return Ok(None);
                }
                if Some(state.turn) != turn {
                    return Err(Overtaken);
                }
                if let Some(message) = state.frames.take() {
                    state.answered = number;
                    return Ok(Some(message));
                }
            }
            rung.await;
        }
    }

    /// The place of a new request among all; none for a page that is not served.
    fn turn(&self, page: u32, number: u32) -> Option<u64> {
        let mut state = self.lock();
        if state.page != page {
            return None;
        }
        let answered = state.answered;
        if number != answered.wrapping_add(1) {
            tracing::debug!(number, answered, "the page missed pictures");
            state.frames.lose();
        }
        state.turn += 1;
        self.bell.notify_waiters();
        Some(state.turn)
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

    /// A key frame.
    fn put(pictures: &Pictures, byte: u8) -> bool {
        put_as(pictures, byte, true)
    }

    /// False where a key frame is needed.
    fn put_as(pictures: &Pictures, byte: u8, key: bool) -> bool {
        let header =
            FrameHeader { codec: FrameCodec::Vp8, key, mirror: false, tile: 1, width: 16, height: 16, time_us: 0 };
        pictures.frame(header, &[byte; 1000])
    }

    /// Asks, and does not wait.
    fn ask(
        pictures: &Arc<Pictures>,
        page: u32,
        number: u32,
    ) -> tokio::task::JoinHandle<Result<Option<Vec<u8>>, Overtaken>> {
        let pictures = Arc::clone(pictures);
        tokio::spawn(async move { pictures.next(page, number).await })
    }

    /// What the page is answered that asks now.
    async fn shown(pictures: &Pictures, page: u32, number: u32) -> Vec<u8> {
        payloads(&timeout(LONG, pictures.next(page, number)).await.unwrap().unwrap().unwrap())
    }

    /// The first bytes of the payloads in a message.
    fn payloads(message: &[u8]) -> Vec<u8> {
        message.chunks_exact(HEADER_BYTES + 1000).map(|frame| frame[HEADER_BYTES]).collect()
    }

    #[tokio::test]
    async fn who_asks_is_answered_when_there_is_a_picture() {
        let pictures = Arc::new(Pictures::default());
        let page = pictures.attach();
        let asked = ask(&pictures, page, 1);
        tokio::time::sleep(A_MOMENT).await;
        assert!(!asked.is_finished());
        put(&pictures, 7);
        let message = timeout(LONG, asked).await.unwrap().unwrap().unwrap().unwrap();
        assert_eq!(payloads(&message), [7]);
    }

    #[tokio::test]
    async fn what_came_while_nobody_asked_goes_at_once_and_is_bounded() {
        let pictures = Pictures::default();
        let page = pictures.attach();
        for byte in 0..100 {
            put(&pictures, byte);
        }
        assert_eq!(shown(&pictures, page, 1).await, [0, 1, 2, 3, 4]);
        assert!(timeout(A_MOMENT, pictures.next(page, 2)).await.is_err());
    }

    #[tokio::test]
    async fn a_page_whose_place_was_taken_is_sent_away() {
        let pictures = Arc::new(Pictures::default());
        let old = pictures.attach();
        let asked = ask(&pictures, old, 1);
        tokio::time::sleep(A_MOMENT).await;
        put(&Pictures::default(), 0);
        let new = pictures.attach();
        assert_eq!(timeout(LONG, asked).await.unwrap().unwrap(), Ok(None));
        put(&pictures, 3);
        assert_eq!(pictures.next(old, 2).await, Ok(None));
        assert_eq!(shown(&pictures, new, 1).await, [3]);
    }

    #[tokio::test]
    async fn what_follows_a_lost_answer_begins_with_a_key_frame_that_is_asked_for() {
        for again in [1, 3] {
            let pictures = Pictures::default();
            let page = pictures.attach();
            put(&pictures, 1);
            assert_eq!(shown(&pictures, page, 1).await, [1]);
            assert!(put_as(&pictures, 2, false), "it waits while the page takes the one before");
            // The page never got the first one: it asks for it again, or says that it got one which was never sent.
            assert!(timeout(A_MOMENT, pictures.next(page, again)).await.is_err(), "request {again}");
            assert!(!put_as(&pictures, 3, false), "request {again}: a key frame is needed");
            put(&pictures, 4);
            put_as(&pictures, 5, false);
            assert_eq!(shown(&pictures, page, 2).await, [4, 5], "request {again}");
        }
    }

    #[tokio::test]
    async fn answers_that_arrive_need_no_key_frame() {
        let pictures = Pictures::default();
        let page = pictures.attach();
        put(&pictures, 0);
        for number in 1..20u8 {
            assert_eq!(shown(&pictures, page, number.into()).await, [number - 1]);
            assert!(put_as(&pictures, number, false));
        }
    }

    #[tokio::test]
    async fn who_asks_again_while_nothing_was_answered_is_answered_alone_and_missed_nothing() {
        let pictures = Arc::new(Pictures::default());
        let page = pictures.attach();
        put(&pictures, 1);
        assert_eq!(shown(&pictures, page, 1).await, [1]);
        let first = ask(&pictures, page, 2);
        tokio::time::sleep(A_MOMENT).await;
        let again = ask(&pictures, page, 2);
        assert_eq!(timeout(LONG, first).await.unwrap().unwrap(), Err(Overtaken));
        assert!(put_as(&pictures, 2, false), "no key frame is needed");
        assert_eq!(payloads(&timeout(LONG, again).await.unwrap().unwrap().unwrap().unwrap()), [2]);
    }
}

//! A bounded way into the window.
//!
//! Tauri's channels take everything at once and never say that the window is behind: what is sent waits in memory until
//! the page fetches it. So after each message an empty script is sent along, whose end tells that the page has come so
//! far; with [`IN_FLIGHT`] messages unanswered nothing more is sent, and what waits meanwhile is in the hands of a
//! [`Queue`], which knows what may be merged and what may be lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tauri::{
    WebviewWindow,
    ipc::{Channel, InvokeResponseBody},
};

/// Messages on their way to the page. Two keep it busy while the answer to the first comes back; the third is for jitter.
const IN_FLIGHT: u32 = 3;

/// What waits for the window.
pub(crate) trait Queue: Send + 'static {
    /// The next message, or nothing.
    fn take(&mut self) -> Option<InvokeResponseBody>;
    /// Another page took the place of the one that was served.
    fn restart(&mut self);
}

/// Takes messages to a page.
pub(crate) trait Lane: Send {
    /// Sends a message; calls back, never from inside this call, once the page has come so far. False: there is no page.
    fn send(&self, message: InvokeResponseBody, done: Box<dyn FnOnce() + Send>) -> bool;
}

/// One way into the window, for all the pages it shows in its life.
pub(crate) struct Outlet<Q> {
    state: Mutex<State<Q>>,
}

struct State<Q> {
    queue: Q,
    lane: Option<Box<dyn Lane>>,
    /// Which lane this is: answers on an older one say nothing about it.
    lane_number: u64,
    in_flight: u32,
}

impl<Q: Queue> Outlet<Q> {
    /// An outlet that keeps what it is given until a page attaches.
    pub(crate) fn new(queue: Q) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { queue, lane: None, lane_number: 0, in_flight: 0 }) })
    }

    /// Serves this page from now on.
    pub(crate) fn attach(self: &Arc<Self>, lane: Box<dyn Lane>) {
        let mut state = self.lock();
        state.lane = Some(lane);
        state.lane_number += 1;
        state.in_flight = 0;
        state.queue.restart();
        self.pump(&mut state);
    }

    /// Changes what waits, and sends what may be sent. Never waits for the window.
    pub(crate) fn fill<R>(self: &Arc<Self>, change: impl FnOnce(&mut Q) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state.queue);
        self.pump(&mut state);
        result
    }

    fn pump(self: &Arc<Self>, state: &mut State<Q>) {
        while state.in_flight < IN_FLIGHT {
            let Some(lane) = &state.lane else { return };
            let Some(message) = state.queue.take() else { return };
            let (outlet, number) = (Arc::clone(self), state.lane_number);
            if !lane.send(message, Box::new(move || outlet.done(number))) {
                tracing::debug!("the window is gone");
                state.lane = None;
                return;
            }
            state.in_flight += 1;
        }
    }

    fn done(self: &Arc<Self>, lane_number: u64) {
        let mut state = self.lock();
        if state.lane_number == lane_number {
            state.in_flight = state.in_flight.saturating_sub(1);
            self.pump(&mut state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        // Nothing in here panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel of a page in a window.
pub(crate) struct PageLane {
    /// Where to send.
    pub(crate) channel: Channel<InvokeResponseBody>,
    /// Who answers.
    pub(crate) window: WebviewWindow,
}

impl Lane for PageLane {
    fn send(&self, message: InvokeResponseBody, done: Box<dyn FnOnce() + Send>) -> bool {
        let done = Mutex::new(Some(done));
        let answered = move |_result| {
            if let Some(done) = done.lock().unwrap_or_else(PoisonError::into_inner).take() {
                done();
            }
        };
        self.channel.send(message).and_then(|()| self.window.eval_with_callback("0", answered)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::mpsc};

    use super::*;

    type Done = Box<dyn FnOnce() + Send>;

    struct Numbers(VecDeque<u8>);

    impl Queue for Numbers {
        fn take(&mut self) -> Option<InvokeResponseBody> {
            self.0.pop_front().map(|number| InvokeResponseBody::Raw(vec![number]))
        }

        fn restart(&mut self) {}
    }

    struct TestLane(mpsc::Sender<(u8, Done)>);

    impl Lane for TestLane {
        fn send(&self, message: InvokeResponseBody, done: Done) -> bool {
            let InvokeResponseBody::Raw(bytes) = message else { return false };
            self.0.send((bytes[0], done)).is_ok()
        }
    }

    fn lane() -> (Box<TestLane>, mpsc::Receiver<(u8, Done)>) {
        let (sender, sent) = mpsc::channel();
        (Box::new(TestLane(sender)), sent)
    }

    fn numbers(sent: &mpsc::Receiver<(u8, Done)>) -> (Vec<u8>, Vec<Done>) {
        sent.try_iter().unzip()
    }

    #[test]
    fn what_came_before_the_page_is_sent_when_it_attaches() {
        let outlet = Outlet::new(Numbers(VecDeque::from([1, 2])));
        let (lane, sent) = lane();
        outlet.attach(lane);
        assert_eq!(numbers(&sent).0, [1, 2]);
    }

    #[test]
    fn a_page_that_does_not_answer_gets_no_more_than_the_bound() {
        let outlet = Outlet::new(Numbers(VecDeque::new()));
        let (lane, sent) = lane();
        outlet.attach(lane);
        for number in 0..10 {
            outlet.fill(|queue| queue.0.push_back(number));
        }
        let (first, mut answers) = numbers(&sent);
        assert_eq!(first, [0, 1, 2]);
        answers.remove(0)();
        assert_eq!(numbers(&sent).0, [3]);
    }

    #[test]
    fn answers_of_an_older_page_do_not_count() {
        let outlet = Outlet::new(Numbers((0..10).collect()));
        let (old, old_sent) = lane();
        outlet.attach(old);
        let (_, answers) = numbers(&old_sent);
        let (new, new_sent) = lane();
        outlet.attach(new);
        assert_eq!(numbers(&new_sent).0, [3, 4, 5]);
        for answer in answers {
            answer();
        }
        assert!(numbers(&new_sent).0.is_empty());
    }

    #[test]
    fn nothing_is_sent_to_a_page_that_is_gone() {
        let outlet = Outlet::new(Numbers(VecDeque::new()));
        let (gone, sent) = lane();
        outlet.attach(gone);
        drop(sent);
        outlet.fill(|queue| queue.0.push_back(1));
        let (next, next_sent) = lane();
        outlet.attach(next);
        outlet.fill(|queue| queue.0.push_back(2));
        assert_eq!(numbers(&next_sent).0, [2]);
    }
}

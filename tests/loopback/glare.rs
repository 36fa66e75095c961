//! Both sides want a restart in the same instant, again and again. They ask each other first, so that one of them offers;
//! offers that do cross are in `crossing.rs`.

use std::time::{Duration, Instant};

use parlor_protocol::{PeerId, diagnostics::History, session::SessionState, ui::UiCommand};
use parlor_tests::{PATIENCE, Peer, Setup, TestServer};
use tokio::{task::JoinSet, time};

use crate::diagnostics::{only, report};

/// Calls at the same time.
const CALLS: u32 = 5;
/// In each of them. Nobody makes more offers for long than one a second.
const TIMES: u32 = 20;
/// All of them together.
const WITHIN: Duration = Duration::from_mins(1);
/// When to ask again: what is asked for while a restart ends may be the same one.
const AGAIN: Duration = Duration::from_secs(2);

/// Two in a call.
struct Pair {
    peers: [Peer; 2],
    ids: [PeerId; 2],
}

impl Pair {
    async fn meet(server: &TestServer, room: &str) -> Self {
        let link = server.link(room);
        let mut peers = ["Anna", "Ben"].map(|name| Peer::join(Setup::silent(name), &link));
        for peer in &mut peers {
            peer.connected(1).await;
        }
        let [a, b] = &mut peers;
        let ids = [a.id().await, b.id().await];
        Self { peers, ids }
    }

    /// Each wants a restart, at once.
    fn restart(&self) {
        let [a, b] = &self.peers;
        a.client.ui(UiCommand::Reconnect { peer: self.ids[1] });
        b.client.ui(UiCommand::Reconnect { peer: self.ids[0] });
    }

    /// What both say of the call, and whether nothing is under way in it.
    async fn look(&mut self) -> ([History; 2], bool) {
        let [a, b] = &mut self.peers;
        let told = [report(a, false).await.0, report(b, false).await.0];
        let at_rest = told.iter().map(only).all(|peer| {
            let stable = peer.transport.as_ref().is_some_and(|transport| transport.signaling == "stable");
            peer.state == SessionState::Connected && peer.attempt == 0 && stable
        });
        (told.each_ref().map(|told| only(told).history), at_rest)
    }

    /// Waits until both have restarted more often than before.
    async fn settled(&mut self, before: [u32; 2]) -> [History; 2] {
        let deadline = Instant::now() + PATIENCE;
        let mut again = Instant::now() + AGAIN;
        loop {
            let (told, at_rest) = self.look().await;
            let restarted = told.iter().zip(before).all(|(history, before)| history.restarts > before);
            if restarted && at_rest {
                return told;
            }
            assert!(Instant::now() < deadline, "{told:?}\n{}\n{}", self.peers[0].story(), self.peers[1].story());
            if !restarted && Instant::now() > again {
                again = Instant::now() + AGAIN;
                self.restart();
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_restart_at_once_a_hundred_times_agree_every_time_and_lose_no_session() {
    let server = TestServer::start().await;
    let mut pairs = Vec::new();
    for call in 0..CALLS {
        pairs.push(Pair::meet(&server, &format!("glare-{call}")).await);
    }
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for mut pair in pairs {
        calls.spawn(async move {
            let mut before = [0, 0];
            for _ in 0..TIMES {
                pair.restart();
                before = pair.settled(before).await.map(|history| history.restarts);
            }
            pair
        });
    }
    let pairs = calls.join_all().await;
    assert!(started.elapsed() < WITHIN, "{:?}", started.elapsed());
    for mut pair in pairs {
        let (told, _) = pair.look().await;
        assert!(told.iter().all(|history| history.sessions == 1 && history.restarts >= TIMES), "{told:?}");
        let [a, mut b] = pair.peers;
        a.client.ui(UiCommand::SendChat { text: "still here".into() });
        b.chat("still here").await;
        a.leave().await;
        b.leave().await;
    }
}

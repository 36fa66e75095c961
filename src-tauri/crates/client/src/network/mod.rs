//! Notices what the machine's network is, and at once when it becomes another.
//!
//! Owns: addresses, default routes, and whether the machine slept. Refuses: what a change means for a call, which is the
//! core's. What the system says of a change is only a bell: whatever rang, the whole is read anew and compared, so that
//! a lost or a misread message costs nothing.

mod addresses;
// Linux rings by itself; other systems are asked again and again.
#[cfg_attr(not(target_os = "linux"), path = "bell_polled.rs")]
mod bell;
mod clock;
#[cfg(target_os = "linux")]
mod gateways;
#[cfg(target_os = "linux")]
pub(crate) mod link;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use tokio::{sync::watch, time};

use self::{
    bell::Bell,
    clock::{Reading, Wakes},
};

/// What happens within this time is one change: an address comes with its routes, and one uplink goes as another comes.
const SETTLE: Duration = Duration::from_millis(50);
/// How often the clocks are compared.
const CHECK_CLOCKS_EVERY: Duration = Duration::from_secs(1);

/// What the machine's network is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkChange {
    /// Addresses that a socket can use to reach others: of a link that is up, neither loopback nor link-local IPv6.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// The machine slept, or this process was stopped, since the change before.
    pub(crate) woke: bool,
    /// The address that the system would choose towards the internet: one for each of IPv4 and IPv6, where there is a way.
    pub(crate) preferred: BTreeSet<IpAddr>,
}

/// Watches the machine's network for as long as it is held.
pub(crate) struct NetworkWatch {
    state: watch::Receiver<State>,
    /// Awakenings that were told.
    wakes: u64,
}

/// What is compared: two networks that are equal are one, and no change lies between them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    addresses: BTreeSet<IpAddr>,
    preferred: BTreeSet<IpAddr>,
    /// Through whom the internet is reached: another router is another path, even from the same address.
    gateways: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct State {
    network: Network,
    /// Awakenings so far.
    wakes: u64,
}

impl NetworkWatch {
    /// Starts to watch. Must be called within a Tokio runtime.
    pub(crate) fn spawn() -> Self {
        Self::with_clocks(clock::read)
    }

    /// The same, with clocks of one's own.
    fn with_clocks(clocks: impl FnMut() -> Reading + Send + 'static) -> Self {
        // Hung up before the first look: nothing happens unnoticed between the two.
        let bell = Bell::hang();
        let (sender, state) = watch::channel(State { network: Network::read(), wakes: 0 });
        tokio::spawn(watch(bell, clocks, sender));
        Self { state, wakes: 0 }
    }

    /// Waits for the next change. Safe to call off; several within 50 ms are one.
    pub(crate) async fn changed(&mut self) -> NetworkChange {
        if self.state.changed().await.is_err() {
            // The runtime ends.
            return std::future::pending().await;
        }
        let State { network, wakes } = self.state.borrow_and_update().clone();
        let woke = std::mem::replace(&mut self.wakes, wakes) != wakes;
        network.told(woke)
    }

    /// The network as it was when it was last looked at.
    pub(crate) fn now(&self) -> NetworkChange {
        self.state.borrow().network.clone().told(false)
    }
}

impl Network {
    fn read() -> Self {
        #[cfg(target_os = "linux")]
        let gateways = gateways::read();
        #[cfg(not(target_os = "linux"))]
        let gateways = BTreeSet::new();
        Self { addresses: addresses::usable(), preferred: addresses::preferred(), gateways }
    }

    fn told(self, woke: bool) -> NetworkChange {
        NetworkChange { addresses: self.addresses, woke, preferred: self.preferred }
    }
}

async fn watch(bell: Bell, mut clocks: impl FnMut() -> Reading, state: watch::Sender<State>) {
    let mut wakes = Wakes::new(clocks());
    let mut check = time::interval(CHECK_CLOCKS_EVERY);
    check.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        let rang = tokio::select! {
            () = bell.rings() => true,
            _ = check.tick() => false,
            () = state.closed() => return,
        };
        if rang {
            time::sleep(SETTLE).await;
            bell.hush();
        }
        // An awakened machine's interfaces may ring before the next tick.
        let woke = wakes.woke(clocks());
        if rang || woke {
            look(&state, woke);
        }
    }
}

fn look(state: &watch::Sender<State>, woke: bool) {
    let network = Network::read();
    state.send_if_modified(|state| {
        let moved = state.network != network;
        if moved || woke {
            tracing::debug!(woke, moved, addresses = network.addresses.len(), "the network changed");
        }
        state.network = network;
        state.wakes += u64::from(woke);
        moved || woke
    });
}

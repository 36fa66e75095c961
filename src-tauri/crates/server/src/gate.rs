//! How many connections come from one address.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::HeaderMap;

/// Counts connections by address.
pub(crate) struct Gate {
    most: u32,
    /// A lock for the one reason that a pass is given back when it is dropped. Held for a look-up, never over an await.
    counts: Mutex<BTreeMap<IpAddr, u32>>,
}

/// Leave to hold one connection.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    network: IpAddr,
}

impl Gate {
    /// Lets so many in from one address.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, counts: Mutex::default() }
    }

    /// A pass, while the address has not used up its own.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Pass> {
        let network = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Pass { gate: Arc::clone(self), network })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.gate.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(&self.network) else { return };
        *count -= 1;
        if *count == 0 {
            counts.remove(&self.network);
        }
    }
}

/// What one subscriber has: an IPv4 address, or an IPv6 /64 network (RFC 6177 §2).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// The address that the proxy in front of us saw: the last one, because whatever is before it the client may have written.
pub(crate) fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Arc<Gate> {
        Arc::new(Gate::new(2))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_passes_and_gets_them_back() {
        let gate = gate();
        let first = gate.enter(address("192.0.2.1"));
        let _second = gate.enter(address("192.0.2.1")).unwrap();
        assert!(gate.enter(address("192.0.2.1")).is_none());
        drop(first);
        assert!(gate.enter(address("192.0.2.1")).is_some());
    }

    #[test]
    fn addresses_do_not_share() {
        let gate = gate();
        let _passes: Vec<_> = (0..2).map(|_| gate.enter(address("192.0.2.1")).unwrap()).collect();
        assert!(gate.enter(address("192.0.2.2")).is_some());
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let gate = gate();
        let _passes = [gate.enter(address("2001:db8::1")).unwrap(), gate.enter(address("2001:db8::2")).unwrap()];
        assert!(gate.enter(address("2001:db8::3")).is_none());
        assert!(gate.enter(address("2001:db8:0:1::3")).is_some());
    }

    #[test]
    fn nothing_is_kept_of_those_who_went() {
        let gate = gate();
        drop(gate.enter(address("192.0.2.1")));
        assert!(gate.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn only_the_proxys_own_entry_is_believed() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded(&headers), None);
        headers.append("x-forwarded-for", "203.0.113.9, 192.0.2.1".parse().unwrap());
        assert_eq!(forwarded(&headers), Some(address("192.0.2.1")));
        headers.append("x-forwarded-for", "nonsense".parse().unwrap());
        assert_eq!(forwarded(&headers), None);
    }
}

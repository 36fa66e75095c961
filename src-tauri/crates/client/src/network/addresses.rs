//! The machine's addresses.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

/// Addresses for documentation (RFC 5737, RFC 3849): as far away as the internet, and nobody's. Nothing is sent there.
const AFAR: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];
/// Any port does where nothing is sent; this one discards (RFC 863).
const DISCARD: u16 = 9;

/// Addresses that a socket can use to reach others.
pub(super) fn usable() -> BTreeSet<IpAddr> {
    let linked = linked().unwrap_or_else(|error| {
        tracing::warn!(%error, "this machine does not tell its addresses");
        Vec::new()
    });
    linked.into_iter().filter(|address| reaches_others(*address) && is_ready(*address)).collect()
}

/// The address that the system would choose towards the internet, for each family that has a way there. Connecting a UDP
/// socket asks for the route and sends nothing.
pub(super) fn preferred() -> BTreeSet<IpAddr> {
    let towards = |(any, afar): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((afar, DISCARD)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    AFAR.into_iter().filter_map(towards).filter(|address| reaches_others(*address)).collect()
}

fn reaches_others(address: IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !local && !address.is_loopback() && !address.is_unspecified()
}

/// An IPv6 address is listed before it is known to be nobody else's, and until then no socket gets it (RFC 4862 §5.4).
fn is_ready(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Addresses of all links that are up and have a carrier.
#[cfg(unix)]
fn linked() -> std::io::Result<Vec<IpAddr>> {
    use nix::net::if_::InterfaceFlags;

    let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let interfaces = nix::ifaddrs::getifaddrs()?;
    let runs = |interface: &nix::ifaddrs::InterfaceAddress| interface.flags.contains(up);
    Ok(interfaces.filter(runs).filter_map(|interface| ip(interface.address.as_ref()?)).collect())
}

/// The IP address in an interface's address; links have others.
#[cfg(unix)]
pub(super) fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// Addresses of all links that are up. Never built.
#[cfg(windows)]
fn linked() -> std::io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect())
}

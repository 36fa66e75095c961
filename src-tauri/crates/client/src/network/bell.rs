//! Linux's own word for a change of links, addresses and routes: a netlink socket (rtnetlink(7)).

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket},
};
use tokio::{io::unix::AsyncFd, time};

/// What is listened to.
const GROUPS: libc::c_int = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV4_RULE
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV6_ROUTE;
/// Messages that are taken off at once: a router's whole table may come by.
const MESSAGES: usize = 1024;
/// How often to look where the system does not tell.
const POLL: Duration = Duration::from_secs(2);

/// Rings when the system says that something about its network changed.
pub(super) struct Bell {
    /// Nothing, where the system refused: a sandbox may.
    netlink: Option<AsyncFd<OwnedFd>>,
}

impl Bell {
    pub(super) fn hang() -> Self {
        let netlink = open().inspect_err(|error| {
            tracing::warn!(%error, "changes of network are looked for every two seconds: the system does not tell them");
        });
        Self { netlink: netlink.ok() }
    }

    /// Waits until it rings. Safe to call off.
    pub(super) async fn rings(&self) {
        let Some(netlink) = &self.netlink else { return time::sleep(POLL).await };
        loop {
            let Ok(mut ready) = netlink.readable().await else { return time::sleep(POLL).await };
            match drain(netlink) {
                Ok(0) => ready.clear_ready(),
                Ok(_) => return ready.clear_ready(),
                Err(error) => {
                    tracing::warn!(%error, "the system's word on its network cannot be read");
                    ready.clear_ready();
                    return time::sleep(POLL).await;
                }
            }
        }
    }

    /// Forgets what rang until now.
    pub(super) fn hush(&self) {
        if let Some(Err(error)) = self.netlink.as_ref().map(drain) {
            tracing::warn!(%error, "the system's word on its network cannot be read");
        }
    }
}

fn open() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, GROUPS.unsigned_abs()))?;
    #[allow(
        deprecated,
        reason = "its successor is unsafe, and asks for no more than what an `OwnedFd` keeps by itself"
    )]
    AsyncFd::new(netlink)
}

/// Takes off what waits, and counts it. What it says does not matter: the network itself is looked at.
fn drain(netlink: &AsyncFd<OwnedFd>) -> io::Result<usize> {
    for taken in 0..MESSAGES {
        match recv(netlink.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT) {
            // More was said than was kept for us: that too is a change.
            Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(taken),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(MESSAGES)
}

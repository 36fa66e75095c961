//! Addresses as they are shown to those who need not know them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is said of `ADDRESS:PORT` instead: what kind it is, which is what helps to find a fault.
pub(crate) fn hidden(address: &str) -> &'static str {
    match address.parse::<SocketAddr>().map(|address| address.ip().to_canonical()) {
        Ok(IpAddr::V4(address)) => v4(address),
        Ok(IpAddr::V6(address)) => v6(address),
        // A name that stands for an address on the same network (RFC 8828 §3.1.1).
        Err(_) if address.rsplit_once(':').is_some_and(|(host, _)| host.ends_with(".local")) => "x.local",
        Err(_) => "x",
    }
}

fn v4(address: Ipv4Addr) -> &'static str {
    match address.octets() {
        [127, ..] => "127.x.x.x",
        [10, ..] => "10.x.x.x",
        [172, 16..=31, ..] => "172.x.x.x",
        [192, 168, ..] => "192.168.x.x",
        [169, 254, ..] => "169.254.x.x",
        // Shared between the customers of a provider (RFC 6598).
        [100, 64..=127, ..] => "100.x.x.x",
        _ => "public IPv4",
    }
}

fn v6(address: Ipv6Addr) -> &'static str {
    if address.is_loopback() {
        "::1"
    } else if address.is_unicast_link_local() {
        "fe80::x"
    } else if address.is_unique_local() {
        "private IPv6"
    } else {
        "public IPv6"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_kind_of_an_address_and_nothing_of_it() {
        for (address, shown) in [
            ("192.168.178.23:50000", "192.168.x.x"),
            ("10.1.2.3:50000", "10.x.x.x"),
            ("172.20.2.3:50000", "172.x.x.x"),
            ("172.32.2.3:50000", "public IPv4"),
            ("100.99.2.3:50000", "100.x.x.x"),
            ("100.1.2.3:50000", "public IPv4"),
            ("169.254.9.9:1", "169.254.x.x"),
            ("127.0.0.1:1", "127.x.x.x"),
            ("203.0.113.9:443", "public IPv4"),
            ("[fe80::1:2]:1", "fe80::x"),
            ("[fd12:3456::1]:1", "private IPv6"),
            ("[2001:db8::7]:1", "public IPv6"),
            ("[::ffff:192.168.1.7]:1", "192.168.x.x"),
            ("[::1]:1", "::1"),
            ("5b3e8a2c-0000-4000-8000-000000000000.local:1", "x.local"),
            ("annas-laptop.example.org:1", "x"),
            ("", "x"),
        ] {
            assert_eq!(hidden(address), shown, "{address}");
        }
    }
}

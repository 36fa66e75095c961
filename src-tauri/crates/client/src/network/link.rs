//! What kind of link an address belongs to, as Linux tells it.

use std::{fs, net::IpAddr, path::Path};

/// Where Linux describes its interfaces (sysfs(5)).
const INTERFACES: &str = "/sys/class/net";

/// `wifi`, `cable` or `tunnel`; `None` where it is neither, or not known.
pub(crate) fn kind(address: IpAddr) -> Option<&'static str> {
    let interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let of_interface = |interface: nix::ifaddrs::InterfaceAddress| {
        let found = interface.address.as_ref().and_then(super::addresses::ip)? == address;
        found.then_some(interface.interface_name)
    };
    let name = interfaces.into_iter().find_map(of_interface)?;
    described(&Path::new(INTERFACES).join(name))
}

fn described(interface: &Path) -> Option<&'static str> {
    let event = fs::read_to_string(interface.join("uevent")).unwrap_or_default();
    match event.lines().find_map(|line| line.strip_prefix("DEVTYPE=")) {
        Some("wlan") => Some("wifi"),
        Some("wireguard") => Some("tunnel"),
        _ if interface.join("tun_flags").exists() => Some("tunnel"),
        // Bridges and the like have no device behind them.
        None if interface.join("device").exists() => Some("cable"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(uevent: &str, inside: Option<&str>) -> Option<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("uevent"), uevent).unwrap();
        if let Some(inside) = inside {
            fs::create_dir(folder.path().join(inside)).unwrap();
        }
        described(folder.path())
    }

    #[test]
    fn an_interface_is_told_by_its_type() {
        assert_eq!(interface("DEVTYPE=wlan\nINTERFACE=wlp3s0\nIFINDEX=3\n", Some("device")), Some("wifi"));
        assert_eq!(interface("DEVTYPE=wireguard\nINTERFACE=wg0\n", None), Some("tunnel"));
        assert_eq!(interface("INTERFACE=tun0\n", Some("tun_flags")), Some("tunnel"));
        assert_eq!(interface("INTERFACE=enp1s0\nIFINDEX=2\n", Some("device")), Some("cable"));
        assert_eq!(interface("DEVTYPE=bridge\nINTERFACE=br0\n", None), None);
        assert_eq!(interface("INTERFACE=veth0\n", None), None);
    }

    #[test]
    fn loopback_is_no_link() {
        assert_eq!(kind(IpAddr::from([127, 0, 0, 1])), None);
        assert_eq!(kind(IpAddr::from([192, 0, 2, 77])), None);
    }
}

//! The routers behind Linux's default routes (proc_pid_net(5)).

use std::{collections::BTreeSet, fs};

/// The best default route of each family: its link and its router, as the kernel writes them. Routes of other tables, as
/// tunnels like to have, show in the address that is preferred.
pub(super) fn read() -> BTreeSet<String> {
    // Without these files, addresses alone say what changed.
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let v4 = best(&read("/proc/thread-self/net/route"), of_v4);
    let v6 = best(&read("/proc/thread-self/net/ipv6_route"), of_v6);
    v4.into_iter().chain(v6).collect()
}

/// Metric and name of the best route in a table.
fn best(table: &str, route: fn(&[&str]) -> Option<(u32, String)>) -> Option<String> {
    let fields = |line: &str| route(&line.split_whitespace().collect::<Vec<_>>());
    table.lines().filter_map(fields).min().map(|(_, name)| name)
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`
fn of_v4(fields: &[&str]) -> Option<(u32, String)> {
    let [link, "00000000", router, _, _, _, metric, "00000000", ..] = fields else { return None };
    Some((metric.parse().ok()?, format!("{link} {router}")))
}

/// `destination length source length router metric references uses flags link`, in hexadecimal
fn of_v6(fields: &[&str]) -> Option<(u32, String)> {
    let [destination, "00", _, _, router, metric, _, _, _, link] = fields else { return None };
    // The kernel lists a route to nowhere there, on the loopback.
    let default = destination.bytes().all(|digit| digit == b'0') && *link != "lo";
    Some((u32::from_str_radix(metric, 16).ok().filter(|_| default)?, format!("{link} {router}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_default_route_is_the_one_of_the_least_metric() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(best(table, of_v4).as_deref(), Some("eth0 0100000A"));
    }

    #[test]
    fn the_route_to_nowhere_is_none() {
        let zero = "0".repeat(32);
        let nowhere = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n");
        assert_eq!(best(&nowhere, of_v6), None);
        let router = "fe800000000000000000000000000001";
        let table = format!("{nowhere}{zero} 00 {zero} 00 {router} 00000064 00000001 00000000 00000003 eth0\n");
        assert_eq!(best(&table, of_v6), Some(format!("eth0 {router}")));
    }

    #[test]
    fn a_table_that_is_none_has_no_routes() {
        assert_eq!(best("nonsense\n\n 00000000 00", of_v4), None);
        assert_eq!(best("nonsense\n\n 00000000 00", of_v6), None);
    }
}

//! Real links, addresses and routes: each test runs once more inside a network namespace of its own.

use std::{
    env,
    process::Command,
    sync::{Arc, Mutex},
    time::Instant,
};

use super::*;

/// Set inside the namespace.
const INSIDE: &str = "PARLOR_TEST_NAMESPACE";
/// By when a change must be told, 50 ms of settling included.
const SOON: Duration = Duration::from_millis(200);

/// Runs a test of this module again in a network namespace that holds nothing but a loopback.
fn in_a_namespace(name: &str, test: impl Future<Output = ()>) {
    if env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(test);
    }
    let run = Command::new("unshare")
        .args(["--net", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("network::tests::{name}")])
        .env(INSIDE, "1")
        .output()
        .expect("the program `unshare` of util-linux");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(
        run.status.success() && out.contains("1 passed"),
        "this test makes a network namespace, which needs root: {out}{err}"
    );
}

/// Does things to the network with `ip`, one to a line.
fn ip(commands: &str) {
    for command in commands.lines() {
        let run = Command::new("ip").args(command.split_whitespace()).output().expect("the program `ip` of iproute2");
        assert!(run.status.success(), "ip {command}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

/// Two links to two networks, cable and air, with cable the better way out.
fn two_uplinks() {
    ip("link set lo up
        link add cable type veth peer name cable-far
        link add air type veth peer name air-far
        addr add 10.77.0.2/24 dev cable
        addr add 10.78.0.2/24 dev air
        link set cable-far up
        link set air-far up
        link set cable up
        link set air up
        route add default via 10.77.0.1 dev cable metric 100
        route add default via 10.78.0.1 dev air metric 600");
}

/// A watch on two uplinks that have come to rest.
async fn rested() -> NetworkWatch {
    two_uplinks();
    // Links say that they run a moment after they were told to, and make themselves addresses of IPv6.
    time::sleep(Duration::from_millis(1500)).await;
    NetworkWatch::spawn()
}

async fn soon(watch: &mut NetworkWatch) -> NetworkChange {
    let from = Instant::now();
    let change = time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a change was not noticed");
    assert!(from.elapsed() < SOON, "noticed after {:?}", from.elapsed());
    change
}

async fn none(watch: &mut NetworkWatch) {
    assert!(time::timeout(2 * SOON, watch.changed()).await.is_err(), "nothing changed, and it was told");
}

fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

#[test]
fn an_address_that_comes_or_goes_is_noticed_at_once() {
    in_a_namespace("an_address_that_comes_or_goes_is_noticed_at_once", async {
        let mut watch = rested().await;
        let at_first = watch.now();
        assert_eq!((at_first.addresses, at_first.woke), (set(&["10.77.0.2", "10.78.0.2"]), false));
        ip("addr add 10.79.0.2/24 dev air");
        assert_eq!(soon(&mut watch).await.addresses, set(&["10.77.0.2", "10.78.0.2", "10.79.0.2"]));
        ip("addr del 10.78.0.2/24 dev air");
        assert_eq!(soon(&mut watch).await.addresses, set(&["10.77.0.2", "10.79.0.2"]));
        assert_eq!(watch.now().addresses, set(&["10.77.0.2", "10.79.0.2"]));
        ip("addr add 2001:db8:1::2/64 dev cable nodad");
        assert_eq!(soon(&mut watch).await.addresses, set(&["10.77.0.2", "10.79.0.2", "2001:db8:1::2"]));
    });
}

#[test]
fn a_link_that_goes_down_or_up_is_noticed_at_once() {
    in_a_namespace("a_link_that_goes_down_or_up_is_noticed_at_once", async {
        let mut watch = rested().await;
        ip("link set cable down");
        let down = soon(&mut watch).await;
        assert_eq!((down.addresses, down.preferred), (set(&["10.78.0.2"]), set(&["10.78.0.2"])));
        ip("link set cable up");
        assert_eq!(soon(&mut watch).await.addresses, set(&["10.77.0.2", "10.78.0.2"]));
    });
}

#[test]
fn a_default_route_that_moves_is_noticed_at_once() {
    in_a_namespace("a_default_route_that_moves_is_noticed_at_once", async {
        let mut watch = rested().await;
        assert_eq!(watch.now().preferred, set(&["10.77.0.2"]));
        ip("route add default via 10.78.0.1 dev air metric 50");
        let moved = soon(&mut watch).await;
        assert_eq!((moved.addresses, moved.preferred), (set(&["10.77.0.2", "10.78.0.2"]), set(&["10.78.0.2"])));
        // Another router on the same link: another path from the same address.
        ip("route replace default via 10.78.0.254 dev air metric 50");
        assert_eq!(soon(&mut watch).await.preferred, set(&["10.78.0.2"]));
        ip("route del default metric 50");
        assert_eq!(soon(&mut watch).await.preferred, set(&["10.77.0.2"]));
    });
}

#[test]
fn what_happens_together_is_one_change() {
    in_a_namespace("what_happens_together_is_one_change", async {
        let mut watch = rested().await;
        ip("addr add 10.79.0.2/24 dev air
            route add default via 10.79.0.1 dev air metric 50
            addr del 10.77.0.2/24 dev cable");
        let change = soon(&mut watch).await;
        assert_eq!((change.addresses, change.preferred), (set(&["10.78.0.2", "10.79.0.2"]), set(&["10.79.0.2"])));
        none(&mut watch).await;
    });
}

#[test]
fn what_no_call_could_use_is_no_change() {
    in_a_namespace("what_no_call_could_use_is_no_change", async {
        let mut watch = rested().await;
        ip("addr add 127.0.0.2/8 dev lo
            addr add fe80::77/64 dev cable nodad
            route add 10.99.0.0/16 via 10.77.0.9
            link add idle type veth peer name idle-far
            addr add 10.80.0.2/24 dev idle");
        none(&mut watch).await;
    });
}

#[tokio::test]
async fn a_machine_that_slept_is_noticed() {
    let slept = Arc::new(Mutex::new(Duration::ZERO));
    let asleep = Arc::clone(&slept);
    let mut watch = NetworkWatch::with_clocks(move || {
        let now = clock::read();
        Reading { passed: now.passed + *asleep.lock().unwrap(), ..now }
    });
    // Whatever this machine's network does meanwhile is no awakening.
    while let Ok(change) = time::timeout(Duration::from_millis(1200), watch.changed()).await {
        assert!(!change.woke);
    }
    *slept.lock().unwrap() = Duration::from_secs(600);
    let woke = async { while !watch.changed().await.woke {} };
    time::timeout(Duration::from_millis(1500), woke).await.expect("an awakening was not noticed");
    assert!(!watch.now().woke);
}

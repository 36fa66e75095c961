//! Candidates that have a name in place of an address, as browsers hide them.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use parlor_engine::{SessionCommand, SessionOptions};
use parlor_protocol::negotiation::{Candidate, Description};
use rtc::{
    mdns::{Mdns, MdnsConfig, MulticastSocket},
    sansio::Protocol,
    shared::{TransportContext, TransportMessage, TransportProtocol},
};
use tokio::{net::UdpSocket, sync::Notify};

use crate::{
    network::{self, ip},
    pair::{Pair, Side, Who},
};

const NAME: &str = "5d1f4f4e-5f0c-4f3c-8b8e-1f6f1c0a9d11.local";
/// Where B is. Nobody knows the name on the other network.
const B: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);

/// Answers who asks for B by name, and says that somebody did.
async fn answer(asked: Arc<Notify>) {
    let socket = UdpSocket::from_std(MulticastSocket::new().with_interface(B).into_std().unwrap()).unwrap();
    socket2::SockRef::from(&socket).set_multicast_if_v4(&B).unwrap();
    let config = MdnsConfig::new().with_local_names(vec![NAME.to_owned()]).with_local_ip(B.into());
    let mut mdns = Mdns::new(Instant::now(), config);
    let mut buffer = [0; 1500];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let transport = TransportContext {
            local_addr: socket.local_addr().unwrap(),
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = buffer[..length].into();
        mdns.handle_read(TransportMessage { now: Instant::now(), transport, message }).unwrap();
        while let Some(answer) = mdns.poll_write() {
            asked.notify_one();
            socket.send_to(&answer.message, answer.transport.peer_addr).await.unwrap();
        }
    }
}

fn hidden(line: &str) -> String {
    line.replace(&format!(" {B} "), &format!(" {NAME} "))
}

/// A description as somebody gives it who hides B's address, and tells none of A's.
fn rewritten(description: Description, keep: bool) -> Description {
    let lines = description.sdp.split_inclusive('\n').filter(|line| keep || !line.starts_with("a=candidate:"));
    let sdp = lines.map(|line| if line.starts_with("a=candidate:") { hidden(line) } else { line.to_owned() }).collect();
    Description { sdp, ..description }
}

#[tokio::test]
async fn a_candidate_with_a_name_is_looked_for_on_every_network() {
    if !network::is_ours("names::a_candidate_with_a_name_is_looked_for_on_every_network").await {
        return;
    }
    for (net, address) in [("one", "10.1.0.2/24"), ("two", "10.2.0.2/24")] {
        ip(&format!("link add {net} type veth peer name {net}-end"));
        ip(&format!("address add {address} dev {net}"));
        ip(&format!("link set {net} up"));
        ip(&format!("link set {net}-end up"));
    }
    ip("link set lo up");
    let asked = Arc::new(Notify::new());
    let answers = tokio::spawn(answer(Arc::clone(&asked)));
    let a = SessionOptions { bind: SessionOptions::default().bind, ..Side::options(true) };
    let b = SessionOptions { bind: vec![format!("{B}:0")], ..Side::options(false) };
    let mut pair = Pair::of(a, b);
    // B is told no address of A's, so that only A can begin.
    pair.trickle = false;
    let op = pair.op();
    pair.a.command(SessionCommand::Offer { op, ice_restart: false });
    let offer = rewritten(pair.description(Who::A, op).await, false);
    let op = pair.op();
    pair.b.command(SessionCommand::Apply { op, description: offer, rollback: false });
    let answer = rewritten(pair.description(Who::B, op).await, true);
    pair.complete(Who::A, answer).await;
    pair.until("B has told of itself", |pair| !pair.b.ends.is_empty()).await;
    for candidate in std::mem::take(&mut pair.b.candidates) {
        let candidate = Candidate { candidate: hidden(&candidate.candidate), ..candidate };
        assert!(candidate.candidate.contains(NAME), "{candidate:?}");
        pair.a.command(SessionCommand::Candidate(candidate));
    }
    pair.until("connected", |pair| pair.is_connected()).await;
    asked.notified().await;
    pair.close().await;
    answers.abort();
}

use parlor_identity::ProfileSecret;
use parlor_protocol::InstanceId;

use super::*;
use crate::{MemoryDriver, MemoryHub, OpenError};

fn room() -> RoomName {
    "studio".parse().unwrap()
}

fn credentials(n: u8) -> Credentials {
    let identity = ProfileSecret::from_bytes([n; 32]).identity(&room());
    Credentials { identity, instance: InstanceId([n; 16]) }
}

/// What is made of a text that another member sealed.
async fn heard(key: [u8; 16], json: &str) -> SignalingEvent {
    let hub = MemoryHub::new();
    let (sender, mut events) = mpsc::channel(64);
    let hub_too = hub.clone();
    let drivers = move || -> Box<dyn Driver> { Box::new(MemoryDriver::new(&hub_too)) };
    let _signaling = Signaling::spawn(drivers, room(), LinkKey([9; 16]), credentials(1), sender);
    assert!(matches!(events.recv().await, Some(SignalingEvent::Up(_))));
    let mut other = MemoryDriver::new(&hub);
    other.join(&room(), &credentials(2), &mut || None).await.unwrap();
    assert!(matches!(events.recv().await, Some(SignalingEvent::PeerJoined(_))));
    let wire = Sealer::new(&LinkKey(key), &room(), credentials(2)).seal_json(None, json.as_bytes()).unwrap();
    other.send(None, wire).await.unwrap();
    events.recv().await.unwrap()
}

#[tokio::test]
async fn another_version_is_no_other_key() {
    let event = heard([9; 16], r#"{"v":2,"type":"telepathy"}"#).await;
    assert_eq!(event, SignalingEvent::Unsupported { from: credentials(2).address(), version: 2 });
}

#[tokio::test]
async fn a_type_that_is_not_known_is_ignored() {
    let step = r#"{"v":1,"type":"negotiation","generation":1,"sequence":1,"body":{"type":"telepathy"}}"#;
    for json in [r#"{"v":1,"type":"telepathy"}"#, step] {
        let event = heard([9; 16], json).await;
        assert_eq!(event, SignalingEvent::Ignored { from: credentials(2).address(), why: OpenError::Malformed });
    }
}

#[tokio::test]
async fn only_another_key_is_unreadable() {
    let event = heard([8; 16], r#"{"v":1,"type":"want-offer","generation":1}"#).await;
    assert_eq!(event, SignalingEvent::Unreadable { from: credentials(2).address(), why: OpenError::Seal });
}

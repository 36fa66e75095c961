use parlor_identity::peer_id;
use proptest::prelude::*;

use super::*;
use crate::outbox::{Waiting, outbox};

const HOLD: Duration = Duration::from_secs(120);

fn rooms(room_peers: u32) -> Rooms {
    let limits = Limits { room_peers, ..Limits::default() };
    Rooms::new(&Config { limits, id_hold: HOLD, ..Config::default() })
}

fn studio() -> RoomName {
    "studio".parse().unwrap()
}

/// Peer n, in its run r.
fn member(n: u8, run: u8) -> Member {
    let key = PublicKey([n; 32]);
    Member { address: Address { peer: peer_id(&key), instance: InstanceId([run; 16]) }, key }
}

struct Client {
    ticket: Ticket,
    waiting: Waiting,
}

impl Client {
    fn address(&self) -> Address {
        self.ticket.address()
    }

    fn told(&mut self) -> Vec<ToClient> {
        self.waiting.drain()
    }
}

fn enter(rooms: &mut Rooms, member: Member, now: Instant) -> Result<Client, ErrorCode> {
    let (outbox, waiting) = outbox();
    rooms.enter(&studio(), member, IceServers::default(), outbox, now).map(|ticket| Client { ticket, waiting })
}

/// Enters and takes the welcome away.
fn enter_quietly(rooms: &mut Rooms, member: Member, now: Instant) -> Client {
    let mut client = enter(rooms, member, now).unwrap();
    client.told();
    client
}

fn joined(member: Member) -> ToClient {
    ToClient::PeerJoined { peer: member }
}

fn back(member: Member) -> ToClient {
    ToClient::PeerBack { peer: member.address }
}

fn left(member: Member, reason: LeaveReason) -> ToClient {
    ToClient::PeerLeft { peer: member.address, reason }
}

#[test]
fn a_newcomer_gets_the_roster_and_the_others_get_the_newcomer() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let mut ben = enter(&mut rooms, member(2, 1), now).unwrap();
    let told = ben.told();
    let [ToClient::Welcome(welcome)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(welcome.peer, ben.address().peer);
    assert_eq!(welcome.roster, [member(1, 1)]);
    assert_eq!(ann.told(), [joined(member(2, 1))]);
}

#[test]
fn a_message_to_one_reaches_that_one_alone() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let mut ben = enter_quietly(&mut rooms, member(2, 1), now);
    let mut eve = enter_quietly(&mut rooms, member(3, 1), now);
    ann.told();
    ben.told();
    let pong = ToClient::Pong { n: 7 };
    rooms.relay(&ann.ticket, Some(ben.address()), &text(&pong), now);
    assert_eq!((ann.told(), ben.told(), eve.told()), (vec![], vec![pong], vec![]));
}

#[test]
fn a_message_to_all_reaches_all_others() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let mut ben = enter_quietly(&mut rooms, member(2, 1), now);
    let mut eve = enter_quietly(&mut rooms, member(3, 1), now);
    ann.told();
    ben.told();
    let pong = ToClient::Pong { n: 7 };
    rooms.relay(&ann.ticket, None, &text(&pong), now);
    assert_eq!((ann.told(), ben.told(), eve.told()), (vec![], vec![pong.clone()], vec![pong]));
}

#[test]
fn a_message_to_nobody_is_refused() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    enter_quietly(&mut rooms, member(2, 2), now);
    ann.told();
    let old_run = member(2, 1).address;
    for to in [member(9, 1).address, old_run, ann.address()] {
        rooms.relay(&ann.ticket, Some(to), &text(&ToClient::Pong { n: 7 }), now);
        assert_eq!(ann.told(), [refusal(ErrorCode::NoSuchPeer)]);
    }
}

#[test]
fn leaving_is_told_and_leaves_nothing_behind() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    ann.told();
    rooms.gone(&ben.ticket, LeaveReason::Left, now);
    assert_eq!(ann.told(), [left(member(2, 1), LeaveReason::Left)]);
    assert!(ben.waiting.is_closed());
    rooms.gone(&ann.ticket, LeaveReason::Left, now);
    assert!(rooms.rooms.is_empty() && rooms.held.is_empty());
}

#[test]
fn a_lost_run_that_returns_is_back() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.gone(&ben.ticket, LeaveReason::Lost, now);
    enter_quietly(&mut rooms, member(2, 1), now + HOLD / 2);
    let expected = [joined(member(2, 1)), left(member(2, 1), LeaveReason::Lost), back(member(2, 1))];
    assert_eq!(ann.told(), expected);
}

#[test]
fn who_came_meanwhile_is_told_of_somebody_new() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.gone(&ben.ticket, LeaveReason::Lost, now);
    let mut ann = enter(&mut rooms, member(1, 1), now).unwrap();
    let told = ann.told();
    assert!(matches!(&told[..], [ToClient::Welcome(welcome)] if welcome.roster.is_empty()), "{told:?}");
    enter_quietly(&mut rooms, member(2, 1), now);
    assert_eq!(ann.told(), [joined(member(2, 1))]);
}

#[test]
fn an_id_is_held_for_its_time_and_no_longer() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.gone(&ben.ticket, LeaveReason::Lost, now);
    ann.told();
    assert_eq!(rooms.poll_timeout(), Some(now + HOLD));
    rooms.expire(now + HOLD);
    assert_eq!(rooms.poll_timeout(), None);
    enter_quietly(&mut rooms, member(2, 1), now + HOLD);
    assert_eq!(ann.told(), [joined(member(2, 1))]);
}

#[test]
fn a_hold_that_is_over_does_not_touch_who_came_back() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.gone(&ben.ticket, LeaveReason::Lost, now);
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.expire(now + HOLD);
    assert!(!ben.waiting.is_closed());
}

#[test]
fn the_newest_run_wins() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let mut old = enter_quietly(&mut rooms, member(2, 1), now);
    ann.told();
    enter_quietly(&mut rooms, member(2, 2), now);
    assert_eq!(old.told(), [refusal(ErrorCode::Replaced)]);
    assert!(old.waiting.is_closed());
    assert_eq!(ann.told(), [joined(member(2, 2))]);
}

#[test]
fn a_run_that_was_replaced_cannot_return() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let old = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.gone(&old.ticket, LeaveReason::Lost, now);
    enter_quietly(&mut rooms, member(2, 2), now);
    assert_eq!(enter(&mut rooms, member(2, 1), now).err(), Some(ErrorCode::Replaced));
}

#[test]
fn a_late_word_of_an_old_connection_changes_nothing() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let old = enter_quietly(&mut rooms, member(2, 1), now);
    let new = enter_quietly(&mut rooms, member(2, 2), now);
    ann.told();
    rooms.gone(&old.ticket, LeaveReason::Left, now);
    rooms.gone(&old.ticket, LeaveReason::Lost, now);
    rooms.relay(&old.ticket, None, &text(&ToClient::Pong { n: 7 }), now);
    assert_eq!(ann.told(), []);
    assert!(!new.waiting.is_closed());
}

#[test]
fn a_run_that_connects_anew_before_its_loss_was_noticed_is_back() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let mut old = enter_quietly(&mut rooms, member(2, 1), now);
    ann.told();
    enter_quietly(&mut rooms, member(2, 1), now);
    assert_eq!(ann.told(), [back(member(2, 1))]);
    assert_eq!(old.told(), [], "it is no stranger who took the place");
    assert!(old.waiting.is_closed());
}

#[test]
fn a_full_room_takes_its_own_back_and_nobody_else() {
    let (mut rooms, now) = (rooms(2), Instant::now());
    let _ann = enter_quietly(&mut rooms, member(1, 1), now);
    let _ben = enter_quietly(&mut rooms, member(2, 1), now);
    assert_eq!(enter(&mut rooms, member(3, 1), now).err(), Some(ErrorCode::RoomFull));
    assert!(enter(&mut rooms, member(2, 2), now).is_ok());
}

#[test]
fn a_lost_peer_takes_no_place_from_others() {
    let (mut rooms, now) = (rooms(2), Instant::now());
    let _ann = enter_quietly(&mut rooms, member(1, 1), now);
    let ben = enter_quietly(&mut rooms, member(2, 1), now);
    rooms.gone(&ben.ticket, LeaveReason::Lost, now);
    let _eve = enter_quietly(&mut rooms, member(3, 1), now);
    assert_eq!(enter(&mut rooms, member(2, 1), now).err(), Some(ErrorCode::RoomFull));
}

#[test]
fn a_room_holds_only_so_many_ids() {
    let (mut rooms, now) = (rooms(2), Instant::now());
    for n in 1..=20 {
        let client = enter_quietly(&mut rooms, member(n, 1), now);
        rooms.gone(&client.ticket, LeaveReason::Lost, now);
    }
    assert_eq!(rooms.rooms[&studio()].seats.len(), 2 * HELD_PER_PEER);
    let mut ann = enter_quietly(&mut rooms, member(21, 1), now);
    enter_quietly(&mut rooms, member(20, 1), now);
    assert_eq!(enter(&mut rooms, member(1, 1), now).err(), Some(ErrorCode::RoomFull));
    assert_eq!(ann.told(), [joined(member(20, 1))]);
}

#[test]
fn a_client_that_does_not_read_is_lost() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    let slow = enter_quietly(&mut rooms, member(2, 1), now);
    ann.told();
    for _ in 0..10_000 {
        rooms.relay(&ann.ticket, Some(slow.address()), &text(&ToClient::Pong { n: 7 }), now);
        if slow.waiting.is_closed() {
            break;
        }
    }
    assert_eq!(ann.told(), [left(member(2, 1), LeaveReason::Lost)]);
}

#[test]
fn a_stop_is_told_to_all() {
    let (mut rooms, now) = (rooms(16), Instant::now());
    let mut ann = enter_quietly(&mut rooms, member(1, 1), now);
    rooms.stop();
    assert_eq!(ann.told(), [refusal(ErrorCode::ServerStopping)]);
    assert!(ann.waiting.is_closed());
}

#[derive(Debug, Clone)]
enum Op {
    Enter { peer: u8, run: u8 },
    Gone { peer: u8, lost: bool },
    Later,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..5u8, 1..4u8).prop_map(|(peer, run)| Op::Enter { peer, run }),
        4 => (1..5u8, any::<bool>()).prop_map(|(peer, lost)| Op::Gone { peer, lost }),
        1 => Just(Op::Later),
    ]
}

/// What one client makes of what it is told.
fn follow(view: &mut BTreeMap<PeerId, InstanceId>, known: &mut BTreeSet<Address>, told: Vec<ToClient>) {
    for message in told {
        match message {
            ToClient::Welcome(welcome) => {
                view.clear();
                view.extend(welcome.roster.iter().map(|member| (member.address.peer, member.address.instance)));
                known.extend(welcome.roster.iter().map(|member| member.address));
            }
            ToClient::PeerJoined { peer: member } => {
                view.insert(member.address.peer, member.address.instance);
                known.insert(member.address);
            }
            ToClient::PeerBack { peer } => {
                assert!(known.contains(&peer), "only who was known can be back");
                view.insert(peer.peer, peer.instance);
            }
            ToClient::PeerLeft { peer, .. } => assert_eq!(view.remove(&peer.peer), Some(peer.instance)),
            other @ (ToClient::Challenge { .. }
            | ToClient::IceServers(_)
            | ToClient::Relay { .. }
            | ToClient::Pong { .. }
            | ToClient::Error { .. }) => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn every_client_knows_who_is_there(ops in prop::collection::vec(op(), 1..80)) {
        let (mut rooms, mut now) = (rooms(3), Instant::now());
        let mut here: BTreeMap<u8, (Client, BTreeMap<PeerId, InstanceId>)> = BTreeMap::new();
        let mut known: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Enter { peer, run } => if let Ok(client) = enter(&mut rooms, member(peer, run), now) {
                    here.insert(peer, (client, BTreeMap::new()));
                },
                Op::Gone { peer, lost } => if let Some((client, _)) = here.remove(&peer) {
                    let reason = if lost { LeaveReason::Lost } else { LeaveReason::Left };
                    rooms.gone(&client.ticket, reason, now);
                },
                Op::Later => {
                    now += HOLD;
                    rooms.expire(now);
                }
            }
            prop_assert!(here.len() <= 3);
            let all: Vec<_> = here.values().map(|(client, _)| client.address()).collect();
            for (client, view) in here.values_mut() {
                follow(view, known.entry(client.address()).or_default(), client.waiting.drain());
                let others = all.iter().filter(|other| **other != client.ticket.address());
                prop_assert_eq!(&*view, &others.map(|other| (other.peer, other.instance)).collect::<BTreeMap<_, _>>());
            }
        }
        for (client, _) in here.values() {
            rooms.gone(&client.ticket, LeaveReason::Left, now);
        }
        rooms.expire(now + HOLD);
        prop_assert!(rooms.rooms.is_empty() && rooms.held.is_empty(), "nothing is left behind");
    }
}

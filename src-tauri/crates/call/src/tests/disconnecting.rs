use parlor_protocol::{Cause, Remedy, SessionState, signal::LeaveReason};

use super::bench::Bench;
use crate::{Command, EngineCommand, EngineEvent};

use SessionState::{Closed, Connected, Connecting, Disconnected, Failed, New};

/// Connected, and then the path goes silent.
fn silent() -> Bench {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench
}

#[test]
fn silence_is_disconnected_and_the_way_back_is_shown() {
    let bench = silent();
    let tile = bench.tile();
    assert_eq!((tile.state, tile.row, tile.remedy), (Disconnected, Disconnected, Remedy::Wait));
    assert!(bench.disconnects().is_empty());
}

#[test]
fn without_the_server_too_it_is_ones_own_network_that_should_be_looked_at() {
    let mut bench = silent();
    bench.down();
    assert_eq!(bench.tile().remedy, Remedy::CheckNetwork);
}

#[test]
fn the_watchdog_fails_the_session_twelve_seconds_after_the_first_silence() {
    let mut bench = silent();
    bench.seconds(6.0);
    bench.engine(EngineEvent::Connection(Failed));
    bench.seconds(5.9);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::NetworkLost)));
    assert_eq!((bench.disconnects(), bench.closes()), (vec!["network-lost".to_owned()], 1));
}

#[test]
fn a_hint_that_the_peer_is_lost_shortens_the_watchdog() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Lost);
    assert_eq!(bench.state(), Some(Connected));
    bench.seconds(3.0);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(2.4);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::PeerLost)));
}

#[test]
fn a_hint_is_forgotten_after_thirty_seconds() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Lost);
    bench.seconds(31.0);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(11.0);
    assert_eq!(bench.state(), Some(Disconnected));
}

#[test]
fn recovery_clears_the_hint() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Lost);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(1.0);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(5.0);
    assert_eq!(bench.state(), Some(Disconnected));
}

/// What the connection was told last of the server, if anything.
fn told_of_server(bench: &Bench) -> Option<bool> {
    let told = |command: &&EngineCommand| match command {
        EngineCommand::Signaling(up) => Some(*up),
        _ => None,
    };
    bench.commands().iter().rev().find_map(told)
}

#[test]
fn recovery_does_not_bring_the_peer_back_to_the_server() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Lost);
    bench.engine(EngineEvent::Connection(Disconnected));
    assert_eq!(told_of_server(&bench), Some(false));
    bench.engine(EngineEvent::Connection(Connected));
    assert_eq!(told_of_server(&bench), Some(false));
    bench.signaling(crate::SignalingInput::PeerBack(bench.other));
    bench.engine(EngineEvent::Connection(Connected));
    assert_eq!(told_of_server(&bench), Some(true));
}

#[test]
fn the_peers_return_clears_the_hint() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Lost);
    bench.signaling(crate::SignalingInput::PeerBack(bench.other));
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(5.0);
    assert_eq!(bench.state(), Some(Disconnected));
}

#[test]
fn a_peer_that_is_lost_while_its_session_is_silent_is_cleaned_up_now() {
    let mut bench = silent();
    bench.left(LeaveReason::Lost);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::PeerLost)));
    assert_eq!(bench.disconnects(), ["peer-lost"]);
}

#[test]
fn a_peer_that_the_server_says_left_stays_while_its_session_is_healthy() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Left);
    bench.seconds(40.0);
    assert_eq!((bench.state(), bench.tiles()), (Some(Connected), 1));
}

#[test]
fn a_peer_that_the_server_says_left_goes_when_its_session_is_silent_too() {
    let mut bench = silent();
    bench.left(LeaveReason::Left);
    assert_eq!((bench.tiles(), bench.disconnects()), (0, vec!["left".to_owned()]));
    assert_eq!(bench.notices(), ["peer-left"]);
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Left);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(2.6);
    assert_eq!((bench.tiles(), bench.cause()), (0, Some(Cause::PeerLeft)));
}

#[test]
fn a_peer_that_is_lost_before_it_connected_is_given_little_time() {
    let mut bench = Bench::lesser().met();
    bench.left(LeaveReason::Lost);
    bench.seconds(2.6);
    assert_eq!(bench.state(), Some(Failed));
}

#[test]
fn after_failed_new_sessions_are_tried_while_the_roster_lists_the_peer() {
    let mut bench = silent();
    bench.seconds(12.0);
    bench.take();
    let mut tries = Vec::new();
    let failed_at = bench.now;
    // No session of them connects: each fails at once.
    for attempt in 1..=5 {
        while bench.session().is_none() {
            bench.seconds(0.1);
        }
        tries.push((bench.now - failed_at).as_secs());
        assert_eq!((bench.tile().row, bench.tile().attempt), (Failed, attempt));
        bench.engine(EngineEvent::Dead { cause: Cause::Internal });
    }
    assert_eq!(tries, [1, 3, 7, 15, 31]);
    assert_eq!(bench.tile().attempt, 0);
    bench.seconds(59.0);
    assert_eq!(bench.tiles(), 1);
    bench.seconds(2.0);
    assert_eq!((bench.tiles(), bench.states().last()), (0, Some(&Closed)));
}

#[test]
fn a_revival_that_connects_clears_the_card() {
    let mut bench = silent();
    bench.seconds(13.1);
    bench.take();
    let op = 1;
    bench.engine(EngineEvent::Description { op, description: super::bench::offer("again") });
    assert_eq!((bench.tile().row, bench.tile().state), (Failed, Connecting));
    bench.take();
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    let tile = bench.tile();
    assert_eq!((tile.row, tile.trouble, tile.attempt), (Connected, None, 0));
    assert_eq!(bench.connects(), 1);
}

#[test]
fn a_failed_tile_lingers_after_the_roster_dropped_the_peer() {
    let mut bench = silent();
    bench.left(LeaveReason::Lost);
    bench.seconds(59.9);
    assert_eq!((bench.tiles(), bench.session()), (1, None));
    bench.seconds(0.2);
    assert_eq!((bench.tiles(), bench.states().last()), (0, Some(&Closed)));
    assert_eq!(bench.disconnects().len(), 1);
}

#[test]
fn the_return_of_a_lost_peer_revives_it_at_once() {
    let mut bench = silent();
    bench.left(LeaveReason::Lost);
    bench.seconds(20.0);
    bench.take();
    bench.signaling(crate::SignalingInput::PeerBack(bench.other));
    assert_eq!((bench.state(), bench.tile().row), (Some(New), Failed));
    assert!(bench.offer_op().is_some());
}

#[test]
fn nobody_is_revived_while_signaling_is_down_and_everybody_when_it_is_back() {
    let mut bench = silent();
    bench.down();
    bench.seconds(12.0 + 1.0 + 59.0);
    assert_eq!((bench.state(), bench.session()), (Some(Failed), None));
    assert_eq!(bench.tile().trouble.unwrap().text, "Your network stopped answering.");
    bench.up(true);
    assert_eq!(bench.state(), Some(New));
}

#[test]
fn a_failed_tile_goes_after_the_linger_though_signaling_stays_down_and_is_back_with_it() {
    let mut bench = silent();
    bench.down();
    bench.seconds(12.0 + 1.0 + 59.0);
    assert_eq!(bench.tiles(), 1);
    bench.seconds(1.1);
    assert_eq!((bench.tiles(), bench.states().last(), bench.disconnects().len()), (0, Some(&Closed), 1));
    bench.up(true);
    bench.hello();
    assert_eq!((bench.tiles(), bench.state()), (1, Some(New)));
}

#[test]
fn retry_while_signaling_is_down_keeps_the_tile_for_as_long_again() {
    let mut bench = silent();
    bench.down();
    bench.seconds(12.0 + 1.0 + 59.0);
    bench.command(Command::Retry(bench.other.peer));
    bench.engine(EngineEvent::Description { op: 1, description: super::bench::offer("again") });
    // It is being made in vain, fails, and lingers from when it could not be revived.
    bench.seconds(20.0 + 1.0 + 59.0);
    assert_eq!((bench.tiles(), bench.state()), (1, Some(Failed)));
    bench.seconds(1.1);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn dismiss_takes_a_failed_tile_away() {
    let mut bench = silent();
    bench.seconds(12.1);
    bench.command(Command::Dismiss(bench.other.peer));
    assert_eq!((bench.tiles(), bench.states().last()), (0, Some(&Closed)));
    bench.seconds(5.0);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn dismiss_takes_no_working_tile_away() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::Dismiss(bench.other.peer));
    assert_eq!(bench.state(), Some(Connected));
}

#[test]
fn a_channel_that_passes_for_ctrl_after_its_end_connects_nobody() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::ChannelClosed { label: "ctrl".to_owned() });
    bench.take();
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    assert_eq!((bench.connects(), bench.ctrl_messages().len()), (0, 0));
    bench.seconds(2.6);
    assert_eq!((bench.state(), bench.disconnects().len()), (Some(Failed), 1));
}

#[test]
fn a_ctrl_channel_that_ends_without_goodbye_is_trouble_that_cannot_heal() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::ChannelClosed { label: "ctrl".to_owned() });
    assert_eq!(bench.state(), Some(Disconnected));
    bench.engine(EngineEvent::Connection(Connected));
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(2.6);
    assert_eq!((bench.state(), bench.disconnects().len()), (Some(Failed), 1));
}

#[test]
fn a_ctrl_channel_that_ends_before_its_first_word_is_no_trouble_where_a_goodbye_follows() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    bench.take();
    bench.engine(EngineEvent::ChannelClosed { label: "ctrl".to_owned() });
    bench.later(std::time::Duration::from_millis(50));
    bench.message(parlor_protocol::peer::PeerBody::Bye { generation: 0 });
    assert_eq!(bench.states(), [SessionState::Closed]);
}

#[test]
fn a_ctrl_channel_that_ends_before_its_first_word_and_without_goodbye_fails_as_soon_as_any() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    bench.engine(EngineEvent::ChannelClosed { label: "ctrl".to_owned() });
    bench.seconds(2.6);
    assert_eq!((bench.state(), bench.disconnects().len()), (Some(Failed), 1));
}

#[test]
fn an_engine_that_dies_fails_the_session_with_its_cause() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Dead { cause: Cause::Overloaded });
    assert_eq!(bench.states(), [Disconnected, Failed]);
    assert_eq!((bench.cause(), bench.disconnects().len()), (Some(Cause::Overloaded), 1));
}

#[test]
fn a_restart_that_does_not_help_goes_back_to_disconnected() {
    let mut bench = silent();
    bench.engine(EngineEvent::Connection(Connecting));
    assert_eq!((bench.tile().state, bench.tile().row), (Connecting, Disconnected));
    bench.engine(EngineEvent::Connection(Disconnected));
    assert_eq!(bench.states(), [Disconnected, Connecting, Disconnected]);
}

use parlor_protocol::{
    Cause, SessionState,
    ctrl::CtrlMessage,
    media::{MediaState, TrackRole},
    peer::{Hello, PeerBody},
};

use super::bench::{Bench, media};
use crate::{Command, EngineEvent};

use SessionState::{Connected, Disconnected};

/// Connected to somebody whose microphone and camera have been on for a while.
fn watching() -> Bench {
    let mut bench = Bench::lesser().connected();
    turn(&mut bench, media(true, true));
    bench.seconds(2.0);
    bench.take();
    bench
}

/// The other side says that this is on now.
fn turn(bench: &mut Bench, media: MediaState) {
    bench.ctrl(&CtrlMessage::MediaState { media, name: "Anna".to_owned() });
}

fn flow(bench: &mut Bench, role: TrackRole, stalled: bool) {
    let peer = bench.other.peer;
    bench.command(Command::MediaFlow { peer, role, stalled });
}

#[test]
fn a_picture_that_stops_is_a_flag_on_a_connected_session() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Camera, true);
    assert!(bench.tile().frozen && bench.state_events().last().unwrap().frozen);
    flow(&mut bench, TrackRole::Camera, false);
    assert!(!bench.tile().frozen && !bench.state_events().last().unwrap().frozen);
}

#[test]
fn a_session_in_trouble_says_so_and_is_not_frozen() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Camera, true);
    bench.engine(EngineEvent::Connection(Disconnected));
    assert!(!bench.tile().frozen);
}

#[test]
fn sound_may_pause() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Microphone, true);
    bench.seconds(10.0);
    assert!(!bench.tile().frozen);
}

#[test]
fn a_dead_camera_is_frozen_beside_a_live_microphone() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Camera, true);
    flow(&mut bench, TrackRole::Microphone, false);
    assert!(bench.tile().frozen);
}

#[test]
fn a_camera_that_is_off_is_not_frozen() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Camera, true);
    bench.take();
    turn(&mut bench, media(true, false));
    assert!(!bench.tile().frozen && !bench.state_events().last().unwrap().frozen);
}

#[test]
fn nobody_who_turns_everything_off_is_frozen() {
    let mut bench = watching();
    turn(&mut bench, MediaState::default());
    for role in TrackRole::ALL {
        flow(&mut bench, role, true);
    }
    bench.seconds(10.0);
    assert!(!bench.tile().frozen);
}

#[test]
fn a_camera_that_is_turned_on_has_time_to_begin() {
    let mut bench = watching();
    turn(&mut bench, media(true, false));
    flow(&mut bench, TrackRole::Camera, true);
    turn(&mut bench, media(true, true));
    bench.seconds(1.9);
    assert!(!bench.tile().frozen);
    bench.seconds(0.2);
    assert!(bench.tile().frozen && bench.state_events().last().unwrap().frozen);
}

#[test]
fn a_camera_that_begins_in_time_is_never_frozen() {
    let mut bench = watching();
    turn(&mut bench, media(true, false));
    flow(&mut bench, TrackRole::Camera, true);
    turn(&mut bench, media(true, true));
    bench.seconds(1.0);
    flow(&mut bench, TrackRole::Camera, false);
    bench.seconds(10.0);
    assert!(bench.state_events().iter().all(|event| !event.frozen));
}

#[test]
fn a_connection_that_takes_its_time_does_not_begin_frozen() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.message(PeerBody::Hello(Hello { media: media(true, true), ..Hello::default() }));
    bench.exchange(1);
    bench.seconds(3.0);
    flow(&mut bench, TrackRole::Camera, true);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    turn(&mut bench, media(true, true));
    flow(&mut bench, TrackRole::Camera, false);
    assert!(bench.state_events().iter().all(|event| !event.frozen));
}

#[test]
fn a_path_that_is_back_has_time_to_bring_a_picture() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Camera, true);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(1.0);
    bench.engine(EngineEvent::Connection(Connected));
    bench.seconds(1.9);
    assert!(!bench.tile().frozen);
    bench.seconds(0.2);
    assert!(bench.tile().frozen);
}

#[test]
fn a_new_session_is_not_frozen_by_what_the_last_one_did() {
    let mut bench = watching();
    flow(&mut bench, TrackRole::Camera, true);
    bench.engine(EngineEvent::Dead { cause: Cause::Internal });
    bench.seconds(1.1);
    bench.connect(2);
    turn(&mut bench, media(true, true));
    bench.seconds(10.0);
    assert_eq!((bench.state(), bench.tile().frozen), (Some(Connected), false));
}

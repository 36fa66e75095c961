use std::num::NonZeroU32;

use parlor_protocol::{
    chat::ChatWire,
    ctrl::CtrlMessage,
    media::{Extent, MediaState, Showing, TrackRole, View},
    peer::PeerBody,
    ui,
};

use super::bench::{Bench, media};
use crate::{CallEvent, Command, EngineEvent, Output, Refusal, SignalingInput};

#[test]
fn tracks_come_and_go_with_what_the_peer_says_of_its_media() {
    let mut bench = Bench::lesser().connected();
    let peer = bench.other.peer;
    let says = |bench: &mut Bench, media: MediaState| {
        bench.take();
        bench.ctrl(&CtrlMessage::MediaState { media, name: "Anna".to_owned() });
    };
    says(&mut bench, media(true, true));
    assert_eq!(bench.events(), [&CallEvent::TrackAdded { peer, track: TrackRole::Camera }]);
    says(&mut bench, media(false, true));
    assert_eq!(bench.events(), [&CallEvent::TrackRemoved { peer, track: TrackRole::Microphone }]);
    says(&mut bench, media(false, true));
    assert!(bench.events().is_empty());
}

#[test]
fn tracks_are_gone_before_their_peer_is() {
    let mut bench = Bench::lesser().connected();
    let peer = bench.other.peer;
    bench.ctrl(&CtrlMessage::Bye);
    let events = bench.events();
    let at = |wanted: &CallEvent| events.iter().position(|event| *event == wanted).unwrap();
    let removed = at(&CallEvent::TrackRemoved { peer, track: TrackRole::Microphone });
    assert!(removed < at(&CallEvent::PeerDisconnect { peer, reason: "left".to_owned() }));
}

#[test]
fn muting_tells_everybody_and_negotiates_nothing() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::SetMedia(media(false, true)));
    let told = CtrlMessage::MediaState { media: media(false, true), name: "Me".to_owned() };
    assert_eq!(bench.ctrl_messages(), [told]);
    assert!(bench.offer_op().is_none());
    assert!(matches!(bench.signals()[..], [PeerBody::Hello(_)]));
    bench.take();
    bench.command(Command::SetMedia(media(false, true)));
    assert!(bench.outputs.is_empty());
}

#[test]
fn a_name_is_told_and_shown() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::SetName("Bob\n".to_owned()));
    assert!(matches!(&bench.ctrl_messages()[..], [CtrlMessage::MediaState { name, .. }] if name == "Bob"));
    bench.ctrl(&CtrlMessage::MediaState { media: media(true, false), name: "Anna L.".to_owned() });
    assert_eq!(bench.tile().name, "Anna L.");
}

#[test]
fn a_picture_counts_until_the_camera_is_turned_off() {
    let mut bench = Bench::lesser().connected();
    let peer = bench.other.peer;
    bench.command(Command::PictureSeen { peer, role: TrackRole::Camera });
    assert!(!bench.tile().picture);
    bench.ctrl(&CtrlMessage::MediaState { media: media(true, true), name: "Anna".to_owned() });
    bench.command(Command::PictureSeen { peer, role: TrackRole::Camera });
    assert!(bench.tile().picture);
    bench.ctrl(&CtrlMessage::MediaState { media: media(true, false), name: "Anna".to_owned() });
    assert!(!bench.tile().picture);
}

#[test]
fn how_large_pictures_are_shown_is_told_when_it_changes_and_to_every_session() {
    let view = |width| View { camera: Some(Extent { width, height: 90 }.into()), screen: None };
    let mut bench = Bench::lesser().met();
    let peer = bench.other.peer;
    bench.command(Command::SetView { peer, view: view(160) });
    bench.connect(1);
    let told = |bench: &Bench| {
        let said = bench.ctrl_messages().into_iter();
        said.filter_map(|said| if let CtrlMessage::View(view) = said { Some(view) } else { None }).collect::<Vec<_>>()
    };
    assert_eq!(told(&bench), [view(160), view(160)], "when it opens, and when the other end is known to be open");
    bench.take();
    bench.command(Command::SetView { peer, view: view(160) });
    assert!(bench.outputs.is_empty());
    bench.command(Command::SetView { peer, view: View::default() });
    assert_eq!(told(&bench), [View::default()]);
    bench.take();
    let thin = Showing { rate: NonZeroU32::new(15), ..Showing::from(Extent { width: 160, height: 90 }) };
    for view in [view(160), View { camera: Some(thin), screen: None }] {
        bench.command(Command::SetView { peer, view });
    }
    assert_eq!(told(&bench), [view(160), View { camera: Some(thin), screen: None }]);
}

#[test]
fn how_a_peer_shows_our_pictures_is_passed_on() {
    let mut bench = Bench::lesser().connected();
    let peer = bench.other.peer;
    let sized = |width, height, rate| Some(Showing { extent: Extent { width, height }, rate: NonZeroU32::new(rate) });
    for (said, camera) in [
        (r#"{"type":"view"}"#, None),
        (r#"{"type":"view","camera":null,"stage":{"width":"x"}}"#, None),
        (r#"{"type":"view","camera":{"width":0,"height":4294967295}}"#, sized(0, u32::MAX, 0)),
        (r#"{"type":"view","camera":{"width":7,"height":5,"rate":null}}"#, sized(7, 5, 0)),
        (r#"{"type":"view","camera":{"rate":15,"width":7,"height":5}}"#, sized(7, 5, 15)),
        (r#"{"type":"view","camera":{"width":7,"height":5,"rate":4294967295}}"#, sized(7, 5, u32::MAX)),
    ] {
        bench.take();
        bench.channel("ctrl", said.as_bytes().to_vec());
        let (session, view) = (bench.session().unwrap(), View { camera, screen: None });
        assert_eq!(bench.events(), [&CallEvent::PeerView { peer, session, view }]);
    }
    bench.take();
    for nonsense in [
        r#"{"type":"view","camera":{"width":-1,"height":1}}"#,
        r#"{"type":"view","camera":7}"#,
        r#"{"type":"view","camera":{"rate":15}}"#,
        r#"{"type":"view","camera":{"width":7,"height":5,"rate":0}}"#,
        r#"{"type":"view","camera":{"width":7,"height":5,"rate":-15}}"#,
        r#"{"type":"view","camera":{"width":7,"height":5,"rate":15.5}}"#,
        r#"{"type":"view","camera":{"width":7,"height":5,"rate":"15"}}"#,
        r#"{"type":"view","camera":{"width":7,"height":5,"rate":4294967296}}"#,
    ] {
        bench.channel("ctrl", nonsense.as_bytes().to_vec());
    }
    assert!(bench.events().is_empty());
}

#[test]
fn the_connection_to_the_server_is_shown_apart_from_the_tiles() {
    let mut bench = Bench::lesser();
    assert_eq!(bench.call.view().signaling, ui::Signaling::Connecting { problem: None });
    bench.down();
    let ui::Signaling::Connecting { problem: Some(problem) } = bench.call.view().signaling else { panic!() };
    assert_eq!(problem.code, "server-unreachable");
    bench.up(false);
    assert_eq!(bench.call.view().signaling, ui::Signaling::Up);
    bench.seconds(2.0);
    bench.signaling(SignalingInput::Down { retry_in: std::time::Duration::from_secs(3) });
    bench.seconds(3.0);
    bench.signaling(SignalingInput::Down { retry_in: std::time::Duration::from_secs(4) });
    assert_eq!(bench.call.view().signaling, ui::Signaling::Down { since: 2000, next: 9000 });
}

#[test]
fn a_change_of_what_is_shown_is_said_once_and_last() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.take();
    bench.hello();
    let views = bench.outputs.iter().filter(|output| **output == Output::ViewChanged).count();
    assert_eq!((views, bench.outputs.last()), (1, Some(&Output::ViewChanged)));
}

#[test]
fn a_command_about_nobody_is_refused_with_words() {
    let mut bench = Bench::lesser().connected();
    let nobody = parlor_protocol::PeerId([3; 16]);
    bench.command(Command::Retry(nobody));
    assert_eq!(bench.events(), [&CallEvent::Refused(Refusal::NoSuchPeer(nobody))]);
}

#[test]
fn a_chat_message_goes_to_whoever_is_connected_and_is_echoed() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::Chat { text: "hello".to_owned() });
    assert!(matches!(bench.events()[..], [CallEvent::Chat { history: false, .. }]));
    let wires = bench.chat_messages();
    assert!(matches!(&wires[..], [ChatWire::Messages { messages, fill: false, .. }] if messages.len() == 1));
    assert_eq!(bench.call.view().chat.messages[0].delivery, ui::Delivery::Sent);
}

#[test]
fn a_chat_message_written_to_nobody_waits() {
    let mut bench = Bench::lesser();
    bench.up(false);
    bench.command(Command::Chat { text: "hello".to_owned() });
    let chat = bench.call.view().chat;
    assert_eq!((chat.open, chat.messages[0].delivery), (false, ui::Delivery::Queued));
}

#[test]
fn an_empty_and_an_endless_message_are_refused() {
    let mut bench = Bench::lesser().connected();
    for (text, refusal) in [
        (" \n".to_owned(), Refusal::EmptyMessage),
        ("x".repeat(20_000), Refusal::MessageTooLong),
        ("\"".repeat(16_384), Refusal::MessageTooLong),
    ] {
        bench.take();
        bench.command(Command::Chat { text });
        assert!(bench.events() == [&CallEvent::Refused(refusal)]);
    }
    assert!(bench.call.view().chat.messages.is_empty());
}

#[test]
fn the_chat_begins_after_our_media_state_whichever_channel_opens_first() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.take();
    bench.engine(EngineEvent::ChannelOpen { label: "chat".to_owned() });
    assert!(bench.chat_messages().is_empty());
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    assert_eq!(bench.chat_messages().len(), 1);
    assert!(bench.call.view().chat.open);
}

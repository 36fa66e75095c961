//! Descriptions that other programs made, or that nobody should have.

use std::{collections::BTreeMap, time::Duration};

use parlor_engine::{SessionCommand, SessionOptions};
use parlor_protocol::{
    media::TrackRole,
    negotiation::{Candidate, Description, DescriptionKind},
};

use tokio::{net::TcpListener, time::timeout};

use crate::pair::{Pair, Side, Who, packet};

const ICE: &str = "a=ice-ufrag:Zu2e\r\na=ice-pwd:7vJ0mZrQ9tYkS1nBdW5xLcHf\r\na=ice-options:trickle\r\n";
const DTLS: &str = "a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F\r\na=setup:actpass\r\n";

/// An m-line as a browser writes it.
fn line(mid: &str, video: bool, ssrc: u32, direction: &str) -> String {
    let (media, codecs) = if video {
        (
            "video 9 UDP/TLS/RTP/SAVPF 96 97 45 46",
            "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n\
             a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
             a=rtpmap:45 AV1/90000\r\na=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n",
        )
    } else {
        (
            "audio 9 UDP/TLS/RTP/SAVPF 111 63 9",
            "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
             a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n",
        )
    };
    let rtx = ssrc + 1;
    let sources = if video {
        format!("a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{ssrc} cname:c\r\na=ssrc:{rtx} cname:c\r\n")
    } else {
        format!("a=ssrc:{ssrc} cname:c\r\n")
    };
    format!(
        "m={media}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n{ICE}{DTLS}a=mid:{mid}\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a={direction}\r\na=msid:- t{mid}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n{codecs}{sources}"
    )
}

fn application(mid: &str) -> String {
    format!(
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n{ICE}{DTLS}a=mid:{mid}\r\n\
         a=sctp-port:5000\r\na=max-message-size:262144\r\n"
    )
}

fn offer(lines: &[(&str, String)]) -> Description {
    let mids: Vec<&str> = lines.iter().map(|(mid, _)| *mid).collect();
    let mut sdp = format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n",
        mids.join(" ")
    );
    lines.iter().for_each(|(_, line)| sdp.push_str(line));
    Description { kind: DescriptionKind::Offer, sdp, tracks: BTreeMap::new() }
}

fn browser() -> Vec<(&'static str, String)> {
    vec![("0", line("0", false, 1000, "sendrecv")), ("1", line("1", true, 2000, "sendrecv")), ("2", application("2"))]
}

/// How many m-lines of sound and pictures go both ways.
fn both_ways(description: &Description) -> usize {
    let lines = description.sdp.split("\nm=").filter(|line| line.starts_with("audio") || line.starts_with("video"));
    lines.filter(|line| line.contains("a=sendrecv")).count()
}

async fn answer(pair: &mut Pair, offer: Description) -> Description {
    let op = pair.op();
    pair.b.command(SessionCommand::Apply { op, description: offer, rollback: false });
    pair.description(Who::B, op).await
}

fn tracks<const N: usize>(of: [(&str, TrackRole); N]) -> BTreeMap<String, TrackRole> {
    of.map(|(mid, role)| (mid.to_owned(), role)).into()
}

#[tokio::test]
async fn a_browsers_two_tracks_are_taken_by_kind_and_order() {
    let mut pair = Pair::new();
    let answer = answer(&mut pair, offer(&browser())).await;
    assert_eq!(answer.tracks, tracks([("0", TrackRole::Microphone), ("1", TrackRole::Camera)]));
    assert_eq!(answer.sdp.matches("\nm=").count(), 3, "{}", answer.sdp);
    assert_eq!(both_ways(&answer), 2, "{}", answer.sdp);
    assert!(answer.sdp.contains("a=setup:active") && answer.sdp.contains("a=rtpmap:96 VP8/90000"), "{}", answer.sdp);
    assert!(answer.sdp.contains("transport-wide-cc") && answer.sdp.contains("apt=96"), "{}", answer.sdp);
    assert!(!answer.sdp.contains("AV1") && !answer.sdp.contains("G722"), "{}", answer.sdp);
    pair.close().await;
}

#[tokio::test]
async fn an_answerer_offers_no_more_lines_than_it_was_offered() {
    let mut pair = Pair::new();
    answer(&mut pair, offer(&browser())).await;
    let op = pair.op();
    pair.b.command(SessionCommand::Offer { op, ice_restart: false });
    let offer = pair.description(Who::B, op).await;
    assert_eq!(offer.sdp.matches("\nm=").count(), 3, "{}", offer.sdp);
    pair.close().await;
}

#[tokio::test]
async fn a_line_that_comes_later_gets_the_next_role() {
    let mut pair = Pair::new();
    answer(&mut pair, offer(&browser())).await;
    let mut more = browser();
    more.push(("3", line("3", true, 3000, "sendrecv")));
    let answer = answer(&mut pair, offer(&more)).await;
    let expected = [("0", TrackRole::Microphone), ("1", TrackRole::Camera), ("3", TrackRole::Screen)];
    assert_eq!(answer.tracks, tracks(expected));
    assert_eq!(both_ways(&answer), 3, "{}", answer.sdp);
    pair.close().await;
}

#[tokio::test]
async fn named_lines_carry_what_they_are_named_for() {
    let mut pair = Pair::new();
    let lines = [("x", line("x", true, 1000, "sendrecv")), ("y", line("y", true, 2000, "sendrecv"))];
    let mut offer = offer(&lines);
    offer.tracks = tracks([("x", TrackRole::Screen), ("y", TrackRole::Camera)]);
    let answer = answer(&mut pair, offer.clone()).await;
    assert_eq!(answer.tracks, offer.tracks);
    pair.close().await;
}

#[tokio::test]
async fn lines_beyond_the_roles_are_answered_and_carry_nothing() {
    let mut pair = Pair::new();
    let mids = ["0", "1", "2", "3"];
    let lines = mids.map(|mid| (mid, line(mid, true, 1000 * (mid.as_bytes()[0] as u32), "sendrecv")));
    let answer = answer(&mut pair, offer(&lines)).await;
    assert_eq!(answer.tracks, tracks([("0", TrackRole::Camera), ("1", TrackRole::Screen)]));
    assert_eq!(answer.sdp.matches("\nm=").count(), 4, "{}", answer.sdp);
    pair.close().await;
}

#[tokio::test]
async fn a_line_that_only_sends_is_received_and_nothing_is_offered_for_it() {
    let mut pair = Pair::new();
    let mut lines = browser();
    lines[1].1 = line("1", true, 2000, "sendonly");
    let answer = answer(&mut pair, offer(&lines)).await;
    assert_eq!(answer.tracks, tracks([("0", TrackRole::Microphone)]));
    assert!(answer.sdp.contains("a=recvonly"), "{}", answer.sdp);
    let op = pair.op();
    pair.b.command(SessionCommand::Offer { op, ice_restart: false });
    let offer = pair.description(Who::B, op).await;
    assert_eq!(offer.sdp.matches("\nm=").count(), 3, "{}", offer.sdp);
    pair.close().await;
}

#[tokio::test]
async fn a_line_without_a_source_is_answered() {
    let mut pair = Pair::new();
    let mut lines = browser();
    lines[1].1 = lines[1]
        .1
        .lines()
        .filter(|line| !line.starts_with("a=ssrc"))
        .fold(String::new(), |all, line| all + line + "\r\n");
    let answer = answer(&mut pair, offer(&lines)).await;
    assert_eq!(answer.tracks.len(), 2);
    pair.close().await;
}

#[tokio::test]
async fn what_is_no_description_changes_nothing() {
    let mut pair = Pair::connected().await;
    let good = offer(&browser()).sdp;
    let no_mid = good.replace("a=mid:1\r\n", "");
    let one_mid_twice = good.replace("a=mid:1\r\n", "a=mid:0\r\n");
    let one_ssrc_twice = good.replace("a=ssrc:2000", "a=ssrc:1000");
    let no_ice = good.replace(ICE, "");
    let no_dtls = good.replace(DTLS, "");
    let cut = good[..good.len() / 2].to_owned() + "\u{0}";
    let long = "v=0\r\n".repeat(20_000);
    let garbage = ["", "v=0", "hello", &no_mid, &one_mid_twice, &one_ssrc_twice, &no_ice, &no_dtls, &cut, &long];
    for who in [Who::A, Who::B] {
        for kind in [DescriptionKind::Offer, DescriptionKind::Answer] {
            for sdp in garbage {
                let op = pair.op();
                let description = Description { kind, sdp: sdp.to_owned(), tracks: BTreeMap::new() };
                pair.side(who).command(SessionCommand::Apply { op, description, rollback: false });
                pair.until("it is refused", |pair| pair.side(who).failed(op)).await;
            }
        }
    }
    still_works(&mut pair).await;
    pair.close().await;
}

#[tokio::test]
async fn an_answer_nobody_asked_for_is_refused() {
    let mut pair = Pair::connected().await;
    let op = pair.op();
    let description = Description { kind: DescriptionKind::Answer, ..offer(&browser()) };
    pair.a.command(SessionCommand::Apply { op, description, rollback: false });
    pair.until("it is refused", |pair| pair.a.failed(op)).await;
    still_works(&mut pair).await;
    pair.close().await;
}

#[tokio::test]
async fn an_answer_to_another_offer_is_refused_and_the_offer_stays() {
    let mut pair = Pair::connected().await;
    let (first, wrong) = (pair.op(), pair.op());
    pair.a.command(SessionCommand::Offer { op: first, ice_restart: false });
    let real = pair.description(Who::A, first).await;
    let description = Description { kind: DescriptionKind::Answer, ..offer(&browser()) };
    pair.a.command(SessionCommand::Apply { op: wrong, description, rollback: false });
    pair.until("it is refused", |pair| pair.a.failed(wrong)).await;
    pair.answer(Who::B, real, false).await;
    still_works(&mut pair).await;
    pair.close().await;
}

#[tokio::test]
async fn what_is_no_candidate_is_ignored() {
    let mut pair = Pair::connected().await;
    for text in ["", "candidate:", "hello", "candidate:1 1 udp 1 300.0.0.1 99999 typ host", "candidate:\u{0}"] {
        for ufrag in ["", "other"] {
            let candidate = Candidate { candidate: text.to_owned(), mid: "99".to_owned(), ufrag: ufrag.to_owned() };
            pair.a.command(SessionCommand::Candidate(candidate.clone()));
            pair.b.command(SessionCommand::Candidate(candidate));
        }
    }
    still_works(&mut pair).await;
    pair.close().await;
}

#[tokio::test]
async fn a_candidate_of_a_description_is_connected_to_over_tcp_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = |first| SessionOptions { ice_tcp: true, ..Side::options(first) };
    let mut pair = Pair::of(options(true), options(false));
    let port = listener.local_addr().unwrap().port();
    let mut lines = browser();
    lines[0].1 += &format!("a=candidate:1 1 tcp 2105458943 127.0.0.1 {port} typ host tcptype passive\r\n");
    answer(&mut pair, offer(&lines)).await;
    timeout(Duration::from_secs(10), listener.accept()).await.unwrap().unwrap();
    pair.close().await;
}

async fn still_works(pair: &mut Pair) {
    pair.negotiate(Who::B, false).await;
    pair.negotiate(Who::A, false).await;
    assert!(pair.is_connected());
    let before = pair.b.received(TrackRole::Microphone);
    assert!(pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, 1)));
    pair.until("media flows", |pair| pair.b.received(TrackRole::Microphone) > before).await;
}

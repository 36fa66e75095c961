//! Words to compare, and people who were verified.

use parlor_protocol::{
    headless::HeadlessEvent,
    trust::{Trust, Words},
    ui::UiCommand,
};
use parlor_tests::{Peer, Setup, TestServer};

async fn words(peer: &mut Peer) -> Words {
    peer.wait("verification words", |event| match event {
        HeadlessEvent::VerificationWords { words, .. } => Some(words.clone()),
        _ => None,
    })
    .await
}

/// Waits until the one tile shows such trust.
async fn shows(peer: &mut Peer, what: &str, question: impl Fn(&Trust) -> bool) -> Trust {
    peer.see(what, |snapshot| {
        let trust = &snapshot.room.as_ref()?.tiles.first()?.trust;
        question(trust).then(|| trust.clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_have_the_same_words() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    let mine = words(&mut a).await;
    assert_eq!(mine, words(&mut b).await);
    let shown = shows(&mut a, "the words", |trust| *trust != Trust::None).await;
    assert_eq!(shown, Trust::Words { words: mine });
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_verified_is_known_in_the_next_call_and_somebody_else_of_that_name_is_not() {
    let server = TestServer::start().await;
    let link = server.link("studio");
    let folder = tempfile::tempdir().unwrap();
    let anna = || Setup { secret: Some([1; 32]), folder: Some(folder.path().to_owned()), ..Setup::silent("Anna") };
    let ben = |secret| Setup { secret: Some([secret; 32]), ..Setup::silent("Ben") };

    let mut a = Peer::join(anna(), &link);
    let mut b = Peer::join(ben(2), &link);
    let first = words(&mut a).await;
    let peer = b.id().await;
    a.client.ui(UiCommand::VerifyPeer { peer });
    shows(&mut a, "Ben verified", |trust| matches!(trust, Trust::Verified { .. })).await;
    a.leave().await;

    let mut a = Peer::join(anna(), &link);
    assert_ne!(words(&mut a).await, first);
    shows(&mut a, "Ben still verified", |trust| matches!(trust, Trust::Verified { words: Some(_), .. })).await;
    b.leave().await;

    let other = Peer::join(ben(3), &link);
    shows(&mut a, "another Ben", |trust| matches!(trust, Trust::Changed { words: Some(_), .. })).await;
    let loud = |event: &HeadlessEvent| {
        matches!(event, HeadlessEvent::Error { code, .. } if code == "another-key").then_some(())
    };
    a.wait("the warning", loud).await;
    a.leave().await;
    other.leave().await;
}

//! What a session that is closed gives up.

use tokio::{sync::mpsc, task::yield_now};

use super::*;
use crate::{Session, SessionOptions};

/// What a session has for its last messages before it is stopped, and some more.
const SOON: Duration = Duration::from_millis(300);

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Lets what was given up end.
async fn all_end() {
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_waits_for_the_name_service_is_closed_soon() {
    let options = SessionOptions {
        ice_servers: stun(&["x.dead", "y.dead"]),
        runtime: Some(Arc::clone(&patchy().inner)),
        ..SessionOptions::default()
    };
    let start = tokio::time::Instant::now();
    let session = Session::spawn(1, options, mpsc::channel(1).0, mpsc::channel(1).0);
    yield_now().await;
    assert!(tasks() > 1, "it asks");
    session.close().await;
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    all_end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_after_the_end() {
    let tunnel = patchy();
    assert!(timeout(Duration::ZERO, tunnel.look_up(&stun(&["x.dead", "y.dead"]))).await.is_err());
    assert_eq!(tasks(), 2);
    tunnel.close();
    all_end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_connected_to_after_the_end() {
    let tunnel = patchy();
    let nobody = SocketAddr::from(([192, 0, 2, 1], 1));
    let before = tokio::spawn({
        let tunnel = Arc::clone(&tunnel);
        async move { tunnel.connect_tcp(nobody).await.map(|_| ()) }
    });
    yield_now().await;
    let start = tokio::time::Instant::now();
    tunnel.close();
    let after = tunnel.connect_tcp(nobody).await.map(|_| ());
    for refused in [before.await.unwrap(), after] {
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    all_end().await;
}

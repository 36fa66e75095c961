//! Ends that nobody asked for.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use parlor_engine::{EngineError, Runtime, Session, SessionCommand, SessionEvent, SessionOptions};
use parlor_protocol::{Cause, signal::IceServer};
use tokio::{sync::mpsc, task::AbortHandle};
use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, TokioRuntime};

use crate::pair::Side;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A runtime whose tasks can be killed from outside.
#[derive(Debug, Default)]
struct Deadly(Mutex<Vec<AbortHandle>>);

#[derive(Debug)]
struct Task(AbortHandle);

impl JoinHandle for Task {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Runtime for Deadly {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        let handle = tokio::spawn(future).abort_handle();
        self.0.lock().unwrap().push(handle.clone());
        Box::new(Task(handle))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, address: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        TokioRuntime.connect_tcp(address)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { tokio::net::lookup_host(host).await.map(Iterator::collect) })
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}

#[tokio::test]
async fn a_session_survives_the_death_of_its_connection_and_says_so() {
    let runtime = Arc::new(Deadly::default());
    let (sender, mut events) = mpsc::channel(16);
    let options = SessionOptions { runtime: Some(runtime.clone()), ..Side::options(true) };
    let session = Session::spawn(7, options, sender, mpsc::channel(1).0);
    session.command(SessionCommand::Offer { op: 1, ice_restart: false }).unwrap();
    while !matches!(events.recv().await, Some((7, SessionEvent::Description { .. }))) {}

    runtime.0.lock().unwrap()[0].abort();
    loop {
        let (_, event) = tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap();
        if let SessionEvent::Dead { cause } = event {
            assert_eq!(cause, Cause::Internal);
            break;
        }
    }
    assert_eq!(events.recv().await, None, "nothing follows");
    assert_eq!(session.command(SessionCommand::EndOfCandidates), Err(EngineError::Over));
    session.close().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_ends_the_session() {
    let (sender, mut events) = mpsc::channel(16);
    let options = SessionOptions { bind: vec!["127.0.0.1:1:1".to_owned()], ..SessionOptions::default() };
    let session = Session::spawn(1, options, sender, mpsc::channel(1).0);
    assert_eq!(events.recv().await, Some((1, SessionEvent::Dead { cause: Cause::Internal })));
    session.close().await;
}

#[tokio::test]
async fn servers_that_are_none_keep_nobody_from_connecting() {
    let junk =
        || vec![IceServer { urls: vec!["nonsense".to_owned(), String::new()], username: None, credential: None }];
    let (sender, mut events) = mpsc::channel(16);
    let options = SessionOptions { ice_servers: junk(), ..Side::options(true) };
    let session = Session::spawn(1, options, sender, mpsc::channel(1).0);
    session.command(SessionCommand::IceServers(junk())).unwrap();
    session.command(SessionCommand::Offer { op: 1, ice_restart: false }).unwrap();
    let (_, event) = events.recv().await.unwrap();
    assert!(matches!(event, SessionEvent::Description { op: 1, .. }), "{event:?}");
    session.close().await;
}

#[tokio::test]
async fn a_session_can_be_closed_while_nobody_reads_its_events() {
    let (sender, _events) = mpsc::channel(1);
    let session = Session::spawn(1, Side::options(true), sender, mpsc::channel(1).0);
    for op in 0..10 {
        session.command(SessionCommand::Offer { op, ice_restart: false }).unwrap();
    }
    tokio::time::timeout(Duration::from_secs(2), session.close()).await.unwrap();
}

#[tokio::test]
async fn too_many_commands_are_refused() {
    let (sender, _events) = mpsc::channel(1);
    let session = Session::spawn(1, Side::options(true), sender, mpsc::channel(1).0);
    let mut refused = None;
    for op in 0..1000 {
        refused = session.command(SessionCommand::Rollback { op }).err();
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused, Some(EngineError::Full));
    session.close().await;
}

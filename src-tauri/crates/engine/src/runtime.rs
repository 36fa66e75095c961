//! What runtimes that wrap another have in common.

/// Everything of a runtime that is passed on to `self.inner` as it is: all but tasks and UDP sockets.
macro_rules! forward_runtime {
    () => {
        $crate::runtime::forward_streams!();
        $crate::runtime::forward_timers!();
    };
}

/// Of those, the ones that make connections.
macro_rules! forward_streams {
    () => {
        fn wrap_tcp_listener(
            &self,
            listener: std::net::TcpListener,
        ) -> std::io::Result<std::sync::Arc<dyn webrtc::runtime::AsyncTcpListener>> {
            self.inner.wrap_tcp_listener(listener)
        }

        fn connect_tcp<'a>(
            &'a self,
            address: std::net::SocketAddr,
        ) -> $crate::runtime::Pending<'a, std::io::Result<std::sync::Arc<dyn webrtc::runtime::AsyncTcpStream>>> {
            self.inner.connect_tcp(address)
        }

        fn resolve_host<'a>(
            &'a self,
            host: &'a str,
        ) -> $crate::runtime::Pending<'a, std::io::Result<Vec<std::net::SocketAddr>>> {
            self.inner.resolve_host(host)
        }
    };
}

/// Of those, the ones that touch no network.
macro_rules! forward_timers {
    () => {
        fn now(&self) -> std::time::Instant {
            self.inner.now()
        }

        $crate::runtime::forward_but_clock!();
    };
}

/// Of those, all but the clock.
macro_rules! forward_but_clock {
    () => {
        fn sleep(&self, duration: std::time::Duration) -> $crate::runtime::Pending<'static, ()> {
            self.inner.sleep(duration)
        }

        $crate::runtime::forward_but_sleep!();
    };
}

/// Of those, all but the sleep.
macro_rules! forward_but_sleep {
    () => {
        fn interval(&self, period: std::time::Duration) -> Box<dyn webrtc::runtime::AsyncInterval> {
            self.inner.interval(period)
        }

        fn block_on(&self, future: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>) {
            self.inner.block_on(future);
        }

        fn yield_now(&self) -> $crate::runtime::Pending<'static, ()> {
            self.inner.yield_now()
        }

        fn name(&self) -> &'static str {
            self.inner.name()
        }
    };
}

pub(crate) use forward_but_clock;
pub(crate) use forward_but_sleep;
pub(crate) use forward_runtime;
pub(crate) use forward_streams;
pub(crate) use forward_timers;

/// A boxed future.
pub(crate) type Pending<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

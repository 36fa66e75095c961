//! A server behind which nobody gets.

use parlor_protocol::signal::ErrorCode;
use parlor_signaling::{Driver, DriverEvent};

/// Answers a knock with this, or never.
pub(crate) struct Closed(pub(crate) Option<ErrorCode>);

#[async_trait::async_trait]
impl Driver for Closed {
    async fn join(
        &mut self,
        _: &parlor_protocol::RoomName,
        _: &parlor_signaling::Credentials,
        _: parlor_signaling::Greeting<'_>,
    ) -> Result<parlor_protocol::signal::Welcome, parlor_signaling::DriverError> {
        match self.0 {
            Some(code) => Err(parlor_signaling::DriverError::Denied { code, message: String::new() }),
            None => std::future::pending().await,
        }
    }

    async fn send(
        &mut self,
        _: Option<parlor_protocol::signal::Address>,
        _: bytes::Bytes,
    ) -> Result<(), parlor_signaling::DriverError> {
        std::future::pending().await
    }

    async fn next(&mut self) -> Result<DriverEvent, parlor_signaling::DriverError> {
        std::future::pending().await
    }

    async fn leave(&mut self) {}
}

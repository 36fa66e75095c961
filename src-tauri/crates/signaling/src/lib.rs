//! The drivers that carry signaling, and the seal.
//!
//! Owns: connections to room servers, reconnecting, what waits to be sent, and the seal that keeps everything said
//! there from those who carry it.
//! Refuses: any opinion on what the messages mean. Links, keys and names never reach a log.

mod backoff;
mod connect;
mod driver;
mod memory;
mod pace;
mod seal;
mod signaling;
mod websocket;
mod window;

pub use driver::{Credentials, DownReason, Driver, DriverError, DriverEvent};
pub use memory::{MemoryDriver, MemoryHub};
pub use seal::{OpenError, Opener, SealError, Sealer};
pub use signaling::{Full, Signaling, SignalingEvent};
pub use websocket::{WebsocketDriver, WebsocketTimings};

//! The drivers that carry signaling, and the seal.
//!
//! Owns: connections to room servers, reconnecting, what waits to be sent, and the seal that keeps everything said
//! there from those who carry it.
//! Refuses: any opinion on what the messages mean. Links, keys and names never reach a log.

mod backoff;
mod connect;
mod driver;
mod event;
mod memory;
mod pace;
mod seal;
mod signaling;
mod websocket;
mod window;

pub use driver::{Credentials, DownReason, Driver, DriverError, DriverEvent, Greeting};
pub use event::SignalingEvent;
pub use memory::{MemoryDriver, MemoryHub};
pub use seal::{OpenError, Opener, SealError, Sealer};
pub use signaling::{Full, Signaling};
pub use websocket::{WebsocketDriver, WebsocketTimings};

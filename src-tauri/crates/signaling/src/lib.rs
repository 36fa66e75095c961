//! The drivers that carry signaling, and the seal.
//!
//! Owns: connections to room servers, reconnecting, what waits to be sent, and the seal that keeps everything said
//! there from those who carry it.
//! Refuses: any opinion on what the messages mean. Links, keys and names never reach a log.

mod driver;
mod seal;
mod window;

pub use driver::{Credentials, DownReason, Driver, DriverError, DriverEvent};
pub use seal::{OpenError, SealError, Sealer, Opener};

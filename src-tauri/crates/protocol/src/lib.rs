//! Types on a wire or at the edge of the window.
//!
//! Owns: the words that peers, servers, the window and scripts exchange, and how their text forms are read. A value of
//! one of these types is well formed: whatever can be wrong is refused while it is parsed.
//! Refuses: decisions, clocks, async, input and output.

pub mod chat;
pub mod ctrl;
pub mod device;
pub mod diagnostics;
pub mod frame;
pub mod headless;
pub mod ice;
pub mod ids;
pub mod link;
pub mod media;
pub mod negotiation;
pub mod peer;
pub mod session;
pub mod signal;
pub mod trust;
pub mod ui;

pub use ids::{Commitment, InstanceId, MessageId, Nonce, PeerId, PublicKey, RoomName, Signature};
pub use link::{LinkError, LinkKey, RoomLink};
pub use session::{Cause, Remedy, SessionState};

/// Version of every message between peers, and between peers and servers. A receiver answers a higher one with words.
pub const VERSION: u32 = 1;

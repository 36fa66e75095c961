//! The signaling server.

//! Decides everything about a call, without clock, socket or thread.

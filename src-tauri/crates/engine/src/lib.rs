//! One session's peer connection.

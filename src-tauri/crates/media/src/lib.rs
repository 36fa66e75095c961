//! Devices, codecs, jitter buffers: pictures and samples between devices and RTP payloads.
//!
//! Owns: capture and playback threads, VP8 and Opus, packetizing and assembly, synthetic devices behind the same traits as real ones.
//! Refuses: rooms, peers, sockets.

pub mod audio;
pub mod video;

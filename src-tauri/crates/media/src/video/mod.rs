//! Pictures: cameras, VP8, renditions, packets.
//!
//! Owns: the camera and encoder threads, everything between a pixel and an RTP payload.
//! Refuses: sockets, sequence numbers to send, who is in the room.
//!
//! Every picture inside is I420, limited range, BT.601. Out: device or synthetic source → latest-only slot → rendition
//! (one encoder, many subscribers) → one packetizer per session. In: RTP → assembler → frames → playout → decoder,
//! where the window does not decode them itself.

mod assembler;
mod camera;
mod chooser;
mod decoder;
mod descriptor;
mod encoder;
mod error;
mod event;
mod frame_header;
mod freezes;
mod packetizer;
pub mod pattern;
mod picture;
mod playout;
mod rendition;
mod scale;
mod source;
#[allow(
    unsafe_code,
    reason = "libvpx is a C library: this module alone calls it, and hands out what cannot be misused"
)]
mod vpx;

pub use assembler::{Assembled, AssembledFrame, Assembler};
pub use camera::Camera;
pub use chooser::{Choice, Chooser, Share};
pub use decoder::Vp8Decoder;
pub use encoder::{BASE_SHARE, EncodedFrame, Vp8Encoder};
pub use error::Error;
pub use event::CameraEvent;
pub use freezes::Freezes;
pub use packetizer::Vp8Packetizer;
pub use picture::{Picture, Planes, PlanesMut};
pub use playout::Playout;
pub use rendition::{Ladder, Load, Rendition, RenditionStats, Subscription};
pub use scale::{fit, scale};
pub use source::cameras;

/// The media clock of pictures in hertz (RFC 7741 §4.1).
pub const CLOCK: u32 = 90_000;

/// The most pixels on a side that are encoded, decoded or taken from a camera. VP8 itself allows 16383; a peer that asks
/// for that asks for half a gigabyte.
pub const MOST_SIDE: u32 = 4096;

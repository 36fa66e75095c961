//! What can go wrong with pictures.

/// Why pictures could not be made, coded or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// libvpx refused.
    #[error("VP8: {0}")]
    Codec(String),
    /// A file is no YUV4MPEG2 that can be played; the words say why.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A frame is damaged.
    #[error("a damaged frame: {0}")]
    Frame(String),
    /// A frame came that refers to others which were not decoded.
    #[error("a key frame is needed first")]
    KeyFrameNeeded,
    /// A picture has a size that nothing here handles.
    #[error("{width}x{height} pixels: a side must be 1 to {most}", most = super::MOST_SIDE)]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

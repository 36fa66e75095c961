//! The drivers that carry signaling, and the seal.

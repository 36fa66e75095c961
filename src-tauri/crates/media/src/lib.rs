//! Devices, codecs, jitter buffers.

//! devices
pub fn microphones() -> Vec<(String, String)> { Vec::new() }
pub fn speakers() -> Vec<(String, String)> { Vec::new() }

//! Names for rooms that are started without one.

use parlor_protocol::RoomName;

const QUALITIES: [&str; 32] = [
    "amber", "brave", "bright", "calm", "clear", "coral", "cosy", "early", "fair", "fresh", "gentle", "golden",
    "green", "happy", "keen", "kind", "late", "light", "lively", "lucky", "merry", "mild", "noble", "open", "quiet",
    "rapid", "sunny", "swift", "tidy", "warm", "wild", "young",
];
const PLACES: [&str; 32] = [
    "arch", "attic", "balcony", "bay", "bridge", "cabin", "canal", "corner", "court", "dune", "forest", "garden",
    "grove", "harbour", "hill", "island", "kitchen", "lake", "lantern", "loft", "meadow", "mill", "orchard", "pier",
    "porch", "river", "shore", "studio", "terrace", "tower", "valley", "window",
];

/// A fresh name that people can say: `quiet-harbour-4f2a91`. It is no secret: the link's key is.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh_room() -> Result<RoomName, String> {
    let mut bytes = [0; 5];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    let pick = |list: &[&'static str; 32], byte: u8| list[usize::from(byte) % 32];
    let [quality, place, tail @ ..] = bytes;
    let tail: String = tail.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{}-{}-{tail}", pick(&QUALITIES, quality), pick(&PLACES, place));
    name.parse().map_err(|error: parlor_protocol::ids::IdError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_rooms_have_names_and_different_ones() {
        let names: std::collections::BTreeSet<_> = (0..50).map(|_| fresh_room().expect("a name")).collect();
        assert!(names.len() > 45);
    }
}

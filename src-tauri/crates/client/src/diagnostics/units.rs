//! Numbers as people read them.

/// A length of time: `850 ms`, `1.4 s`, `3 min 20 s`, `1 h 5 min`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bits a second: `640 kbit/s`, `1.2 Mbit/s`.
pub(crate) fn rate(bits: u64) -> String {
    match bits {
        0..1_000_000 => format!("{} kbit/s", bits / 1000),
        _ => format!("{}.{} Mbit/s", bits / 1_000_000, bits % 1_000_000 / 100_000),
    }
}

/// An amount: `512 B`, `12 kB`, `3.4 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A share of 1: `0.4 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 100.0).clamp(0.0, 100.0))
}

/// `1 time`, `3 times`.
pub(crate) fn times(count: u32) -> String {
    if count == 1 { "1 time".into() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_unit_that_suits_it() {
        assert_eq!([850, 1499, 200_000, 3_900_000].map(span), ["850 ms", "1.4 s", "3 min 20 s", "1 h 5 min"]);
        assert_eq!([0, 640_999, 1_250_000].map(rate), ["0 kbit/s", "640 kbit/s", "1.2 Mbit/s"]);
        assert_eq!([512, 12_345, 3_456_789].map(bytes), ["512 B", "12 kB", "3.4 MB"]);
        assert_eq!([0.0, 0.0042, 1.0, 7.0].map(percent), ["0.0 %", "0.4 %", "100.0 %", "100.0 %"]);
        assert_eq!([0, 1, 2].map(times), ["0 times", "1 time", "2 times"]);
    }
}

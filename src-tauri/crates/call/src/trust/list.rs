//! The words that verification words are taken from.

/// 2048 words, one a line, sorted: 4 to 8 letters, no two with the same first four, none within one letter of another.
const TEXT: &str = include_str!("words.txt");
/// How many there are: 11 bits choose one.
pub(super) const COUNT: usize = 2048;

static WORDS: [&str; COUNT] = read();

/// The word with this number, of which the lowest 11 bits count.
pub(super) fn word(number: u64) -> &'static str {
    let place = usize::try_from(number % (COUNT as u64)).expect("below 2048");
    WORDS[place]
}

const fn read() -> [&'static str; COUNT] {
    let mut words = [""; COUNT];
    let mut rest = TEXT.as_bytes();
    let mut n = 0;
    while n < COUNT {
        let mut end = 0;
        while rest[end] != b'\n' {
            end += 1;
        }
        let (word, after) = rest.split_at(end);
        words[n] = match std::str::from_utf8(word) {
            Ok(word) => word,
            Err(_) => "",
        };
        rest = after.split_at(1).1;
        n += 1;
    }
    assert!(rest.is_empty(), "there are more than 2048 words");
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many letters must be changed, added or taken away to make one of the other (Levenshtein).
    fn distance(a: &str, b: &str) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.bytes().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], i + 1);
            for (j, y) in b.bytes().enumerate() {
                let changed = diagonal + usize::from(x != y);
                diagonal = row[j + 1];
                row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
            }
        }
        row[b.len()]
    }

    #[test]
    fn words_are_plain_sorted_and_each_there_once() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        for word in WORDS {
            assert!((4..=8).contains(&word.len()) && word.bytes().all(|c| c.is_ascii_lowercase()), "{word:?}");
        }
    }

    #[test]
    fn no_word_is_mistaken_for_another() {
        for (n, a) in WORDS.iter().enumerate() {
            for b in &WORDS[n + 1..] {
                assert!(a.len().abs_diff(b.len()) > 1 || distance(a, b) >= 2, "{a} and {b}");
                assert_ne!(a[..4], b[..4]);
            }
        }
    }

    #[test]
    fn a_number_finds_its_word() {
        assert_eq!(word(0), WORDS[0]);
        assert_eq!(word(2047), WORDS[2047]);
        assert_eq!(word(2048), WORDS[0]);
        assert_eq!(TEXT.lines().nth(1234), Some(word(1234)));
    }
}

//! Finding the end of a plain run inside a JSON string, many bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Bytes looked at together: one or two vector registers.
const BLOCK: usize = 32;

/// Whether a string cannot hold this byte as it is: a quote, a backslash or a control character.
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The offset of the first special byte at or after `from`; the length if there is none.
pub(super) fn plain_run_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    // Keys and short values end within the first words.
    for _ in 0..2 {
        match word_at(bytes, at) {
            Some(0) => at += 8,
            Some(mask) => return at + first_byte(mask),
            None => return tail_end(bytes, at),
        }
    }
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        // No early exit inside, so that the compiler makes vector code of it.
        let found = block
            .iter()
            .fold(false, |found, byte| found | is_special(*byte));
        if found {
            break;
        }
        at += BLOCK;
    }
    loop {
        match word_at(bytes, at) {
            Some(0) => at += 8,
            Some(mask) => return at + first_byte(mask),
            None => return tail_end(bytes, at),
        }
    }
}

/// The high bit of each of the eight bytes at `at` that may be special. The lowest set bit is
/// exact; higher ones may be carried over from it.
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    Some((is_quote | is_backslash | is_control) & HIGH)
}

fn first_byte(mask: u64) -> usize {
    (mask.trailing_zeros() / 8) as usize
}

/// The last bytes of a text, fewer than a word.
fn tail_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|byte| is_special(*byte))
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_found_as_by_the_plain_loop() {
        for length in 0..80 {
            for place in 0..length {
                for byte in [
                    0, 0x1f, 0x20, 0x21, b'"', b'#', b'\\', 0x7f, 0x80, 0xa2, 0xff,
                ] {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    for from in [0, 1, 7, 9].into_iter().filter(|from| *from <= length) {
                        let expected = text[from..]
                            .iter()
                            .position(|byte| is_special(*byte))
                            .map_or(length, |found| from + found);
                        assert_eq!(
                            plain_run_end(&text, from),
                            expected,
                            "{length} {place} {byte}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_special_bytes_is_found() {
        let text = b"0123456789abcdefghijklmnopqrstuvwxyz\n\"\\";
        assert_eq!(plain_run_end(text, 0), 36);
        assert_eq!(plain_run_end(text, 37), 37);
    }
}

//! Finding integers of more than 64 bits: where anything may stand, `serde_json` reads one as a double, and so changes
//! it without a word; the Python bus loses the event.

/// As many digits as the shortest integers outside of -2^63 to 2^64-1 have.
const LONG: usize = 19;

/// So many bytes are looked at together.
const WINDOW: usize = size_of::<u64>();

/// From one window to the next: a run of `LONG` digits surely holds one whole.
const STEP: usize = LONG - WINDOW + 1;

/// So many windows are looked at together: hardly one is a run, and to branch costs more than to look.
const TOGETHER: usize = 4;

/// Where the first integer outside of -2^63 to 2^64-1 begins in JSON, if there is one.
pub(crate) fn too_long(bytes: &[u8]) -> Option<usize> {
    let mut quotes = Quotes::default();
    // Far fewer runs are as long as a window than hold a digit at any place: there is hardly one to be looked at.
    let mut at = 0;
    while let Some(inside) = next_run(bytes, at) {
        let (start, end) = run_around(bytes, inside);
        let is_candidate = end - start >= LONG && is_integer(bytes, start, end) && !fits(bytes, start, end);
        if is_candidate && !quotes.enclose(bytes, start) {
            return Some(start);
        }
        at = end + STEP;
    }
    None
}

/// The first window of nothing but digits, of those that begin at `at`, at the next step, and so on.
fn next_run(bytes: &[u8], mut at: usize) -> Option<usize> {
    const SPAN: usize = (TOGETHER - 1) * STEP + WINDOW;
    loop {
        if bytes.get(at..at + SPAN).is_some_and(has_no_run) {
            at += TOGETHER * STEP;
        } else if are_digits(*bytes.get(at..)?.first_chunk()?) {
            return Some(at);
        } else {
            at += STEP;
        }
    }
}

/// Whether surely none of the windows in `span` is a run.
fn has_no_run(span: &[u8]) -> bool {
    let window =
        |step: usize| span[step * STEP..].first_chunk().map_or(0, |window| u64::from_ne_bytes(*window));
    !(are_threes(window(0)) | are_threes(window(1)) | are_threes(window(2)) | are_threes(window(3)))
}

fn are_digits(window: [u8; WINDOW]) -> bool {
    let window = u64::from_ne_bytes(window);
    // The upper half of `0` to `9` is 3, and still is with 6 added; of what is above `9`, it is not.
    are_threes(window) && are_threes(window + 0x0606_0606_0606_0606)
}

fn are_threes(halves: u64) -> bool {
    halves & 0xF0F0_F0F0_F0F0_F0F0 == 0x3030_3030_3030_3030
}

fn run_around(bytes: &[u8], at: usize) -> (usize, usize) {
    let start = bytes[..at].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |before| before + 1);
    let end =
        bytes[at..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |length| at + length);
    (start, end)
}

fn is_integer(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).map(|before| bytes[before]);
    !matches!(before, Some(b'.' | b'e' | b'E' | b'+')) && !matches!(bytes.get(end), Some(b'.' | b'e' | b'E'))
}

fn fits(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_negative = bytes[..start].ends_with(b"-");
    let number = std::str::from_utf8(&bytes[start - usize::from(is_negative)..end]).unwrap_or_default();
    if is_negative { number.parse::<i64>().is_ok() } else { number.parse::<u64>().is_ok() }
}

/// Follows the quotes of the texts, each byte once, however often it is asked.
#[derive(Default)]
struct Quotes {
    read: usize,
    is_inside: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Whether `at`, which is behind all places asked for before, stands inside of a text.
    fn enclose(&mut self, bytes: &[u8], at: usize) -> bool {
        for byte in &bytes[self.read..at] {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.is_inside,
                b'"' => self.is_inside = !self.is_inside,
                _ => {}
            }
        }
        self.read = at;
        self.is_inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_integers_outside_of_sixty_four_bits_are_found() {
        for (number, fits) in [
            ("18446744073709551615", true),
            ("18446744073709551616", false),
            ("-9223372036854775808", true),
            ("-9223372036854775809", false),
            ("123456789012345678901234567890", false),
            ("1234567890123456789", true),
            ("0.123456789012345678901234567890", true),
            ("123456789012345678901234567890.5", true),
            ("123456789012345678901234567890e2", true),
            ("1e-00000000000000000000000000001", true),
            ("\"123456789012345678901234567890\"", true),
            ("\"\\\"123456789012345678901234567890\"", true),
            ("\"\\\\\", 123456789012345678901234567890", false),
        ] {
            for padding in 0..40 {
                let text = format!("{{\"{}\":[{number}]}}", "k".repeat(padding));
                assert_eq!(too_long(text.as_bytes()).is_none(), fits, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_a_long_integer_is_found(
            before in "[ -~]{0,60}", digits in "[1-9][0-9]{20,40}", after in "[ -~]{0,60}",
        ) {
            let before = serde_json::to_string(&before).unwrap();
            let after = serde_json::to_string(&after).unwrap();
            let bare = format!("[{before},{digits},{after}]");
            prop_assert!(too_long(bare.as_bytes()).is_some(), "{}", bare);
            let quoted = format!("[{before},\"{digits}\",{after}]");
            prop_assert_eq!(too_long(quoted.as_bytes()), None, "{}", quoted);
        }
    }
}

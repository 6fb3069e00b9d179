//! Glob matching exactly as Redis does it (`stringmatchlen`), byte by byte, in linear memory.
//! Only the matcher lives here; which patterns a user may write is decided in `channel.rs`.

/// Whether `text` matches `pattern` by Redis's rules.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        // Redis never enters its loop for an empty text: not even `*` matches it.
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to go on when a byte does not match: behind the last star, one byte further in the text.
    // Only the last star is worth trying again, so the work stays below pattern times text.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
        } else if let Some(next) = match_one(pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((behind_star, from)) = retry {
            p = behind_star;
            t = from + 1;
            retry = Some((behind_star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The offset behind the pattern element at `at` if that element matches `byte`.
fn match_one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => match_class(pattern, at + 1, byte),
        b'\\' if at + 1 < pattern.len() => (pattern[at + 1] == byte).then_some(at + 2),
        literal => (literal == byte).then_some(at + 1),
    }
}

/// Like [`match_one`], for a class whose first byte behind the `[` is at `at`. A class that is never
/// closed ends with the pattern.
fn match_class(pattern: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(at) == Some(&b'^');
    if negated {
        at += 1;
    }
    let mut found = false;
    loop {
        match pattern[at.min(pattern.len())..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                found |= in_range(first, last, byte);
                at += 3;
            }
            [single, ..] => {
                found |= single == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

/// Redis compares C `char`s, which are signed on the machines that it mostly runs on, and lets a range
/// stand either way round.
fn in_range(first: u8, last: u8, byte: u8) -> bool {
    let (first, last, byte) = (first.cast_signed(), last.cast_signed(), byte.cast_signed());
    (first.min(last)..=first.max(last)).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for text in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern:?} should match {text:?}");
        }
        for text in no {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern:?} should not match {text:?}");
        }
    }

    #[test]
    fn stars_match_any_run_of_bytes() {
        check("*", &["a", "a/b"], &[""]);
        check("a*", &["a", "ab", "a/b/c"], &["", "b", "ba"]);
        check("*/all", &["u/all", "u/g/all"], &["all", "u/all2"]);
        check("a*b*c", &["abc", "a-b-c", "abbcc", "abcbc"], &["ab", "acb"]);
        check("**a", &["a", "xa"], &["ax"]);
    }

    #[test]
    fn a_question_mark_matches_one_byte_not_one_character() {
        check("?", &["a"], &["", "ab", "é"]);
        check("??", &["é", "ab"], &["a"]);
    }

    #[test]
    fn classes_negations_ranges_and_escapes() {
        check("[abc]", &["a", "c"], &["d", "", "ab"]);
        check("[^abc]", &["d"], &["a"]);
        check("[a-c]x", &["ax", "cx"], &["dx"]);
        check("[c-a]", &["b"], &["d"]);
        check("[\\]]", &["]"], &["\\"]);
        check("\\*", &["*"], &["a", "\\*"]);
        check("a\\", &["a\\"], &["a"]);
        check("[ab", &["a", "b"], &["c", "["]);
        check("[a-]", &["a", "]"], &["-"]); // the range a..] with its ends swapped; then the pattern ends
    }

    #[test]
    fn many_stars_stay_fast() {
        let pattern = "a*".repeat(500) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(1_000).as_bytes()));
    }
}

//! Glob matching exactly as Redis does it (`stringmatchlen`), byte by byte, in no
//! more steps than pattern times text, and without memory of its own.
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

/// The bytes that every match of `pattern` begins with, and those that it ends with: what stands before its first
/// wildcard, and behind its last. They never overlap in a match.
pub(crate) fn literal_ends(pattern: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut prefix, mut literal) = (None, Vec::new());
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        match byte {
            b'*' | b'?' | b'[' => {
                at = if byte == b'[' { read_class(pattern, at + 1, 0).1 } else { at + 1 };
                let before = std::mem::take(&mut literal);
                prefix.get_or_insert(before);
            }
            b'\\' if at + 1 < pattern.len() => {
                literal.push(pattern[at + 1]);
                at += 2;
            }
            byte => {
                literal.push(byte);
                at += 1;
            }
        }
    }
    match prefix {
        Some(prefix) => (prefix, literal),
        None => (literal, Vec::new()),
    }
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

/// Like [`match_one`], for a class whose first byte behind the `[` is at `at`.
fn match_class(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    let (is_match, behind) = read_class(pattern, at, byte);
    is_match.then_some(behind)
}

/// Whether the class whose first byte behind the `[` is at `at` matches `byte`, and the offset behind it. A class that
/// is never closed ends with the pattern.
fn read_class(pattern: &[u8], mut at: usize, byte: u8) -> (bool, usize) {
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
    (found != negated, at)
}

/// Redis compares C `char`s, which are signed on the machines that it mostly runs on, and lets a range
/// stand either way round.
fn in_range(first: u8, last: u8, byte: u8) -> bool {
    let (first, last, byte) = (first.cast_signed(), last.cast_signed(), byte.cast_signed());
    (first.min(last)..=first.max(last)).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{literal_ends, matches};
    use proptest::prelude::*;

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
    #[test]
    fn the_ends_of_a_pattern_are_what_stands_outside_of_its_wildcards() {
        for (pattern, prefix, suffix) in [
            ("b/user-1/*", "b/user-1/", ""),
            ("b/*/all", "b/", "/all"),
            ("b/a?c[d]e", "b/a", "e"),
            ("b/\\*x", "b/*x", ""),
            ("[\\]]a", "", "a"),
            ("a[b", "a", ""),
            ("a\\", "a\\", ""),
            ("", "", ""),
        ] {
            let expected = (prefix.as_bytes().to_vec(), suffix.as_bytes().to_vec());
            assert_eq!(literal_ends(pattern.as_bytes()), expected, "{pattern:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_matches_a_pattern_has_its_ends(pattern in r"[ab*?\[\]\\^-]{0,8}", text in r"[ab*?\[\]\\^-]{0,8}") {
            if matches(pattern.as_bytes(), text.as_bytes()) {
                let (prefix, suffix) = literal_ends(pattern.as_bytes());
                prop_assert!(text.len() >= prefix.len() + suffix.len());
                prop_assert!(text.as_bytes().starts_with(&prefix) && text.as_bytes().ends_with(&suffix));
            }
        }
    }
}

//! Suggests what somebody who wrote an unknown word may have meant.

/// The known words, the nearest first.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let mut known = known.to_vec();
    known.sort_by_key(|candidate| distance(word, candidate));
    match known.as_slice() {
        [] => "none is known here".to_owned(),
        [only] => format!("only `{only}` is known here"),
        [nearest, others @ ..] if distance(word, nearest) <= 2 => {
            format!("did you mean `{nearest}`? known are also `{}`", others.join("`, `"))
        }
        all => format!("known are `{}`", all.join("`, `")),
    }
}

/// How many letters must be put in, taken out or replaced to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_comes_first() {
        assert_eq!(distance("chanel", "channel"), 1);
        assert_eq!(
            did_you_mean("chanel", &["name", "channel", "crate"]),
            "did you mean `channel`? known are also `name`, `crate`"
        );
        assert!(did_you_mean("zzzzzzzz", &["name", "crate"]).starts_with("known are `"));
        assert_eq!(did_you_mean("x", &["field"]), "only `field` is known here");
    }
}

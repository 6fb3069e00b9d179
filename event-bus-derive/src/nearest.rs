//! Suggests what somebody who wrote an unknown word may have meant.
//! Knows words only, not where they stand.

/// More known words than this help nobody.
const SHOWN: usize = 8;

/// What was most likely meant by `word`, if anything known is near.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let may_differ = word.chars().count().max(3) / 3;
    let nearest = known.iter().min_by_key(|candidate| distance(word, candidate))?;
    (distance(word, nearest) <= may_differ).then_some(nearest)
}

/// The known words, the nearest first.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let mut sorted = known.to_vec();
    sorted.sort_by_key(|candidate| distance(word, candidate));
    let mut shown: Vec<String> = sorted.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    if sorted.len() > SHOWN {
        shown.push("…".to_owned());
    }
    let known_are = match shown.as_slice() {
        [] => return "none is known here".to_owned(),
        [only] => format!("only {only} is known here"),
        several => format!("known are {}", several.join(", ")),
    };
    nearest(word, known)
        .map_or_else(|| known_are.clone(), |nearest| format!("did you mean `{nearest}`? {known_are}"))
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour to make one word of the
/// other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_all_are_listed_when_none_is_near() {
        assert_eq!(distance("chanel", "channel"), 1);
        assert_eq!(distance("feild", "field"), 1);
        assert_eq!(distance("", "field"), 5);
        assert_eq!(
            did_you_mean("chanel", &["name", "channel", "crate"]),
            "did you mean `channel`? known are `channel`, `crate`, `name`"
        );
        assert_eq!(
            did_you_mean("rate", &["name", "crate"]),
            "did you mean `crate`? known are `crate`, `name`"
        );
        assert_eq!(did_you_mean("user", &["name", "crate"]), "known are `name`, `crate`");
        assert_eq!(did_you_mean("x", &["field"]), "only `field` is known here");
        assert_eq!(did_you_mean("x", &[]), "none is known here");
        let many: Vec<&str> = (0..20).map(|_| "word").collect();
        assert!(did_you_mean("unlike", &many).ends_with("`word`, …"));
    }
}

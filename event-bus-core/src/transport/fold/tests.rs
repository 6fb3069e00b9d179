use super::*;
use proptest::prelude::*;

const PATTERNS: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Pattern };

fn pattern(name: &str) -> Topic {
    Topic { scope: PATTERNS, name: name.into() }
}

#[test]
fn the_patterns_of_one_bus_fold_when_there_are_more_than_the_threshold() {
    let mut folds = Folds::beyond(2);
    assert_eq!(folds.add(&pattern("b/1*")), Fold::Apart);
    assert_eq!(folds.add(&pattern("c/1*")), Fold::Apart);
    assert_eq!(folds.add(&pattern("b/2*")), Fold::Apart);
    assert_eq!(folds.add(&pattern("b/3*")), Fold::Begins(pattern("b/*")));
    assert_eq!(folds.add(&pattern("b/4*")), Fold::Lasts(pattern("b/*")));
    assert_eq!(folds.add(&pattern("c/2*")), Fold::Apart, "another bus");
    assert_eq!(folds.wide_one_for(&pattern("b/9*")), Some(pattern("b/*")));
    for name in ["b/1*", "b/2*", "b/3*"] {
        assert_eq!(folds.remove(&pattern(name)), None, "it stays folded, however few they are");
    }
    assert_eq!(folds.remove(&pattern("b/4*")), Some(pattern("b/*")));
    assert_eq!(folds.add(&pattern("b/1*")), Fold::Apart, "it begins anew");
}

#[test]
fn what_no_wide_pattern_stands_for_does_not_fold() {
    let mut folds = Folds::beyond(0);
    for name in ["*", "b*/1", "b?/1", "[b]/1", "\\b/1", "b*", "b/*"] {
        assert_eq!(folds.add(&pattern(name)), Fold::Apart, "{name}");
    }
    let channel = Topic { scope: Scope { kind: TopicKind::Channel, ..PATTERNS }, name: "b/1".into() };
    assert_eq!(folds.add(&channel), Fold::Apart);
    assert_eq!(
        folds.add(&pattern("b/1")),
        Fold::Begins(pattern("b/*")),
        "a pattern without a wildcard is one"
    );
    assert_eq!(folds.add(&pattern("b/1/*")), Fold::Lasts(pattern("b/*")), "its bus ends at the first slash");
    assert_eq!(folds.add(&pattern("b/**")), Fold::Lasts(pattern("b/*")));
    assert_eq!(Folds::default().add(&pattern("b/1*")), Fold::Apart, "it is turned off");
}

#[test]
fn a_refusal_lasts_until_the_next_connection() {
    let mut folds = Folds::beyond(1);
    folds.add(&pattern("b/1*"));
    folds.add(&pattern("b/2*"));
    assert!(!folds.refuse(&pattern("c/*")));
    assert!(!folds.refuse(&pattern("b/1*")));
    assert!(folds.refuse(&pattern("b/*")));
    assert!(!folds.refuse(&pattern("b/*")), "once");
    assert_eq!(folds.add(&pattern("b/3*")), Fold::Apart);
    assert_eq!(folds.wide_ones(Endpoint(0)), []);
    assert_eq!(folds.reconsider(Endpoint(1)), []);
    assert_eq!(folds.reconsider(Endpoint(0)), [pattern("b/*")]);
    assert_eq!(folds.add(&pattern("b/4*")), Fold::Lasts(pattern("b/*")));
}

#[test]
fn a_refusal_is_remembered_while_nobody_listens_and_then_forgotten() {
    let mut folds = Folds::beyond(0);
    folds.add(&pattern("b/1*"));
    folds.refuse(&pattern("b/*"));
    assert_eq!(folds.remove(&pattern("b/1*")), None);
    assert_eq!(folds.add(&pattern("b/1*")), Fold::Apart, "it is not asked again and again");
    folds.remove(&pattern("b/1*"));
    assert_eq!(folds.reconsider(Endpoint(0)), []);
    assert!(folds.groups.values().next().is_none(), "nothing is left behind");
}

proptest! {
    /// The index finds what matching them all would, whatever came and went before.
    #[test]
    fn a_channel_finds_the_patterns_that_it_matches(
        kept in proptest::collection::btree_set(r"b/[ab*?\[\]\\^-]{0,5}", 0..20),
        gone in proptest::collection::btree_set(r"b/[ab*?\[\]\\^-]{0,5}", 0..20),
        channels in proptest::collection::vec(r"b/[ab*?\[\]\\^-]{0,5}", 1..20),
    ) {
        let mut folds = Folds::beyond(0);
        let gone: Vec<&String> = gone.difference(&kept).collect();
        for name in gone.iter().copied().chain(&kept) {
            folds.add(&pattern(name));
        }
        gone.iter().for_each(|name| drop(folds.remove(&pattern(name))));
        for channel in &channels {
            let mut found: Vec<&str> = folds.matching(PATTERNS, "b/*", channel.as_bytes()).map(|name| &**name).collect();
            found.sort_unstable();
            let matches = |name: &&str| *name != "b/*" && glob::matches(name.as_bytes(), channel.as_bytes());
            let expected: Vec<&str> = kept.iter().map(String::as_str).filter(matches).collect();
            prop_assert_eq!(found, expected);
        }
        kept.iter().for_each(|name| drop(folds.remove(&pattern(name))));
        prop_assert!(folds.groups.values().next().is_none());
    }
}

use super::*;
use crate::glob;
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
    assert_eq!(folds.reconsider(Endpoint(1)), Reconsidered::default());
    assert_eq!(folds.reconsider(Endpoint(0)).begins, [pattern("b/*")]);
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
    assert_eq!(folds.reconsider(Endpoint(0)), Reconsidered::default());
    assert!(folds.groups.values().next().is_none(), "nothing is left behind");
}

#[test]
fn patterns_that_would_all_be_compared_with_a_channel_are_not_folded() {
    let mut folds = Folds::beyond(32);
    for number in 0..1_000 {
        assert_eq!(folds.add(&pattern(&format!("b/*-{number}-*"))), Fold::Apart);
    }
    for number in 0..1_000 {
        let (before, behind) = ("p".repeat(number % 40), "s".repeat(number / 40));
        assert_eq!(folds.add(&pattern(&format!("c/{before}/*/{behind}"))), Fold::Apart);
    }
    for number in 0..1_000 {
        let stars = "a*".repeat(100);
        assert_eq!(folds.add(&pattern(&format!("d/{number}/{stars}b"))), Fold::Apart);
    }
    for number in 0..33 {
        folds.add(&pattern(&format!("b/{number}/*")));
        folds.add(&pattern(&format!("e/{number}/*")));
    }
    assert_eq!(folds.wide_ones(Endpoint(0)), [pattern("e/*")]);
}

#[test]
fn few_patterns_that_are_dear_to_match_keep_no_others_from_being_folded() {
    let mut folds = Folds::beyond(32);
    for number in 0..40 {
        folds.add(&pattern(&format!("b/*-{number}-*")));
        folds.add(&pattern(&format!("b/{}/*/{}", "p".repeat(number), "s".repeat(number))));
    }
    for number in 0..1_000 {
        folds.add(&pattern(&format!("b/user-{number}/*")));
    }
    assert_eq!(folds.wide_ones(Endpoint(0)), [pattern("b/*")]);
    assert!(folds.patterns_into(&pattern("b/*")).len() >= 1_000);
}

#[test]
fn a_pattern_that_would_make_matching_dear_stays_apart_until_there_is_room_at_the_next_connection() {
    let mut folds = Folds::at_most(1, Price { lengths: 2, alike: 0 });
    folds.add(&pattern("b/1*"));
    assert_eq!(folds.add(&pattern("b/2*")), Fold::Begins(pattern("b/*")));
    assert_eq!(folds.add(&pattern("b/3*")), Fold::Lasts(pattern("b/*")));
    assert_eq!(folds.add(&pattern("b/*1")), Fold::Lasts(pattern("b/*")));
    assert_eq!(folds.add(&pattern("b/*22")), Fold::Apart, "a third pair of lengths");
    assert_eq!(folds.wide_one_for(&pattern("b/*22")), None);
    assert_eq!(folds.patterns_into(&pattern("b/*")).len(), 4);
    assert_eq!(folds.matching(PATTERNS, "b/*", b"b/122").count(), 1);
    assert_eq!(folds.remove(&pattern("b/*1")), None);
    assert_eq!(folds.reconsider(Endpoint(0)), Reconsidered::default());
    assert_eq!(folds.wide_one_for(&pattern("b/*22")), Some(pattern("b/*")));
    assert_eq!(folds.matching(PATTERNS, "b/*", b"b/122").count(), 2);
}

#[test]
fn a_new_connection_asks_for_few_patterns_by_themselves() {
    let mut folds = Folds::beyond(1);
    for name in ["b/1*", "b/2*"] {
        folds.add(&pattern(name));
    }
    assert_eq!(folds.remove(&pattern("b/1*")), None);
    assert_eq!(folds.reconsider(Endpoint(0)).ends, [pattern("b/*")]);
    assert_eq!(folds.wide_one_for(&pattern("b/2*")), None);
}

proptest! {
    /// The index finds what matching them all would, whatever came and went before, and looks at few.
    #[test]
    fn a_channel_finds_the_patterns_that_it_matches(
        lengths in 1..50_usize,
        alike in 0..50_usize,
        kept in proptest::collection::btree_set(r"b/[ab*?\[\]\\^-]{0,5}", 0..20),
        gone in proptest::collection::btree_set(r"b/[ab*?\[\]\\^-]{0,5}", 0..20),
        channels in proptest::collection::vec(r"b/[ab*?\[\]\\^-]{0,5}", 1..20),
    ) {
        let mut folds = Folds::at_most(0, Price { lengths, alike });
        let gone: Vec<&String> = gone.difference(&kept).collect();
        for name in gone.iter().copied().chain(&kept) {
            folds.add(&pattern(name));
        }
        gone.iter().for_each(|name| drop(folds.remove(&pattern(name))));
        if let Some(group) = folds.groups.values().next() {
            let price = group.patterns.price();
            prop_assert!(price.lengths <= lengths && price.alike <= alike);
            let count = group.patterns.count() + group.patterns.count_apart();
            prop_assert_eq!(count, kept.len() - usize::from(kept.contains("b/*")));
        }
        let is_served: BTreeSet<Arc<str>> =
            folds.patterns_into(&pattern("b/*")).into_iter().map(|topic| topic.name).collect();
        let all = kept.iter().filter(|name| *name != "b/*").count();
        prop_assert!(is_served.len() == all || lengths.min(alike) < 40, "{} of {all}", is_served.len());
        for channel in &channels {
            let mut found: Vec<&str> = folds.matching(PATTERNS, "b/*", channel.as_bytes()).map(|name| &**name).collect();
            found.sort_unstable();
            let matches = |name: &&str| is_served.contains(*name) && glob::matches(name.as_bytes(), channel.as_bytes());
            let expected: Vec<&str> = kept.iter().map(String::as_str).filter(matches).collect();
            prop_assert_eq!(found, expected);
        }
        kept.iter().for_each(|name| drop(folds.remove(&pattern(name))));
        prop_assert!(folds.groups.values().next().is_none());
    }
}

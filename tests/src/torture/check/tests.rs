use std::time::Duration;

use super::sample::Sample;
use super::*;
use crate::torture::plant::Plant;
use crate::torture::record::{EventId, FaultKind, Heard, Item, Outcome, Published, Reach};

const SEEDS: std::ops::Range<u64> = 0..8;

fn count(verdict: &Verdict, what: What) -> usize {
    verdict.findings.iter().filter(|finding| finding.what == what).count()
}

#[test]
fn a_run_without_faults_of_the_library_passes_and_all_losses_are_counted() {
    for seed in SEEDS {
        let sample = Sample::of(seed);
        let lost = sample.lost.iter().zip(&sample.lost_to_deposed);
        for (stream, (lost, deposed)) in sample.streams.iter().zip(lost) {
            let verdict = check(&sample.case(), stream);
            assert!(verdict.findings.is_empty(), "seed {seed}: {}", verdict.findings[0]);
            assert!(unnoticed(&sample.case(), stream).next().is_none(), "seed {seed}");
            assert_eq!((verdict.told_missing, verdict.deposed.events), (*lost, *deposed), "seed {seed}");
            assert!(*deposed > 20 && verdict.deposed.told == 0);
            assert!(verdict.delivered > 1_000 && *lost > 20, "the sample means something: {lost}");
        }
    }
}

#[test]
fn each_plant_is_found_as_what_it_is_and_nothing_else() {
    for seed in SEEDS {
        for plant in Plant::ALL {
            let mut sample = Sample::of(seed);
            let told: usize = sample.lost.iter().sum();
            let mut streams = std::mem::take(&mut sample.streams);
            let mut random = fastrand::Rng::with_seed(seed);
            let planted = plant.plant(&sample.case(), &mut streams, &mut random).expect("a place");
            let verdicts: Vec<Verdict> = streams.iter().map(|stream| check(&sample.case(), stream)).collect();
            let no_longer_told = told - verdicts.iter().map(|verdict| verdict.told_missing).sum::<usize>();
            let (what, expected) = match plant {
                Plant::Lost | Plant::Outlived => (What::Silent, 1),
                Plant::Withheld | Plant::GapWithheld => (What::Silent, no_longer_told),
                Plant::Swapped => (What::Reordered, 1),
                Plant::Doubled => (What::Duplicated, 1),
                Plant::Invented | Plant::GapInvented => (What::Spurious, 1),
            };
            assert!(expected > 0, "{planted}: nothing was found");
            for of in What::ALL {
                let found: usize = verdicts.iter().map(|verdict| count(verdict, of)).sum();
                assert_eq!(found, if of == what { expected } else { 0 }, "seed {seed}, {planted}: {of}");
            }
        }
    }
}

#[test]
fn a_lag_excuses_as_many_as_it_says_and_may_not_say_more_than_there_are() {
    for seed in SEEDS {
        for (change, silent, spurious) in [(-1, 1, 0), (1_000, 0, 1)] {
            let mut sample = Sample::of(seed);
            let mut stream = sample.streams.pop().expect("the one that lags");
            let lags = stream.items.iter_mut().filter_map(|heard| match &mut heard.item {
                Item::Lagged { missed } => Some(missed),
                _ => None,
            });
            let last = lags.last().expect("it lags");
            *last = last.saturating_add_signed(change);
            let verdict = check(&sample.case(), &stream);
            assert_eq!((count(&verdict, What::Silent), count(&verdict, What::Spurious)), (silent, spurious));
        }
    }
}

#[test]
fn a_lag_may_count_farewells_though_nobody_has_to_hear_them() {
    let unheard = || small().both(0, 2_000).published(1, 3_000, Outcome::Farewell);
    let lagged = |missed| unheard().told(Item::Lagged { missed }, 3_500).both(2, 4_000);
    lagged(1).finds(What::Spurious, 0);
    lagged(2).finds(What::Spurious, 1);
    unheard().both(2, 4_000).finds(What::Silent, 0);
}

/// One publisher on one line, a listener on it, a kill from 10 s to 10.1 s unless other faults are given. Times in
/// milliseconds.
#[derive(Clone)]
struct Small {
    faults: Vec<Fault>,
    events: Vec<Published>,
    items: Vec<Heard>,
    lines: Vec<u32>,
    is_line_by_line: bool,
    is_sequenced: bool,
}

fn ms(ms: u64) -> Time {
    Duration::from_millis(ms)
}

fn id(number: u64) -> EventId {
    EventId { publisher: 0, channel: 0, number }
}

fn fault(kind: FaultKind, begin: u64, end: u64) -> Fault {
    sample::fault(kind, ms(begin), ms(end))
}

fn small() -> Small {
    Small {
        faults: vec![fault(FaultKind::Kill, 10_000, 10_100)],
        events: Vec::new(),
        items: Vec::new(),
        lines: vec![0],
        is_line_by_line: false,
        is_sequenced: false,
    }
}

impl Small {
    fn under(self, faults: &[Fault]) -> Self {
        Self { faults: faults.to_vec(), ..self }
    }

    fn published(mut self, number: u64, sent: u64, outcome: Outcome) -> Self {
        self.events.push(Published { id: id(number), sent: ms(sent), done: ms(sent + 1), outcome });
        self
    }

    fn heard(mut self, number: u64, at: u64) -> Self {
        self.items.push(Heard { at: ms(at), item: Item::Event(id(number)) });
        self
    }

    fn told(mut self, item: Item, at: u64) -> Self {
        self.items.push(Heard { at: ms(at), item });
        self
    }

    fn outage(self, interrupted: u64, resumed: u64) -> Self {
        let down_for = ms(resumed - interrupted);
        self.told(Item::Interrupted, interrupted).told(Item::Resumed { down_for }, resumed)
    }

    /// Published, acknowledged and heard.
    fn both(self, number: u64, at: u64) -> Self {
        self.published(number, at, Outcome::Acked).heard(number, at + 1)
    }

    fn case<'a>(&'a self, ledger: &'a Ledger) -> Case<'a> {
        Case {
            ledger,
            faults: &self.faults,
            tolerance: Tolerance::default(),
            is_several: self.is_line_by_line,
            is_line_by_line: self.is_line_by_line,
            is_sequenced: self.is_sequenced,
        }
    }

    fn strange_logins(self) -> usize {
        strange_logins(&self.case(&Ledger::of(self.events.clone()))).count()
    }

    fn verdict(self) -> Verdict {
        let ledger = Ledger::of(self.events.clone());
        let case = self.case(&ledger);
        let stream = Stream {
            name: "small".to_owned(),
            lines: self.lines.clone(),
            confirmed: ms(1),
            nap: Duration::ZERO,
            items: self.items.clone(),
            is_complete: true,
        };
        check(&case, &stream)
    }

    fn finds(self, what: What, expected: usize) {
        let verdict = self.verdict();
        assert_eq!(count(&verdict, what), expected, "{:?}", verdict.findings);
        assert_eq!(verdict.findings.len(), expected, "{:?}", verdict.findings);
    }
}

#[test]
fn what_was_lost_just_before_a_fault_is_told_by_its_outage() {
    let lost =
        |at| small().both(0, 2_000).published(1, at, Outcome::Acked).outage(10_001, 10_050).both(2, 11_000);
    lost(9_998).finds(What::Silent, 0);
    lost(10_030).finds(What::Silent, 0);
    lost(5_000).finds(What::Silent, 1); // in the same hole, but all was well then
    lost(10_060).finds(What::Silent, 1); // after it had resumed
}

#[test]
fn an_outage_does_not_tell_what_was_lost_before_a_later_event() {
    let near =
        small().both(0, 9_900).published(1, 9_950, Outcome::Acked).both(2, 9_960).outage(10_001, 10_050);
    near.both(3, 11_000).finds(What::Silent, 1);
}

#[test]
fn what_was_held_back_until_just_before_a_fault_is_told_by_its_outage() {
    for kind in [FaultKind::Slow, FaultKind::Flood] {
        let lost = |begin, end, at| {
            let faults = [fault(kind, begin, end), fault(FaultKind::Kill, 10_000, 10_100)];
            let small = small().under(&faults).both(0, 2_000).published(1, at, Outcome::Acked);
            small.outage(10_001, 10_050).both(2, 11_000)
        };
        lost(7_000, 9_500, 8_000).finds(What::Silent, 0);
        lost(7_000, 9_500, 5_500).finds(What::Silent, 1); // before anything was held back
        lost(5_000, 8_500, 8_000).finds(What::Silent, 1); // it was over long before
        lost(10_500, 12_000, 8_000).finds(What::Silent, 1); // it came later
    }
}

#[test]
fn what_holds_back_explains_no_outage_and_no_loss() {
    for kind in [FaultKind::Slow, FaultKind::Flood] {
        let faults = [fault(kind, 10_000, 12_000)];
        small().under(&faults).outage(10_001, 10_050).finds(What::Spurious, 1);
        let lost = small().under(&faults).both(0, 9_000).published(1, 10_500, Outcome::Acked);
        lost.both(2, 13_000).finds(What::Silent, 1);
        let sample = Sample::of(0);
        let case = Case { faults: &faults, ..sample.case() };
        assert_eq!(unnoticed(&case, &sample.streams[0]).count(), 0, "nobody need be told");
    }
}

#[test]
fn a_notice_is_read_later_where_much_was_held_back_just_before() {
    let kill = fault(FaultKind::Kill, 10_000, 10_100);
    let behind = |held: Fault, at| small().under(&[held, kill]).outage(at, at + 50);
    behind(fault(FaultKind::Flood, 9_500, 9_900), 11_900).finds(What::Spurious, 0);
    behind(fault(FaultKind::Flood, 9_500, 9_900), 12_200).finds(What::Spurious, 1);
    behind(fault(FaultKind::Flood, 7_500, 8_900), 11_900).finds(What::Spurious, 1);
}

#[test]
fn a_dropped_message_is_told_once_to_those_who_would_have_got_it() {
    let dropped = [fault(FaultKind::Drop, 10_000, 10_003)];
    let lost = || small().under(&dropped).both(0, 9_000).published(1, 10_001, Outcome::Acked);
    lost().outage(10_002, 10_002).both(2, 11_000).finds(What::Silent, 0);
    lost().both(2, 11_000).finds(What::Silent, 1);
    lost().outage(10_002, 10_002).outage(10_003, 10_003).both(2, 11_000).finds(What::Spurious, 1);
    let sample = Sample::of(0);
    let case = Case { faults: &dropped, ..sample.case() };
    assert_eq!(unnoticed(&case, &sample.streams[0]).count(), 0, "it may have been another's");
}

fn gap(missed: u64) -> Item {
    Item::Gap { channel: 0, missed }
}

/// Events 1 and 2 vanish on the way.
fn vanished() -> Small {
    let small = small().under(&[fault(FaultKind::Lose, 10_000, 10_200)]).both(0, 9_000);
    small.published(1, 10_050, Outcome::Acked).published(2, 10_060, Outcome::Acked)
}

#[test]
fn a_gap_tells_as_many_as_it_says_of_those_before_the_next_event() {
    let told = |missed| vanished().told(gap(missed), 10_300).both(3, 10_300);
    told(2).finds(What::Silent, 0);
    let too_few = told(1).verdict();
    assert_eq!([count(&too_few, What::Silent), count(&too_few, What::Spurious)], [1, 1]);
    told(3).finds(What::Spurious, 1);
    vanished().both(3, 10_300).finds(What::Silent, 2);
    let by_the_library = told(2).under(&[]);
    by_the_library.finds(What::Silent, 2); // nothing vanished on its way
    let late = vanished().both(3, 10_300).told(gap(2), 10_350).both(4, 10_400).verdict();
    assert_eq!([count(&late, What::Silent), count(&late, What::Spurious)], [2, 1], "where it stands counts");
}

#[test]
fn a_gap_may_count_what_may_have_been_published_and_nothing_that_surely_was_not() {
    let told = |outcome| {
        let small = vanished().published(3, 10_070, outcome).told(gap(3), 10_300);
        small.both(4, 10_300)
    };
    told(Outcome::Unknown).finds(What::Silent, 0);
    told(Outcome::NotSent).finds(What::Spurious, 1);
}

#[test]
fn a_gap_does_not_tell_what_another_notice_covers() {
    let faults = [fault(FaultKind::Kill, 10_000, 10_010)];
    let covered = small().under(&faults).both(0, 9_000).published(1, 10_005, Outcome::Acked);
    covered.outage(10_001, 10_050).told(gap(1), 10_300).both(2, 10_300).finds(What::Spurious, 1);
}

#[test]
fn a_gap_stands_before_an_event_of_its_channel() {
    small().both(0, 3_000).told(gap(1), 3_100).finds(What::Spurious, 1);
    let elsewhere = Item::Gap { channel: 1, missed: 1 };
    small().both(0, 3_000).told(elsewhere, 3_100).both(1, 3_200).finds(What::Spurious, 1);
}

#[test]
fn what_vanishes_beside_another_loss_is_beyond_numbers_and_what_vanishes_elsewhere_is_not() {
    let faults = [fault(FaultKind::Kill, 10_000, 10_010), fault(FaultKind::Lose, 10_100, 10_200)];
    let lost = || small().under(&faults).both(0, 9_000).outage(10_001, 10_050);
    let beside = lost().published(1, 10_150, Outcome::Acked).both(2, 10_300).verdict();
    assert_eq!((beside.findings.len(), beside.beyond_numbers, beside.told_missing), (0, 1, 0));
    lost().both(1, 10_090).published(2, 10_150, Outcome::Acked).both(3, 10_300).finds(What::Silent, 1);
    lost().published(1, 13_000, Outcome::Acked).both(2, 13_100).finds(What::Silent, 1); // nothing vanished then
    let first = small().under(&faults[1..]).published(0, 10_150, Outcome::Acked).both(1, 10_300).verdict();
    assert_eq!((first.findings.len(), first.beyond_numbers), (0, 1), "nobody knew of that publisher");
}

#[test]
fn a_black_hole_is_noticed_within_the_bound_and_not_because_it_ends() {
    let hole = |within| {
        let fault = fault(FaultKind::BlackHole, 10_000, 19_000);
        let reach = Reach::of_all(fault.begin + ms(within));
        [Fault { within: ms(within), reach, ..fault }]
    };
    let unnoticed = |within, told_at| {
        let Small { faults, events, items, .. } =
            small().under(&hole(within)).both(0, 9_000).outage(told_at, told_at + 50);
        let ledger = Ledger::of(events);
        let sample = Sample::of(0);
        let case = Case { ledger: &ledger, faults: &faults, ..sample.case() };
        unnoticed(&case, &Stream { items, ..Sample::of(0).streams.swap_remove(0) }).count()
    };
    assert_eq!([unnoticed(6_500, 15_100), unnoticed(6_500, 19_001), unnoticed(4_500, 15_100)], [0, 1, 1]);
}

#[test]
fn only_what_was_acknowledged_after_listen_is_due() {
    let some = small().published(0, 0, Outcome::Acked).published(1, 3_000, Outcome::Unknown);
    some.published(2, 4_000, Outcome::NotSent).both(3, 5_000).finds(What::Silent, 0);
}

#[test]
fn an_unknown_outcome_may_come_late_and_an_acknowledged_one_may_not() {
    let late = |outcome| small().published(0, 3_000, outcome).both(1, 3_500).heard(0, 4_000).both(2, 5_000);
    late(Outcome::Unknown).finds(What::Reordered, 0);
    late(Outcome::Acked).finds(What::Reordered, 1);
    let again = late(Outcome::Unknown).heard(0, 6_000);
    again.finds(What::Duplicated, 1);
}

#[test]
fn phantoms_are_found() {
    small().both(0, 3_000).heard(7, 3_500).finds(What::Phantom, 1);
    small().both(0, 3_000).published(1, 3_100, Outcome::NotSent).heard(1, 3_500).finds(What::Phantom, 1);
    small().published(0, 3_000, Outcome::Unknown).heard(0, 2_000).finds(What::Phantom, 1);
    let changed = small().published(0, 3_000, Outcome::Unknown).told(Item::Corrupted(id(0)), 3_001);
    changed.finds(What::Phantom, 1);
    let mut foreign = small().both(0, 3_000).published(1, 3_100, Outcome::Acked).heard(1, 3_200);
    let elsewhere = EventId { channel: 1, ..id(1) };
    (foreign.events[1].id, foreign.items[1].item) = (elsewhere, Item::Event(elsewhere));
    foreign.finds(What::Phantom, 1);
}

#[test]
fn notices_without_a_reason_are_found() {
    let resumed = |down_for| Item::Resumed { down_for: ms(down_for) };
    small().outage(10_001, 10_050).finds(What::Spurious, 0);
    small().outage(9_900, 9_950).finds(What::Spurious, 1); // before the fault
    small().outage(12_000, 12_050).finds(What::Spurious, 1); // long after it
    small().outage(10_001, 10_050).outage(10_200, 10_250).finds(What::Spurious, 1); // one fault, two outages
    small().outage(10_001, 15_000).finds(What::Spurious, 1); // longer than the fault explains
    small().told(Item::Interrupted, 10_001).finds(What::Spurious, 1);
    small().told(resumed(40), 10_050).finds(What::Spurious, 1);
    small().told(Item::Interrupted, 10_001).told(resumed(3_000), 10_050).finds(What::Spurious, 1);
    small().told(Item::Interrupted, 10_001).told(resumed(0), 12_000).finds(What::Spurious, 1);
    small()
        .told(Item::Interrupted, 10_001)
        .both(0, 10_020)
        .told(resumed(49), 10_050)
        .finds(What::Spurious, 1);
    small().told(Item::Lagged { missed: 1 }, 5_000).finds(What::Spurious, 1);
    small().told(Item::Other("undecodable".to_owned()), 5_000).finds(What::Spurious, 1);
}

#[test]
fn a_fault_that_no_outage_tells_is_unnoticed() {
    let mut sample = Sample::of(1);
    let is_no_outage = |heard: &Heard| !matches!(heard.item, Item::Interrupted | Item::Resumed { .. });
    let mut stream = sample.streams.swap_remove(1);
    stream.items.retain(is_no_outage);
    let faults: Vec<FaultKind> = unnoticed(&sample.case(), &stream).map(|fault| fault.kind).collect();
    assert_eq!(faults, [FaultKind::Kill, FaultKind::Restart, FaultKind::Stop], "the short stop may be");
    stream.confirmed = ms(8_500);
    assert_eq!(unnoticed(&sample.case(), &stream).count(), 1, "it listened after the first two");
}

#[test]
fn a_listener_has_heard_again_with_the_first_event_published_after_the_faults() {
    let Small { events, items, .. } = small().both(0, 9_000).both(1, 10_200).both(2, 10_300);
    let (ledger, sample) = (Ledger::of(events), Sample::of(0));
    let stream = Stream { items, ..sample.streams[0].clone() };
    assert_eq!(heard_again(&ledger, &stream, ms(10_100)), Some(ms(101)));
    assert_eq!(heard_again(&ledger, &stream, ms(11_000)), None);
}

/// One of channels 1 and 2 is cut off from 10 s to 12 s, when its successor is known. It acknowledges event 1.
fn acknowledged_alone(sent: u64) -> Small {
    let on_line_1 = |number| EventId { channel: 1, ..id(number) };
    let small = small().under(&[sample::isolation(ms(10_000), ms(12_000))]).both(0, 9_000);
    let mut small = Small { lines: vec![1], ..small };
    small = small.published(1, sent, Outcome::Acked).both(2, 16_000);
    small.events.iter_mut().for_each(|event| event.id = on_line_1(event.id.number));
    for heard in &mut small.items {
        heard.item = heard.event().map_or(heard.item.clone(), |id| Item::Event(on_line_1(id.number)));
    }
    small
}

#[test]
fn what_a_deposed_master_acknowledges_is_counted_apart_until_everybody_should_have_left_it() {
    let deposed = |sent| {
        let verdict = acknowledged_alone(sent).verdict();
        (verdict.deposed.events, verdict.deposed.longest, count(&verdict, What::Silent))
    };
    assert_eq!(deposed(11_000), (1, ms(0), 0));
    assert_eq!(deposed(13_500), (1, ms(1_501), 0));
    assert_eq!(deposed(14_100), (0, ms(0), 1), "long after it");
    assert_eq!(deposed(9_900), (0, ms(0), 1), "before it");
    let elsewhere = small().under(&[sample::isolation(ms(10_000), ms(12_000))]).both(0, 9_000);
    elsewhere.published(1, 11_000, Outcome::Acked).both(2, 16_000).finds(What::Silent, 1);
}

#[test]
fn on_a_sequenced_bus_what_a_deposed_master_acknowledges_is_told_by_its_number() {
    let sequenced = |told: Option<u64>| {
        let mut small = acknowledged_alone(11_000);
        if let Some(missed) = told {
            let gap = Heard { at: ms(16_000), item: Item::Gap { channel: 1, missed } };
            small.items.insert(1, gap);
        }
        small.is_sequenced = true;
        let verdict = small.verdict();
        (count(&verdict, What::Silent), count(&verdict, What::Spurious), verdict.deposed.told)
    };
    assert_eq!(sequenced(None), (1, 0, 0));
    assert_eq!(sequenced(Some(1)), (0, 0, 1));
    assert_eq!(sequenced(Some(2)), (0, 1, 1));
}

#[test]
fn what_comes_late_is_counted_and_how_late_it_is() {
    let late = small().published(0, 3_000, Outcome::Unknown).both(1, 3_500).heard(0, 4_001).both(2, 5_000);
    let verdict = late.verdict();
    assert_eq!((verdict.late, verdict.latest, verdict.findings.len()), (1, ms(1_000), 0));
}

#[test]
fn a_fault_explains_as_many_outages_of_those_whom_it_concerns_as_it_may_cause() {
    let twice = |channels: &[u32], outages| {
        let reach =
            Reach { may_tell: channels.iter().copied().collect(), outages, ..Reach::of_all(Time::MAX) };
        let faults = [Fault { reach, ..fault(FaultKind::Stop, 10_000, 12_000) }];
        small().under(&faults).outage(10_001, 10_050).outage(10_200, 10_250)
    };
    twice(&[0, 3], 2).finds(What::Spurious, 0);
    twice(&[0, 3], 1).finds(What::Spurious, 1);
    twice(&[3], 2).finds(What::Spurious, 2);
}

#[test]
fn a_password_that_changes_in_good_order_excuses_nothing() {
    let rotation = Fault { reach: Reach::of_nobody(), ..fault(FaultKind::Rotate, 10_000, 12_000) };
    let outage = small().both(0, 9_000).published(1, 10_020, Outcome::Acked).outage(10_001, 10_050);
    outage.both(2, 11_000).under(&[rotation]).finds(What::Spurious, 1);
    let loss = small().both(0, 9_000).published(1, 10_020, Outcome::Acked).both(2, 11_000);
    loss.under(&[rotation]).finds(What::Silent, 1);
    let denied = small().published(0, 11_000, Outcome::Denied);
    assert_eq!(denied.under(&[rotation]).strange_logins(), 1);
}

#[test]
fn publishers_are_refused_while_the_password_is_another_and_nothing_else_becomes_of_what_they_publish() {
    let rotation = [fault(FaultKind::Rotate, 10_000, 13_000)];
    let strange = |sent, outcome| small().published(0, sent, outcome).under(&rotation).strange_logins();
    for (sent, is_strange) in [(9_000, 1), (10_001, 0), (12_000, 0), (13_500, 0), (14_500, 1)] {
        assert_eq!(strange(sent, Outcome::Denied), is_strange, "denied at {sent}");
    }
    for (sent, is_strange) in [(10_500, 0), (12_000, 1), (13_500, 0)] {
        assert_eq!(strange(sent, Outcome::Acked), is_strange, "acknowledged at {sent}");
    }
    assert_eq!((strange(12_000, Outcome::Unknown), strange(12_000, Outcome::NotSent)), (1, 0));
}

#[test]
fn events_of_different_channels_have_no_order_where_they_have_different_servers() {
    let mut small = small().both(0, 9_000).published(1, 10_020, Outcome::Acked).outage(10_001, 10_050);
    let elsewhere = |number| EventId { channel: 1, ..id(number) };
    for (number, sent) in [(0, 9_500), (1, 10_040)] {
        let (sent, done) = (ms(sent), ms(sent + 1));
        small.events.push(Published { id: elsewhere(number), sent, done, outcome: Outcome::Acked });
    }
    // Heard before the outage though it was published after what is missing: over another connection.
    small.items.insert(1, Heard { at: ms(9_501), item: Item::Event(elsewhere(0)) });
    small.items.insert(2, Heard { at: ms(10_041), item: Item::Event(elsewhere(1)) });
    let mut several = small.both(2, 11_000);
    several.lines = vec![0, 1];
    several.clone().finds(What::Silent, 1);
    several.is_line_by_line = true;
    several.finds(What::Silent, 0);
}

#[test]
fn a_channel_has_no_order_while_two_nodes_pass_on_its_events_and_has_one_again() {
    let lost_behind_a_later_one = |channels: &[u32], sent| {
        let reach = Reach { in_disorder: channels.iter().copied().collect(), ..Reach::of_nobody() };
        let faults = [Fault { reach, ..fault(FaultKind::Migrate, 10_000, 10_020) }];
        let before = small().under(&faults).both(0, 9_000).published(1, sent, Outcome::Acked);
        let lost =
            before.both(2, sent + 10).told(Item::Lagged { missed: 1 }, sent + 20).both(3, sent + 100_000);
        lost.verdict().findings.iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(lost_behind_a_later_one(&[0], 10_200), []);
    let told_elsewhere = [What::Silent, What::Spurious];
    assert_eq!(lost_behind_a_later_one(&[1], 10_200), told_elsewhere, "another channel");
    assert_eq!(lost_behind_a_later_one(&[0], 13_000), told_elsewhere, "everybody knows the owner");
}

#[test]
fn a_channel_may_be_lost_after_the_first_of_an_outage_and_heard_again_before_the_last() {
    let lost_within = |lines: &[u32], resumed| {
        let mut small = small().both(0, 9_000).told(Item::Interrupted, 10_001);
        small = small.both(1, 10_005).published(2, 10_050, Outcome::Acked).both(3, 10_100);
        small = small.told(Item::Resumed { down_for: ms(resumed - 10_001) }, resumed).both(4, 13_000);
        (small.lines, small.is_line_by_line) = (lines.to_vec(), true);
        count(&small.verdict(), What::Silent)
    };
    assert_eq!(lost_within(&[0, 1], 10_200), 0);
    assert_eq!(lost_within(&[0], 10_200), 1, "there is no other channel to be cut off first");
    assert_eq!(lost_within(&[0, 1], 10_040), 1, "it was published after the outage");
}

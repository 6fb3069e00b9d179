//! Changes at every point of the race between listening, fetching and losing, in every combination; and at random.

use proptest::prelude::*;

use crate::model::{Deed, Follower, Patience, World};

/// What makes the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Interruption,
    Loss,
    Garbage,
    /// A queue of one message.
    Lag,
}

/// One of the many ways in which it may go.
#[derive(Clone, Copy, Debug)]
struct Case {
    gap: Gap,
    /// At which moments something changes, as bits.
    changes: u32,
    /// Whether each change is a thing of its own: then what is missing stays missing. Else one thing changes again
    /// and again: then what comes too late stays wrong.
    one_thing: bool,
    /// Whether a change arrives at once, or lies about.
    arrives: bool,
    patience: Patience,
}

/// Before the listen; behind it; in the fetch, before and behind its reading; when all is told; in the gap, twice; behind
/// it; in the fetch, before and behind its reading.
const MOMENTS: u32 = 10;

impl Case {
    fn happens_at(self, moment: u32) -> [Deed; 2] {
        let thing = if self.one_thing { 0 } else { u8::try_from(moment).unwrap() };
        let is_changed = self.changes & (1 << moment) != 0;
        let change = match self.gap {
            _ if !is_changed => Deed::Nothing,
            Gap::Loss if (5..7).contains(&moment) => Deed::Lose(thing),
            Gap::Garbage if (5..7).contains(&moment) => Deed::Garble(thing),
            _ => Deed::Change(thing),
        };
        [change, if self.arrives { Deed::Settle } else { Deed::Nothing }]
    }

    async fn run(self) {
        let queue = if self.gap == Gap::Lag { 1 } else { 1_000 };
        let world = World::new(queue, (0..MOMENTS).map(|moment| self.happens_at(moment)));
        world.moment().await;
        let mut follower = Follower::listen(&world, self.patience).await;
        world.moment().await;
        follower.read().await; // two moments
        world.moment().await;
        if self.gap == Gap::Interruption {
            world.happen(Deed::Interrupt).await;
        }
        world.moment().await;
        if self.changes.is_multiple_of(3) {
            follower.read().await; // of the notice alone
        }
        world.moment().await;
        if self.gap == Gap::Interruption {
            world.happen(Deed::Resume).await;
        }
        world.moment().await;
        follower.read().await; // two moments
        while !world.is_over() {
            world.moment().await;
        }
        follower.read().await;
        follower.finish().await;
    }
}

fn paused<T>(run: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(run)
}

fn every_case_of(gap: Gap) {
    paused(async {
        for changes in 0..1 << MOMENTS {
            for bits in 0..8 {
                let patience = if bits & 1 == 0 { Patience::Waiting } else { Patience::Dropping };
                let case = Case { gap, changes, one_thing: bits & 2 == 0, arrives: bits & 4 == 0, patience };
                let run = std::panic::AssertUnwindSafe(case.run());
                let outcome = futures_util::FutureExt::catch_unwind(run).await;
                assert!(outcome.is_ok(), "{case:?}");
            }
        }
    });
}

#[test]
fn whoever_follows_ends_up_with_the_state_whenever_it_changes_around_an_interruption() {
    every_case_of(Gap::Interruption);
}

#[test]
fn whoever_follows_ends_up_with_the_state_whenever_it_changes_around_a_loss() {
    every_case_of(Gap::Loss);
}

#[test]
fn whoever_follows_ends_up_with_the_state_whenever_it_changes_around_garbage() {
    every_case_of(Gap::Garbage);
}

#[test]
fn whoever_follows_ends_up_with_the_state_whenever_it_changes_around_an_overflow() {
    every_case_of(Gap::Lag);
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0..5_u8).prop_map(Deed::Change),
        2 => (0..5_u8).prop_map(Deed::Lose),
        2 => (0..5_u8).prop_map(Deed::Garble),
        2 => Just(Deed::Interrupt),
        3 => Just(Deed::Resume),
        2 => (0..60_u8).prop_map(Deed::Delay),
        3 => Just(Deed::Settle),
        1 => Just(Deed::FailFetch),
        1 => Just(Deed::Nothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_follows_ends_up_with_the_state_whatever_happens(
        deeds in prop::collection::vec(deed(), 0..80),
        reads in prop::collection::vec(any::<bool>(), 80),
        queue in 1..12_usize,
        is_dropping in any::<bool>(),
    ) {
        let patience = if is_dropping { Patience::Dropping } else { Patience::Waiting };
        paused(async {
            let world = World::new(queue, deeds.iter().map(|deed| [*deed, Deed::Nothing]));
            let mut follower = Follower::listen(&world, patience).await;
            for reads in reads {
                world.moment().await;
                if reads {
                    follower.read().await;
                }
            }
            follower.finish().await;
        });
    }
}

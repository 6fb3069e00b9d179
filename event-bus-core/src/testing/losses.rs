//! Cases about what a listener does not get, and is told.

use super::tools::{
    Bus, Numbered, Witness, any_name, builder, end, event, next, notice, publish_to, until_nobody_hears,
};
use crate::channel::BusName;
use crate::delivery::Notice;
use crate::subscription::Subscription;
use crate::transport::{Overflow, Transport};

/// A full queue drops by its policy, tells how many messages, and slows no neighbour.
pub async fn a_slow_listener_is_told_exactly_what_it_missed<T: Transport + Clone>(transport: T) {
    let name = any_name();
    let small = |overflow| {
        let builder = builder(transport.clone()).name(name.clone());
        builder.queue_messages(10).overflow(overflow).build().expect("a bus")
    };
    let ample = builder(transport.clone()).name(name.clone()).build().expect("a bus");
    let mut newest = small(Overflow::DropOldest).listen("k").await.expect("listening");
    let mut oldest = small(Overflow::DropNewest).listen("k").await.expect("listening");
    let mut closing = small(Overflow::Close).listen("k").await.expect("listening");
    let mut probe = ample.listen("k").await.expect("listening");
    for number in 0..100 {
        ample.publish_to("k", &event(number)).await.expect("published");
    }
    for number in 0..100 {
        assert_eq!(next(&mut probe).await, number, "a slow neighbour costs nothing");
    }
    transport.fence().await.expect("nothing hinders it"); // so all have arrived everywhere
    assert!(matches!(notice(&mut newest).await, Notice::Lagged { missed: 90 }));
    for number in 90..100 {
        assert_eq!(next(&mut newest).await, number);
    }
    for number in 0..10 {
        assert_eq!(next(&mut oldest).await, number);
        assert_eq!(next(&mut closing).await, number);
    }
    assert!(matches!(notice(&mut oldest).await, Notice::Lagged { missed: 90 }));
    assert!(matches!(notice(&mut closing).await, Notice::Overflowed));
    end(&mut closing).await;
}

/// A queue is full by bytes as well as by messages; one message that is larger than all of it is delivered where nothing
/// else is queued.
pub async fn a_queue_that_is_full_of_bytes_is_full<T: Transport + Clone>(transport: T) {
    const BYTES: usize = 10_000;
    let name = any_name();
    let small = |overflow| {
        let builder = builder(transport.clone()).name(name.clone()).queue_bytes(BYTES);
        builder.overflow(overflow).build().expect("a bus")
    };
    let ample = builder(transport.clone()).name(name.clone()).build().expect("a bus");
    let mut newest = small(Overflow::DropOldest).listen("k").await.expect("listening");
    let mut oldest = small(Overflow::DropNewest).listen("k").await.expect("listening");
    let mut closing = small(Overflow::Close).listen("k").await.expect("listening");
    let mut probe = ample.listen("k").await.expect("listening");
    let mut witness = Witness::of(&ample, "k").await;
    publish_large(&ample, 2 * BYTES, 0..1).await;
    witness.heard(1).await;
    transport.fence().await.expect("nothing hinders it"); // so it has arrived everywhere
    for events in [&mut newest, &mut oldest, &mut closing, &mut probe] {
        assert_eq!(next(events).await, 0, "alone it has room");
    }
    publish_large(&ample, 1_000, 1..51).await;
    witness.heard(50).await;
    transport.fence().await.expect("nothing hinders it");
    for number in 1..51 {
        assert_eq!(next(&mut probe).await, number, "a slow neighbour costs nothing");
    }
    let Notice::Lagged { missed } = notice(&mut newest).await else { panic!("the loss comes first") };
    assert!((41..50).contains(&missed), "{missed} of 50 dropped, where less than ten have room");
    for number in missed + 1..51 {
        assert_eq!(next(&mut newest).await, number);
    }
    for number in 1..51 - missed {
        assert_eq!((next(&mut oldest).await, next(&mut closing).await), (number, number));
    }
    assert!(matches!(notice(&mut oldest).await, Notice::Lagged { missed: told } if told == missed));
    assert!(matches!(notice(&mut closing).await, Notice::Overflowed));
    end(&mut closing).await;
}

/// However often a queue is full: each time the loss is told once, where it was, and all of it.
pub async fn each_loss_of_a_slow_listener_is_told_once_and_where_it_was<T: Transport + Clone>(transport: T) {
    let name = any_name();
    let ample = builder(transport.clone()).name(name.clone()).build().expect("a bus");
    let mut newest = ten(&transport, &name, Overflow::DropOldest).await;
    let mut oldest = ten(&transport, &name, Overflow::DropNewest).await;
    let mut neighbour = ample.listen("k").await.expect("listening");
    for round in 0..5 {
        let first = round * 100;
        flood(&transport, &ample, first..first + 30).await;
        assert!(matches!(notice(&mut newest).await, Notice::Lagged { missed: 20 }), "round {round}");
        for number in 20..24 {
            assert_eq!(next(&mut newest).await, first + number);
        }
        for number in 0..5 {
            assert_eq!(next(&mut oldest).await, first + number);
        }
        flood(&transport, &ample, first + 30..first + 60).await;
        assert!(matches!(notice(&mut newest).await, Notice::Lagged { missed: 26 }), "round {round}");
        for number in 50..60 {
            assert_eq!(next(&mut newest).await, first + number);
        }
        for (numbers, lost) in [(5..10, 20), (30..35, 25)] {
            for number in numbers {
                assert_eq!(next(&mut oldest).await, first + number);
            }
            match notice(&mut oldest).await {
                Notice::Lagged { missed } => assert_eq!(missed, lost, "round {round}"),
                notice => panic!("the loss, not {notice}"),
            }
        }
        for number in first..first + 60 {
            assert_eq!(next(&mut neighbour).await, number);
        }
    }
}

/// A listener that was to end when it is too slow ends alone: others of its channel hear on, and nothing of it is left.
pub async fn a_listener_that_overflows_and_ends_takes_nobody_with_it<T: Transport + Clone>(transport: T) {
    let name = any_name();
    let ample = builder(transport.clone()).name(name.clone()).build().expect("a bus");
    let mut neighbour = ample.listen("k").await.expect("listening");
    let mut closing = ten(&transport, &name, Overflow::Close).await;
    let mut alone = ten(&transport, &name, Overflow::Close).await;
    alone.add("alone").await.expect("listening");
    flood(&transport, &ample, 0..11).await;
    for events in [&mut closing, &mut alone] {
        for number in 0..10 {
            assert_eq!(next(events).await, number, "what was queued is still read");
        }
        let last = notice(events).await;
        assert!(matches!(last, Notice::Overflowed) && last.is_final(), "{last}");
        end(events).await;
    }
    until_nobody_hears(&ample, "alone").await;
    flood(&transport, &ample, 11..40).await;
    for number in 0..40 {
        assert_eq!(next(&mut neighbour).await, number);
    }
    end(&mut closing).await;
}

/// A listener of `k` that queues ten messages.
async fn ten<T: Transport + Clone>(
    transport: &T,
    name: &BusName,
    overflow: Overflow,
) -> Subscription<Numbered> {
    let bus = builder(transport.clone()).name(name.clone()).queue_messages(10).overflow(overflow);
    bus.build().expect("a bus").listen("k").await.expect("listening")
}

/// Publishes to `k`, and returns when all has arrived everywhere.
async fn flood(transport: &impl Transport, bus: &Bus, numbers: std::ops::Range<u64>) {
    let mut witness = Witness::of(bus, "k").await;
    for number in numbers.clone() {
        publish_to(bus, "k", number).await;
    }
    witness.heard(numbers.count()).await;
    transport.fence().await.expect("nothing hinders it");
}

async fn publish_large(bus: &Bus, bytes: usize, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let large = Numbered { source: "x".repeat(bytes), number };
        bus.publish_to("k", &large).await.expect("a publish that nothing hinders");
    }
}

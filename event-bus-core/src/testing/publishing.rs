//! Cases about publishing: where an event goes, in which order, and how large it may be.

use super::tools::{Bus, Numbered, builder, bus, cut_at_poll, event, next, notice, publish_to, within};
use crate::delivery::Notice;
use crate::error::{Error, ErrorKind};
use crate::limit::{MessageLimit, Oversize};
use crate::receipt::Receipt;
use crate::transport::Transport;

/// An event goes to each channel that its type declares, with a receipt for each, in their order.
pub async fn an_event_goes_to_every_channel_of_its_type<T: Transport + Clone>(transport: T) {
    let counts = transport.capabilities().receiver_counts;
    let bus = bus(transport);
    let mut all = bus.listen("s").await.expect("listening");
    let mut one = bus.listen("s/7").await.expect("listening");
    let receipts = bus.publish(&event(7)).await.expect("published");
    let keys: Vec<&str> = receipts.iter().map(|receipt| receipt.channel.key()).collect();
    assert_eq!(keys, ["s", "s/7"]);
    for receipt in &receipts {
        assert!(receipt.channel.as_str().starts_with(&format!("{}/", bus.name())), "{}", receipt.channel);
        assert_eq!(receipt.receivers, counts.then_some(1));
    }
    let delivery = within("the event", all.recv()).await.expect("not the end").expect("an event");
    assert_eq!((delivery.channel(), delivery.event()), (&receipts[0].channel, &event(7)));
    assert_eq!(next(&mut one).await, 7);
}

/// What one task publishes to a channel arrives in that order, by itself or in a list.
pub async fn events_of_one_channel_arrive_in_order<T: Transport + Clone>(transport: T) {
    let bus = builder(transport).queue_messages(10_000).build().expect("a bus");
    let mut events = bus.listen("k").await.expect("listening");
    for number in 0..2_000 {
        publish_to(&bus, "k", number).await;
    }
    for number in 2_000..2_500 {
        if number % 2 == 0 {
            publish_to(&bus, "k", number).await;
        } else {
            let listed = bus.publish_batch_to("k", [event(number)]).expect("a key").await;
            listed.into_iter().next().expect("a result").expect("published");
        }
    }
    for number in 0..2_500 {
        assert_eq!(next(&mut events).await, number);
    }
}

/// Many tasks publish to one channel at once: every listener hears everything once, and each task's in its order.
pub async fn concurrent_publishers_keep_their_own_order<T: Transport + Clone>(transport: T) {
    const PUBLISHERS: u64 = 8;
    const EVENTS: u64 = 200;
    let bus = builder(transport).queue_messages(10_000).build().expect("a bus");
    let mut listeners = Vec::new();
    for _ in 0..4 {
        listeners.push(bus.listen("k").await.expect("listening"));
    }
    let publishers = (0..PUBLISHERS).map(|publisher| {
        let bus = bus.clone();
        tokio::spawn(async move {
            for number in 0..EVENTS {
                let event = Numbered { source: publisher.to_string(), number };
                bus.publish_to("k", &event).await.expect("published");
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        within("the publishers", publisher).await.expect("a publisher");
    }
    for events in &mut listeners {
        let mut expected = vec![0; usize::try_from(PUBLISHERS).unwrap_or(0)];
        for _ in 0..PUBLISHERS * EVENTS {
            let event = within("an event", events.recv()).await.expect("not the end").expect("an event");
            let publisher: usize = event.source.parse().expect("the publisher's number");
            assert_eq!(event.number, expected[publisher], "publisher {publisher}");
            expected[publisher] += 1;
        }
    }
}

/// Publishes that are dropped half-way may have happened or not; others get their own receipts and order.
pub async fn cancelled_publishes_disturb_no_other<T: Transport + Clone>(transport: T) {
    let bus = builder(transport).queue_messages(10_000).build().expect("a bus");
    let mut events = bus.listen("kept").await.expect("listening");
    for number in 0..500 {
        let event = event(number);
        drop(cut_at_poll(number % 4, bus.publish_to("dropped", &event)).await);
        let receipt = bus.publish_to("kept", &event).await.expect("published");
        assert_eq!(receipt.channel.key(), "kept");
    }
    for number in 0..500 {
        assert_eq!(next(&mut events).await, number);
    }
}

/// Nothing that a payload of a mebibyte holds is changed.
pub async fn a_message_of_one_mebibyte_arrives_whole<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let mut events = bus.listen("k").await.expect("listening");
    for number in 0..3 {
        let characters = ["a", "é", "漢", "😀", "\"", "\\", "\n", "\u{7f}"];
        let source =
            characters.iter().cycle().skip(fastrand::usize(..8)).take(1024 * 1024 / 2).copied().collect();
        let large = Numbered { source, number };
        bus.publish_to("k", &large).await.expect("published");
        let heard = within("the event", events.recv()).await.expect("not the end").expect("an event");
        assert!(*heard == large, "a large event was changed");
    }
}

/// A batch has a result for each event, in their order, and one that fails does not stop the others.
pub async fn a_batch_gives_a_result_for_each_event_in_order<T: Transport + Clone>(transport: T) {
    let limit = MessageLimit::new(1_000).expect("a limit");
    let bus = builder(transport).message_limit(limit).queue_messages(10_000).build().expect("a bus");
    let mut events = bus.listen("s").await.expect("listening");
    let mut batch: Vec<Numbered> = (0..2_500).map(event).collect();
    "no*key".clone_into(&mut batch[700].source);
    batch[1_700].source = "x".repeat(1_000);
    let results = within("the batch", async { bus.publish_batch(&batch).await }).await;
    let failures: Vec<(usize, ErrorKind)> = (0..).zip(&results).filter_map(kind_of_failure).collect();
    assert_eq!(failures, [(700, ErrorKind::InvalidKey), (1_700, ErrorKind::TooLarge)]);
    assert_eq!(results.len(), 2_500);
    for (event, receipts) in batch.iter().zip(results.iter().flatten()).take(700) {
        assert_eq!(receipts[1].channel.key(), format!("s/{}", event.number));
    }
    for number in (0..2_500).filter(|number| ![700, 1_700].contains(number)) {
        assert_eq!(next(&mut events).await, number);
    }
    let to_one = bus.publish_batch_to("s", (0..5).map(event)).expect("a right key").await;
    assert!(to_one.iter().flatten().all(|receipt| receipt.channel.key() == "s") && to_one.len() == 5);
    for number in 0..5 {
        assert_eq!(next(&mut events).await, number);
    }
    assert!(bus.publish_batch(Vec::<Numbered>::new()).await.is_empty());
}

fn kind_of_failure((at, result): (usize, &Result<Vec<Receipt>, Error>)) -> Option<(usize, ErrorKind)> {
    result.as_ref().err().map(|error| (at, error.kind()))
}

/// An iterator that has said `None` is over, as for a `for` loop, whatever it would give later.
pub async fn a_batch_ends_where_its_iterator_does<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let mut asked = 0;
    let in_threes = std::iter::from_fn(|| {
        asked += 1;
        (asked % 3 != 0).then(|| event(asked))
    });
    let results = within("the batch", async { bus.publish_batch(in_threes).await }).await;
    assert_eq!(results.len(), 2);
}

/// However long the iterator is, a batch never reads far ahead of the results that it gives: not 1,000 events, and not
/// more than a mebibyte and the event that passes it.
pub async fn a_batch_is_read_piece_by_piece<T: Transport + Clone>(transport: T) {
    for is_sequenced in [false, true] {
        let bus = builder(transport.clone()).sequenced(is_sequenced).build().expect("the settings are right");
        reads_piece_by_piece(&bus).await;
    }
}

async fn reads_piece_by_piece(bus: &Bus) {
    let read = std::cell::Cell::new(0_usize);
    let mut endless = bus.publish_batch((0..).map(|number| {
        read.set(read.get() + 1);
        event(number)
    }));
    assert_eq!(read.get(), 0, "nothing happens before it is read");
    for given in 0..5_000 {
        within("a result", endless.next()).await.expect("an endless batch").expect("published");
        assert!(read.get() <= given + 1_000, "{} events were read for {given} results", read.get());
    }
    drop(endless);
    read.set(0);
    let large = (0..).map(|number| {
        read.set(read.get() + 1);
        Numbered { source: "x".repeat(100 * 1024), number }
    });
    let mut endless = bus.publish_batch_to("k", large).expect("a right key");
    for given in 0..40 {
        within("a result", endless.next()).await.expect("an endless batch").expect("published");
        assert!(read.get() <= given + 11, "{} large events were read for {given} results", read.get());
    }
}

/// A message over the limit is not published; the publisher is told, and a marker tells listeners.
pub async fn an_oversized_event_is_told_to_publisher_and_listeners<T: Transport + Clone>(transport: T) {
    let limit = MessageLimit::new(1_000).expect("a limit");
    let bus = builder(transport).message_limit(limit).build().expect("a bus");
    let mut events = bus.listen("k").await.expect("listening");
    let large = Numbered { source: "x".repeat(2_000), number: 1 };
    let error = bus.publish_to("k", &large).await.expect_err("it is too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let sizes = error.too_large().expect("the sizes");
    assert_eq!(
        (sizes.original_size_bytes, sizes.max_size_bytes, sizes.marker_sent),
        (2_036, 1_000, Some(true))
    );
    match notice(&mut events).await {
        Notice::Oversized { channel, original_size_bytes: 2_036, max_size_bytes: 1_000 } => {
            assert_eq!(channel.key(), "k");
        }
        notice => panic!("the sizes of the event, not {notice}"),
    }
    publish_to(&bus, "k", 2).await;
    assert_eq!(next(&mut events).await, 2);
}

/// With [`Oversize::Reject`] nothing is published in place of a message over the limit.
pub async fn a_rejected_event_is_told_to_its_publisher_alone<T: Transport + Clone>(transport: T) {
    let limit = MessageLimit::new(1_000).expect("a limit");
    let bus = builder(transport).message_limit(limit).oversize(Oversize::Reject).build().expect("a bus");
    let mut events = bus.listen("k").await.expect("listening");
    let large = Numbered { source: "x".repeat(2_000), number: 1 };
    let error = bus.publish_to("k", &large).await.expect_err("it is too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.too_large().and_then(|sizes| sizes.marker_sent), Some(false));
    publish_to(&bus, "k", 2).await;
    assert_eq!(next(&mut events).await, 2);
}

/// The size that counts is that of all bytes on the wire, and exactly the limit passes.
pub async fn the_limit_is_compared_with_the_whole_message<T: Transport + Clone>(transport: T) {
    let overhead = r#"{"payload":{"source":"","number":1}}"#.len();
    let bus =
        builder(transport).message_limit(MessageLimit::new(1_000).expect("a limit")).build().expect("a bus");
    let exactly = Numbered { source: "é".repeat((1_000 - overhead) / 2), number: 1 };
    bus.publish_to("k", &exactly).await.expect("exactly the limit passes");
    let one_more = Numbered { source: exactly.source + "x", number: 1 };
    assert_eq!(bus.publish_to("k", &one_more).await.expect_err("one byte more").kind(), ErrorKind::TooLarge);
}

/// `publish_event` and `publish_or_log` return whatever happens, and count what did not go out.
pub async fn publishing_that_never_fails_counts_what_it_could_not_publish<T: Transport + Clone>(
    transport: T,
) {
    let bus = bus(transport);
    let mut events = bus.listen("s").await.expect("listening");
    bus.publish_event(&event(1), "s").await;
    bus.publish_or_log(&event(2)).await;
    assert_eq!([next(&mut events).await, next(&mut events).await], [1, 2]);
    assert_eq!(bus.unpublished(), 0);
    bus.publish_event(&event(3), "s*").await;
    bus.publish_or_log(&Numbered { source: String::new(), number: 4 }).await;
    assert_eq!(bus.unpublished(), 2);
    bus.close().await;
    bus.publish_event(&event(5), "s").await;
    assert_eq!(bus.unpublished(), 3);
}

//! Cases about listening: from when on, for how long, and what is left behind.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;

use super::tools::{
    bus, comes, cut_at_poll, event, next, publish_raw, publish_to, until_nobody_hears, within,
};
use crate::delivery::Notice;
use crate::transport::Transport;

/// When `listen` returns, the subscription stands: what is published then is heard.
pub async fn a_publish_right_after_listening_is_heard<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    for number in 0..200 {
        let key = format!("round-{number}");
        let mut events = bus.listen(&key).await.expect("listening");
        publish_to(&bus, &key, number).await;
        assert_eq!(next(&mut events).await, number);
    }
}

/// Pub/sub has no past. (Servers that pass messages on to each other may still be at it.)
pub async fn what_was_published_before_is_not_heard<T: Transport + Clone>(transport: T) {
    let has_passed = transport.capabilities().receiver_counts;
    let bus = bus(transport);
    for round in 0..50 {
        publish_to(&bus, "k", 0).await;
        publish_to(&bus, "k", 1).await;
        let mut events = bus.listen("k").await.expect("listening");
        publish_to(&bus, "k", round + 2).await;
        comes(&mut events, round + 2, has_passed).await;
        drop(events);
        until_nobody_hears(&bus, "k").await;
    }
}

/// Reading it as a [`Stream`] gives the same as `recv`.
pub async fn a_subscription_is_a_stream<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let mut events = bus.listen("k").await.expect("listening");
    for number in 0..10 {
        publish_to(&bus, "k", number).await;
    }
    for number in 0..10 {
        let item = within("an item", poll_fn(|cx| Pin::new(&mut events).poll_next(cx))).await;
        assert_eq!(item.expect("not the end").expect("an event").number, number);
    }
    bus.close().await;
    assert!(within("the end", poll_fn(|cx| Pin::new(&mut events).poll_next(cx))).await.is_none());
}

/// A `recv` that is dropped half-way takes nothing with it.
pub async fn a_cancelled_receive_loses_nothing<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let mut events = bus.listen("k").await.expect("listening");
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move {
            for number in 0..300 {
                publish_to(&bus, "k", number).await;
            }
        }
    });
    let reading = async {
        let mut expected = 0;
        while expected < 300 {
            // The poll that finds nothing, and so waits, is the last one of half of them.
            if let Some(item) = cut_at_poll(fastrand::u64(1..=2), events.recv()).await {
                assert_eq!(item.expect("not the end").expect("an event").number, expected);
                expected += 1;
            } else {
                tokio::task::yield_now().await;
            }
        }
    };
    within("all events", reading).await;
    within("the publisher", publishing).await.expect("the publisher");
}

/// The last drop of a channel unsubscribes it, also in a plain thread; an earlier one does not.
pub async fn dropping_the_last_listener_of_a_channel_unsubscribes<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let first = bus.listen("k").await.expect("listening");
    let mut second = bus.listen("k").await.expect("listening");
    drop(first);
    publish_to(&bus, "k", 1).await;
    assert_eq!(next(&mut second).await, 1);
    std::thread::spawn(|| drop(second)).join().expect("dropping outside of a runtime works");
    until_nobody_hears(&bus, "k").await;
}

/// Listening anew, again and again, hears everything that is published then.
pub async fn listening_again_after_a_drop_hears_what_comes_then<T: Transport + Clone>(transport: T) {
    let has_passed = transport.capabilities().receiver_counts;
    let bus = bus(transport);
    for round in 1..201 {
        let mut events = bus.listen("k").await.expect("listening");
        publish_to(&bus, "k", round).await;
        comes(&mut events, round, has_passed).await;
        // Dropped with events on their way to it, which nobody may mistake for new ones.
        publish_to(&bus, "k", u64::MAX).await;
        drop(events);
        until_nobody_hears(&bus, "k").await;
    }
}

/// A `listen` that is dropped before it returns takes everything back.
pub async fn dropped_listens_leave_nothing_behind<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    for round in 0..200_u64 {
        let key = format!("k-{}", round % 7);
        drop(cut_at_poll(round % 4, bus.listen(&key)).await);
    }
    for key in 0..7 {
        until_nobody_hears(&bus, &format!("k-{key}")).await;
    }
}

/// A message of another kind, or of no kind, is told with its bytes; the next event is heard.
pub async fn a_foreign_message_does_not_end_a_subscription<T: Transport + Clone>(transport: T) {
    let bus = bus(transport.clone());
    let mut events = bus.listen("k").await.expect("listening");
    let deep = format!(r#"{{"payload":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let foreign: [&[u8]; 6] = [
        b"\xff\xfe",
        b"",
        b"null",
        br#"{"payload":{"source":7,"number":"one"}}"#,
        br#"{"payload":"\ud800"}"#,
        deep.as_bytes(),
    ];
    for bytes in foreign {
        publish_raw(&transport, &bus, "k", bytes.to_vec()).await;
    }
    bus.publish_to("k", &event(1)).await.expect("published");
    for bytes in foreign {
        match super::tools::notice(&mut events).await {
            Notice::Undecodable { raw, channel, .. } => {
                assert_eq!((&raw[..], channel.key()), (bytes, "k"));
            }
            notice => panic!("the message as it is, not {notice}"),
        }
    }
    assert_eq!(next(&mut events).await, 1);
}

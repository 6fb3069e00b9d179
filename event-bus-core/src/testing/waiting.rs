//! Cases about waiting for one event.

use std::time::Duration;

use super::tools::{
    SHORT, Witness, any_name, builder, bus, event, next, notice, publish_raw, publish_to, within,
};
use crate::delivery::Notice;
use crate::error::ErrorKind;
use crate::transport::Transport;

/// Where what was missed is known before, so that it does not matter whether the server answers in time.
const BRIEF: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(10);

/// The first event, `None` when nothing came, or an error when the bus is closed meanwhile.
pub async fn waiting_gives_the_first_event_or_none_at_the_deadline<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let started = tokio::time::Instant::now();
    assert!(bus.wait("k", SHORT).await.expect("nothing was missed").is_none());
    assert!(started.elapsed() >= SHORT, "it waits to the end");
    let mut answer = bus.listen("k").await.expect("listening");
    publish_to(&bus, "k", 5).await;
    let delivery = answer.wait(LONG).await.expect("nothing was missed");
    assert_eq!(delivery.map(|delivery| delivery.number), Some(5));
    let waiting = tokio::spawn(async move { answer.wait(LONG).await });
    bus.close().await;
    let error = within("the wait ends", waiting).await.expect("no panic").expect_err("it is closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
}

/// A wait looks for an event; notices before it are handed out by the next `recv`.
pub async fn notices_that_a_wait_comes_upon_are_not_lost<T: Transport + Clone>(transport: T) {
    let name = any_name();
    let small = builder(transport.clone()).name(name.clone()).queue_messages(2).build().expect("a bus");
    let mut events = small.listen("k").await.expect("listening");
    let mut witness = Witness::of(&builder(transport.clone()).name(name).build().expect("a bus"), "k").await;
    for number in 0..10 {
        publish_to(&small, "k", number).await;
    }
    witness.heard(10).await;
    transport.fence().await.expect("nothing hinders it"); // so all have arrived
    let waited = events.wait(LONG).await.expect("an event came");
    assert_eq!(waited.map(|delivery| delivery.number), Some(8));
    assert!(matches!(notice(&mut events).await, Notice::Lagged { missed: 8 }));
    assert_eq!(next(&mut events).await, 9);
    assert!(events.wait(SHORT).await.expect("what was missed has been told").is_none());
}

/// What a cancelled wait came upon is told by the next one, once, and stands in the stream.
pub async fn waiting_tells_what_a_cancelled_wait_came_upon<T: Transport + Clone>(transport: T) {
    let bus = bus(transport.clone());
    let mut events = bus.listen("k").await.expect("listening");
    let mut witness = bus.listen("k").await.expect("listening");
    publish_raw(&transport, &bus, "k", "nonsense").await;
    assert!(matches!(notice(&mut witness).await, Notice::Undecodable { .. }), "so it has arrived");
    let cancelled = events.wait(LONG);
    assert!(tokio::time::timeout(BRIEF, cancelled).await.is_err());
    assert_eq!(events.wait(BRIEF).await.expect_err("it may have been the one").kind(), ErrorKind::Missed);
    assert!(events.wait(SHORT).await.expect("it has been told").is_none());
    assert!(matches!(notice(&mut events).await, Notice::Undecodable { .. }), "and stands in the stream");
}

/// Whatever waits came upon is in the stream: one by one, and of very many the oldest as a sum.
pub async fn notices_that_waits_come_upon_are_all_in_the_stream<T: Transport + Clone>(transport: T) {
    let bus = bus(transport.clone());
    let mut events = bus.listen("k").await.expect("listening");
    let mut witness = Witness::of(&bus, "k").await;
    for _ in 0..200 {
        publish_raw(&transport, &bus, "k", "nonsense").await;
    }
    for _ in 0..3 {
        assert_eq!(events.wait(SHORT).await.expect_err("nothing but nonsense").kind(), ErrorKind::Missed);
    }
    witness.heard(200).await;
    transport.fence().await.expect("nothing hinders it");
    bus.close().await;
    let mut missed = 0;
    while let Some(item) = within("an item", events.recv()).await {
        missed += match item.expect_err("a notice, no event") {
            Notice::Lagged { missed } => missed,
            Notice::Undecodable { .. } => 1,
            notice => panic!("what was published, not {notice}"),
        };
    }
    assert_eq!(missed, 200);
}

/// However many notices stand before an event, waiting again and again reaches it.
pub async fn waiting_gets_past_any_number_of_notices<T: Transport + Clone>(transport: T) {
    let bus = bus(transport.clone());
    let mut events = bus.listen("k").await.expect("listening");
    for _ in 0..500 {
        publish_raw(&transport, &bus, "k", "nonsense").await;
    }
    bus.publish_to("k", &event(7)).await.expect("published");
    for _ in 0..20 {
        match events.wait(LONG).await {
            Ok(delivery) => return assert_eq!(delivery.map(|delivery| delivery.number), Some(7)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Missed),
        }
    }
    panic!("it never gets past the notices");
}

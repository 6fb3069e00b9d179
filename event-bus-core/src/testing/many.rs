//! Cases about many at once: listeners, channels, and both.

use super::tools::{Numbered, builder, bus, event, next, publish_to, within};
use crate::transport::Transport;

/// However many listen, each hears everything.
pub async fn a_hundred_listeners_hear_everything<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let mut listeners = Vec::new();
    for _ in 0..100 {
        listeners.push(bus.listen("k").await.expect("listening"));
    }
    for number in 0..50 {
        publish_to(&bus, "k", number).await;
    }
    for events in &mut listeners {
        for number in 0..50 {
            assert_eq!(next(events).await, number);
        }
    }
}

/// Tasks that publish to many channels at once: each listener hears its own channel, all of it, and nothing else.
pub async fn channels_do_not_mix<T: Transport + Clone>(transport: T) {
    let bus = bus(transport);
    let tasks = (0..50).map(|channel| {
        let bus = bus.clone();
        tokio::spawn(async move {
            let key = format!("channel-{channel}");
            let mut events = bus.listen(&key).await.expect("listening");
            for number in 0..40 {
                let event = Numbered { source: key.clone(), number };
                bus.publish_to(&key, &event).await.expect("published");
            }
            for number in 0..40 {
                let heard = within("an event", events.recv()).await.expect("not the end").expect("an event");
                assert_eq!(*heard, Numbered { source: key.clone(), number });
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        within("the task", task).await.expect("a task");
    }
}

/// Many channels on one bus, one event each.
pub async fn two_thousand_channels_are_each_heard<T: Transport + Clone>(transport: T) {
    const CHANNELS: u64 = 2_000;
    let bus = builder(transport).queue_messages(16).build().expect("a bus");
    let mut listening = tokio::task::JoinSet::new();
    for channel in 0..CHANNELS {
        let bus = bus.clone();
        listening
            .spawn(async move { (channel, bus.listen(format!("s/{channel}")).await.expect("listening")) });
    }
    let mut listeners = within("all subscriptions", listening.join_all()).await;
    let results = bus.publish_batch((0..CHANNELS).map(event)).await;
    assert!(results.iter().all(Result::is_ok), "{:?}", results.iter().find(|result| result.is_err()));
    for (channel, events) in &mut listeners {
        assert_eq!(next(events).await, *channel);
    }
}

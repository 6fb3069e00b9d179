//! Cases about closing a bus or the whole transport.

use super::tools::{Witness, any_name, builder, bus, end, event, next, publish_to, within};
use crate::error::ErrorKind;
use crate::transport::Transport;

/// Closing a bus ends its subscriptions and refuses everything, on all of its clones; another bus of the same
/// name goes on.
pub async fn buses_share_a_transport_and_each_closes_only_its_own<T: Transport + Clone>(transport: T) {
    let name = any_name();
    let [one, other] = [transport.clone(), transport]
        .map(|transport| builder(transport).name(name.clone()).build().expect("a bus"));
    let mut ended = one.listen("k").await.expect("listening");
    let mut lasting = other.listen("k").await.expect("listening");
    one.clone().close().await;
    end(&mut ended).await;
    assert_eq!(one.publish(&event(1)).await.expect_err("it is closed").kind(), ErrorKind::Closed);
    assert_eq!(one.listen("k").await.expect_err("it is closed").kind(), ErrorKind::Closed);
    assert_eq!(ended.add("more").await.expect_err("it is closed").kind(), ErrorKind::Closed);
    publish_to(&other, "k", 2).await;
    assert_eq!(next(&mut lasting).await, 2);
}

/// What has arrived is read before the end.
pub async fn closing_lets_what_is_queued_be_read<T: Transport + Clone>(transport: T) {
    let bus = bus(transport.clone());
    let mut events = bus.listen("k").await.expect("listening");
    let mut witness = Witness::of(&bus, "k").await;
    publish_to(&bus, "k", 1).await;
    witness.heard(1).await;
    transport.fence().await.expect("nothing hinders it"); // so it has arrived
    bus.close().await;
    assert_eq!(next(&mut events).await, 1);
    end(&mut events).await;
}

/// Closing the transport ends the subscriptions of all buses and refuses everything.
pub async fn closing_the_transport_ends_everything<T: Transport + Clone>(transport: T) {
    let buses = [bus(transport.clone()), bus(transport.clone())];
    let mut subscriptions = Vec::new();
    for bus in &buses {
        subscriptions.push(bus.listen("k").await.expect("listening"));
    }
    transport.close().await;
    for events in &mut subscriptions {
        end(events).await;
    }
    for bus in &buses {
        assert_eq!(bus.publish(&event(1)).await.expect_err("it is closed").kind(), ErrorKind::Closed);
        let alone = bus.publish_to("k", &event(1)).await;
        assert_eq!(alone.expect_err("it is closed").kind(), ErrorKind::Closed);
        assert_eq!(bus.listen("k").await.expect_err("it is closed").kind(), ErrorKind::Closed);
    }
}

/// Closing never fails, however often and by however many.
pub async fn closing_twice_and_at_once_is_closing_once<T: Transport + Clone>(transport: T) {
    let bus = bus(transport.clone());
    let mut events = bus.listen("k").await.expect("listening");
    let closers = (0..8).map(|_| {
        let (bus, transport) = (bus.clone(), transport.clone());
        tokio::spawn(async move {
            bus.close().await;
            transport.close().await;
            bus.close().await;
        })
    });
    for closer in closers.collect::<Vec<_>>() {
        within("closing", closer).await.expect("closing does not panic");
    }
    end(&mut events).await;
}

/// While tasks publish and listen on two buses, one is closed: its tasks see the end or `Closed`, the other's miss
/// nothing.
pub async fn closing_a_bus_disturbs_nobody_else_in_full_flow<T: Transport + Clone>(transport: T) {
    const EVENTS: u64 = 500;
    let [closing, lasting] = [transport.clone(), transport]
        .map(|transport| builder(transport).queue_messages(10_000).build().expect("a bus"));
    let mut doomed = closing.listen("k").await.expect("listening");
    let mut events = lasting.listen("k").await.expect("listening");
    let publisher = tokio::spawn({
        let (closing, lasting) = (closing.clone(), lasting.clone());
        async move {
            for number in 0..EVENTS {
                publish_to(&lasting, "k", number).await;
                if let Err(error) = closing.publish_to("k", &event(number)).await {
                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                }
            }
        }
    });
    for number in 0..10 {
        assert_eq!(next(&mut doomed).await, number);
    }
    closing.close().await;
    let mut expected = 10;
    while let Some(item) = within("an item", doomed.recv()).await {
        assert_eq!(item.expect("an event").number, expected);
        expected += 1;
    }
    for number in 0..EVENTS {
        assert_eq!(next(&mut events).await, number);
    }
    within("the publisher", publisher).await.expect("the publisher");
}

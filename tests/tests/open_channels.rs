//! Channels with parameters left open: typed patterns that hear what their template says and nothing else, and keys that
//! split back into their parameters.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::transport::{Capabilities, Filter, Inbox, Lease, Transport};
use event_bus_core::{
    Any, ChannelFilter, ErrorKind, Event, EventBus, MemoryTransport, Message, Receipt, Result,
};
use event_bus_redis::RedisTransport;
use event_bus_tests::{RedisServer, within};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Goes to three channels, of which one lies below another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EventBus)]
#[bus(
    name = "orders",
    channel(customer = "{customer}", order = "{customer}/{order}"),
    channel(tagged = "{{{customer}}}/v-{order}-x")
)]
struct Order {
    customer: String,
    order: String,
}

fn order(customer: &str, order: &str) -> Order {
    Order { customer: customer.into(), order: order.into() }
}

async fn an_open_channel_hears_its_own_events_once(transport: impl Transport + Clone) {
    let bus = OrderBus::new(transport);
    let mut of_customer = bus.order(OrderChannel { customer: "c[1]", order: Any }).listen().await.unwrap();
    let mut everybody = bus.customer(CustomerChannel { customer: Any }).listen().await.unwrap();
    let mut tagged = bus.tagged(TaggedChannel { customer: Any, order: Any }).listen().await.unwrap();
    let published = [order("c[1]", "1"), order("c1", "2"), order("c[1]x", "3"), order("c[1]", "4")];
    for event in &published {
        bus.publish(event).await.unwrap();
    }
    for expected in [&published[0], &published[3]] {
        let event = within("an order", of_customer.recv()).await.unwrap().unwrap();
        assert_eq!((&*event, event.channel().key().starts_with("c[1]/")), (expected, true));
        let parsed = OrderChannel::parse(event.channel().key()).unwrap();
        assert_eq!((parsed.customer, parsed.order), ("c[1]", expected.order.as_str()));
    }
    for (events, name) in [(&mut everybody, "customer"), (&mut tagged, "tagged")] {
        for expected in &published {
            let event = within("an order", events.recv()).await.unwrap().unwrap();
            assert_eq!(&*event, expected, "{name}");
        }
    }
    bus.close().await;
    for events in [&mut of_customer, &mut everybody, &mut tagged] {
        assert!(within("the end", events.recv()).await.is_none(), "nothing came twice");
    }
}

#[tokio::test]
async fn an_open_channel_hears_its_own_events_once_in_memory() {
    an_open_channel_hears_its_own_events_once(MemoryTransport::new()).await;
}

#[tokio::test]
async fn an_open_channel_hears_its_own_events_once_on_redis() {
    let server = RedisServer::start();
    an_open_channel_hears_its_own_events_once(RedisTransport::connect(server.url()).await.unwrap()).await;
}

#[tokio::test]
async fn handles_of_different_channels_start_one_subscriber() {
    let memory = MemoryTransport::new();
    let bus = OrderBus::new(memory.clone());
    let customer = bus.customer(CustomerChannel { customer: "c" });
    let orders = bus.order(OrderChannel { customer: "d", order: Any });
    let filters = [customer.filter().unwrap(), orders.filter().unwrap()];
    let mut running =
        bus.subscriber().on_event(async |_| {}).on_notice(async |_| {}).start(filters).await.unwrap();
    for event in [order("c", "1"), order("d", "2"), order("e", "3")] {
        bus.publish(&event).await.unwrap();
    }
    memory.close().await;
    assert_eq!(within("the end", running.ended()).await.handled, 2);
}

#[tokio::test]
async fn open_and_exact_channels_stand_in_one_subscription() {
    let bus = OrderBus::new(MemoryTransport::new());
    let mut events = bus.customer(CustomerChannel { customer: "c-1" }).listen().await.unwrap();
    events.add(bus.order(OrderChannel { customer: "c-2", order: Any })).await.unwrap();
    events.add(&bus.order(OrderChannel { customer: Any, order: "7" })).await.unwrap();
    for event in
        [order("c-1", "1"), order("c-2", "7"), order("c-3", "7"), order("c-3", "8"), order("c-1", "9")]
    {
        bus.publish(&event).await.unwrap();
    }
    let mut heard = Vec::new();
    for _ in 0..4 {
        let event = within("an order", events.recv()).await.unwrap().unwrap();
        heard.push((event.channel().key().to_owned(), event.order.clone()));
    }
    let expected = [("c-1", "1"), ("c-2/7", "7"), ("c-3/7", "7"), ("c-1", "9")];
    assert_eq!(heard, expected.map(|(key, order)| (key.to_owned(), order.to_owned())));
}

/// Knows exact channels alone.
#[derive(Clone)]
struct WithoutPatterns(MemoryTransport);

impl Transport for WithoutPatterns {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        Transport::publish(&self.0, messages).await
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        Transport::subscribe(&self.0, filter, inbox).await
    }

    async fn close(&self) {
        Transport::close(&self.0).await;
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

#[tokio::test]
async fn where_there_are_no_patterns_an_open_channel_says_what_to_do_instead() {
    let bus = OrderBus::new(WithoutPatterns(MemoryTransport::new()));
    let error = bus.order(OrderChannel { customer: "c", order: Any }).listen().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("listen to exact channels"), "{error}");
    drop(bus.order(OrderChannel { customer: "c", order: 1 }).listen().await.unwrap());
}

#[tokio::test]
async fn a_value_beside_an_open_one_is_checked_all_the_same() {
    let bus = OrderBus::new(MemoryTransport::new());
    for evil in ["", "*", "a/b", "{", "}", "\u{7f}"] {
        let handle = bus.order(OrderChannel { customer: evil, order: Any });
        let error = handle.listen().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{evil:?}");
        assert!(error.to_string().contains("`customer`"), "{error}");
        assert_eq!(handle.filter().unwrap_err().kind(), ErrorKind::InvalidKey);
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[-vx?\\[\\]\\\\ é]{1,4}", 1 => "[-x/*{}\n]{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whoever_controls_a_value_reaches_no_other_channel(a in value(), b in value(), c in value(), d in value()) {
        let (mine, yours) = (order(&a, &b), order(&c, &d));
        let (Ok(my_keys), Ok(your_keys)) = (mine.channel_keys(), yours.channel_keys()) else { return Ok(()) };
        prop_assert!(my_keys[0] != your_keys[0] || a == c);
        for at in [1, 2] {
            prop_assert_eq!(my_keys[at] == your_keys[at], mine == yours);
        }
        for (at, mine) in my_keys.iter().enumerate() {
            prop_assert!(your_keys.iter().enumerate().all(|(other, yours)| other == at || yours != mine));
        }
        let parsed = OrderChannel::parse(my_keys[1].as_str()).map(|order| (order.customer, order.order));
        prop_assert_eq!(parsed, Some((a.as_str(), b.as_str())));
        let parsed = TaggedChannel::parse(my_keys[2].as_str()).map(|order| (order.customer, order.order));
        prop_assert_eq!(parsed, Some((a.as_str(), b.as_str())));
        prop_assert!(CustomerChannel::parse(my_keys[1].as_str()).is_none());

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let bus = OrderBus::new(MemoryTransport::new());
        let of_mine = bus.order(OrderChannel { customer: &a, order: Any });
        prop_assert!(matches!(of_mine.filter(), Ok(ChannelFilter::Pattern(_))));
        let hears = |key| of_mine.pattern().unwrap().matches(key);
        prop_assert_eq!([hears(&your_keys[0]), hears(&your_keys[1]), hears(&your_keys[2])], [false, a == c, false]);
    }
}

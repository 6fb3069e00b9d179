//! Words that are hard to use as names: keywords, digits, names of one's own that generated code must not take for
//! the standard library's, and a bus under another path.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

mod renamed {
    //! The crate under another path.
    pub(crate) use event_bus_core::*;
}

mod keywords {
    //! Fields, channels, types and variants called like keywords.
    #![allow(non_camel_case_types, non_snake_case)]

    use event_bus_core::EventBus;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "hooks", channel(match = "{type}/{r}/{_1}", r#gen = "{gen}", _2 = "{{2}}/{key}/{channel}"))]
    pub(crate) struct Hook {
        pub(crate) r#type: String,
        pub(crate) r: u64,
        pub(crate) _1: u64,
        pub(crate) r#gen: u64,
        pub(crate) key: u64,
        pub(crate) channel: u64,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "uses", channel(r#use = "{type}/{match_channel}", a_b = "{a_b}/{ab}/{a__b}"))]
    pub(crate) enum r#try {
        #[bus(field(type = "r#in", match_channel = "fn"))]
        r#in { r#in: u64, r#fn: u64, a_b: u64, ab: u64, a__b: u64 },
        #[bus(field(r#type = "kind", a_b = "c", ab = "c", a__b = "c"))]
        Out(Out),
    }

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Out {
        pub(crate) kind: u64,
        pub(crate) match_channel: u64,
        pub(crate) c: u64,
    }
}

mod shadowed {
    //! Names of the standard library for other things.
    #![no_implicit_prelude]
    #![allow(dead_code, unused_macros)]

    use ::serde::{Deserialize, Serialize};

    struct Result;
    struct Vec;
    struct Option;
    struct String;
    struct Box;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct Copy;
    struct Send;
    struct Sync;
    struct Display;
    struct Formatter;
    struct EventBus;
    struct EventBusBuilder;
    struct Event;
    struct Json;
    struct ChannelKey;
    struct ChannelHandle;
    struct KeyError;
    trait Clone {}
    trait Debug {}
    trait From {}
    trait Into {}
    trait Deref {}
    trait Fn {}
    mod std {}
    mod core {}
    mod fmt {}
    mod event_bus_core {}
    macro_rules! vec {
        () => {};
    }
    macro_rules! format {
        () => {};
    }
    macro_rules! unreachable {
        () => {};
    }

    #[derive(Serialize, Deserialize, ::event_bus_core::EventBus)]
    #[bus(name = "orders", channel(order = "{order_id}/{vec}", all = "all"))]
    pub(super) enum Order {
        Paid(Paid),
        Sent { order_id: u64, vec: u64 },
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Paid {
        pub(super) order_id: u64,
        pub(super) vec: u64,
    }
}

mod beside_each_other {
    //! Types that generated code must not take for its own, and names that differ little.
    #![allow(clippy::enum_variant_names, clippy::upper_case_acronyms)]

    use event_bus_core::EventBus;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct OnLogin {
        pub(crate) id: u64,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "sessions", channel(r#type = "{id}", user = "{id}/x"), channel(kind = "{id}-k" as OnKind), overlap(type, kind))]
    pub(crate) enum OnMessage {
        Login { id: u64 },
        Message { id: u64 },
        Notices { id: u64 },
        V1_2 { id: u64 },
        V12 { id: u64 },
        First(OnLogin),
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "http", channel(http = "all"))]
    pub(crate) enum HTTPEvent {
        Get,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "http", channel(http = "all"))]
    pub(crate) enum HttpEvent {
        Get,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "structs", channel(everything = "all"))]
    pub(crate) struct OnEvent;

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "roadblocks", channel(everything = "all"))]
    pub(crate) struct Blocking; // the blocking bus of nobody
}

mod elsewhere {
    //! A bus that knows the crate by another path.

    use crate::renamed::{EventBus, MemoryTransport};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "orders", crate = "crate::renamed", channel(order = "{order_id}"))]
    struct Order {
        order_id: u64,
    }

    pub(super) async fn everything() -> crate::renamed::Result<()> {
        let bus = OrderBus::new(MemoryTransport::new());
        drop(bus.order(OrderChannel { order_id: 7 }));
        bus.publish(&Order { order_id: 7 }).await.map(drop)
    }
}

async fn everything() -> renamed::Result<()> {
    use renamed::MemoryTransport;

    let hooks = keywords::HookBus::new(MemoryTransport::new());
    let hook = hooks.r#match(keywords::MatchChannel { r#type: "push", r: 1, _1: 2 });
    hook.publish(&keywords::Hook { r#type: "push".into(), r: 1, _1: 2, r#gen: 3, key: 4, channel: 5 })
        .await?;
    drop((
        hooks.r#gen(keywords::GenChannel { r#gen: 3 }),
        hooks._2(keywords::_2Channel { key: 4, channel: 5 }),
    ));

    let uses = keywords::tryBus::new(MemoryTransport::new());
    uses.publish(&keywords::r#try::r#in { r#in: 1, r#fn: 2, a_b: 3, ab: 4, a__b: 5 }).await?;
    uses.publish(&keywords::r#try::Out(keywords::Out { kind: 1, match_channel: 2, c: 3 })).await?;
    drop(uses.r#use(keywords::UseChannel { r#type: 1, match_channel: 2 }));
    drop(uses.a_b(keywords::ABChannel { a_b: 1, ab: 2, a__b: 3 }));

    let orders = shadowed::OrderBus::new(MemoryTransport::new());
    orders.publish(&shadowed::Order::Paid(shadowed::Paid { order_id: 7, vec: 8 })).await?;
    orders.publish(&shadowed::Order::Sent { order_id: 7, vec: 8 }).await?;
    println!("{:?} {:?}", orders.clone(), shadowed::OrderChannel { order_id: 1, vec: 2 });
    drop(orders.all());
    let sessions = beside_each_other::OnMessageBus::new(MemoryTransport::new());
    drop((sessions.r#type(beside_each_other::TypeChannel { id: 1 }), beside_each_other::OnKind { id: 1 }));
    sessions.publish(&beside_each_other::OnMessage::First(beside_each_other::OnLogin { id: 1 })).await?;
    for event in [
        beside_each_other::OnMessage::Login { id: 1 },
        beside_each_other::OnMessage::Message { id: 1 },
        beside_each_other::OnMessage::Notices { id: 1 },
        beside_each_other::OnMessage::V1_2 { id: 1 },
        beside_each_other::OnMessage::V12 { id: 1 },
    ] {
        sessions.publish(&event).await?;
    }
    let https = beside_each_other::HTTPEventBus::new(MemoryTransport::new());
    https.publish(&beside_each_other::HTTPEvent::Get).await?;
    let https = beside_each_other::HttpEventBus::new(MemoryTransport::new());
    https.publish(&beside_each_other::HttpEvent::Get).await?;
    beside_each_other::BlockingBus::new(MemoryTransport::new()).publish(&beside_each_other::Blocking).await?;
    beside_each_other::OnEventBus::new(MemoryTransport::new()).publish(&beside_each_other::OnEvent).await?;
    elsewhere::everything().await
}

fn main() {
    drop(everything());
}

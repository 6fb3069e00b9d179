//! Every shape of an event, and every visibility.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{customer_id}/{order_id}", all = "all"))]
struct Order {
    customer_id: String,
    order_id: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "ticks", channel(all = "all"))]
struct Tick;

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "words", channel(all = "all"))]
struct Word(String);

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "keyless")]
struct Keyless {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "parcels")]
#[bus(channel(parcel = "{{{vendor_id}/{parcel_id}}}/parcel", weight = "w/{weight}"))]
#[bus(channel(vendor = "{{{vendor_id}}}/all"))]
enum Parcel {
    Sent {
        vendor_id: u64,
        parcel_id: u64,
        weight: f64,
    },
    Arrived(Arrived),
    Returned(Box<Arrived>),
    #[bus(field(parcel_id = "id", weight = "grams"))]
    Lost {
        vendor_id: u64,
        id: u64,
        grams: u32,
    },
    #[bus(field(parcel_id = "id"), field(weight = "grams"))]
    Found(Found),
}

#[derive(Debug, Serialize, Deserialize)]
struct Arrived {
    vendor_id: String,
    parcel_id: char,
    weight: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Found {
    vendor_id: u64,
    id: u64,
    grams: u32,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "phases", channel(all = "all"))]
enum Phase {
    Dark,
    Light(u64, u64),
    Dusk { minute: u64 },
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "never", channel(never = "{a}"))]
enum Never {}

mod inner {
    //! Visibilities.

    use event_bus_core::EventBus;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "crates", channel(of = "{id}"))]
    pub(crate) struct OfCrate {
        pub(crate) id: u64,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "worlds", channel(world = "{id}"))]
    #[allow(unreachable_pub)] // of the whole world, if it were a library
    pub struct OfWorld {
        /// Its number.
        pub id: u64,
    }

    pub(super) mod deep {
        //! Deeper.

        use event_bus_core::EventBus;
        use serde::{Deserialize, Serialize};

        #[derive(Debug, Serialize, Deserialize, EventBus)]
        #[bus(name = "paths", channel(at = "{id}"))]
        pub(in super::super) struct InPath {
            pub(in super::super) id: u64,
        }

        #[derive(Debug, Serialize, Deserialize, EventBus)]
        #[bus(name = "supers", channel(above = "{id}"))]
        pub(super) struct OfSuper {
            pub(super) id: u64,
        }
    }

    pub(super) fn above() {
        let bus = deep::OfSuperBus::new(super::MemoryTransport::new());
        drop((bus.above(deep::AboveChannel { id: 7 }), deep::OfSuper { id: 7 }));
    }
}

fn in_a_function() {
    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "locals", channel(local = "{id}"))]
    struct Local {
        id: u64,
    }

    let bus = LocalBus::new(MemoryTransport::new());
    drop((bus.local(LocalChannel { id: "7" }), Local { id: 7 }));
}

async fn everything() -> event_bus_core::Result<()> {
    let orders = OrderBus::new(MemoryTransport::new());
    let order = orders.order(OrderChannel { customer_id: "c", order_id: 7 });
    order.publish(&Order { customer_id: "c".into(), order_id: 7 }).await?;
    drop((orders.all().listen().await?, order.clone().key()?.as_str()));
    TickBus::new(MemoryTransport::new()).publish(&Tick).await?;
    WordBus::new(MemoryTransport::new()).publish(&Word(String::new())).await?;
    KeylessBus::builder(MemoryTransport::new()).build()?.publish_to("k", &Keyless { number: 1 }).await?;

    let parcels = ParcelBus::from(EventBus::new(MemoryTransport::new()));
    let arrived = || Arrived { vendor_id: String::new(), parcel_id: 'p', weight: true };
    for parcel in [
        Parcel::Sent { vendor_id: 1, parcel_id: 2, weight: 0.5 },
        Parcel::Arrived(arrived()),
        Parcel::Returned(Box::new(arrived())),
        Parcel::Lost { vendor_id: 1, id: 2, grams: 3 },
        Parcel::Found(Found { vendor_id: 1, id: 2, grams: 3 }),
    ] {
        parcels.publish(&parcel).await?;
    }
    drop(parcels.vendor(VendorChannel { vendor_id: 7 }));
    for phase in [Phase::Dark, Phase::Light(1, 2), Phase::Dusk { minute: 3 }] {
        PhaseBus::new(MemoryTransport::new()).publish(&phase).await?;
    }
    drop(NeverBus::new(MemoryTransport::new()).listen("a").await?);

    inner::OfCrateBus::new(MemoryTransport::new()).publish(&inner::OfCrate { id: 7 }).await?;
    inner::OfWorldBus::new(MemoryTransport::new()).publish(&inner::OfWorld { id: 7 }).await?;
    inner::deep::InPathBus::new(MemoryTransport::new()).publish(&inner::deep::InPath { id: 7 }).await?;
    Ok(())
}

fn main() {
    in_a_function();
    inner::above();
    drop(everything());
}

//! Blocking buses: with every visibility, generic, in a function, of an event without serde, of a crate under another
//! path, out of a macro, beside names of one's own; and one that nobody uses.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use std::fmt::Display;

use event_bus_core::{
    BlockingEventBus, BlockingRuntime, Bytes, Channel, Codec, CodecError, Envelope, EventBus,
    MemoryTransport,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{customer_id}/{order_id}", all = "all"))]
struct Order {
    customer_id: String,
    order_id: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "moves", channel(moved = "{id}/{to}"))]
struct Moved<E: Display, T, const STEPS: usize>
where
    T: Display,
{
    id: T,
    to: E,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "unused", channel(all = "all", unused = "of/{id}"))]
struct Unused {
    id: u64,
}

#[derive(Debug, EventBus)]
#[bus(name = "numbers", channel(number = "{number}"))]
struct Number {
    number: u8,
}

struct OneByte;

impl Codec<Number> for OneByte {
    fn encode(&self, _: &Channel, envelope: &Envelope<&Number>) -> Result<Bytes, CodecError> {
        Ok(vec![envelope.payload.number].into())
    }

    fn decode(&self, _: &Channel, wire: &Bytes) -> Result<Envelope<Number>, CodecError> {
        match **wire {
            [number] => Ok(Envelope::new(Number { number })),
            _ => Err(CodecError::new("expected one byte")),
        }
    }
}

mod inner {
    //! Visibilities.

    use event_bus_core::EventBus;
    use serde::{Deserialize, Serialize};

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
    }
}

mod renamed {
    //! What the generated code needs of the crate, under another path.
    pub(crate) use event_bus_core::*;
}

mod shadowed {
    //! Names of the standard library for other things.
    #![no_implicit_prelude]
    #![allow(dead_code, unused_macros)]

    use ::serde::{Deserialize, Serialize};

    struct Result;
    struct Future;
    struct Send;
    struct Ok;
    struct BlockingEventBus;
    struct BlockingRuntime;
    struct BlockingChannelHandle;
    trait From {}
    trait Deref {}
    mod core {}
    mod event_bus_core {}
    macro_rules! when_blocking {
        () => {};
    }

    #[derive(Serialize, Deserialize, ::event_bus_core::EventBus)]
    #[bus(name = "orders", crate = "crate::renamed", channel(order = "{order_id}/{runtime}", all = "all"))]
    pub(super) struct Order {
        pub(super) order_id: u64,
        pub(super) runtime: u64,
    }
}

macro_rules! event {
    ($vis:vis $event:ident on $name:literal, $method:ident = $template:literal, $($field:ident: $kind:ty),*) => {
        #[derive(Debug, Serialize, Deserialize, EventBus)]
        #[bus(name = $name, channel($method = $template, of_number = "number/{number}"))]
        $vis struct $event {
            number: u64,
            $($field: $kind,)*
        }
    };
}

event!(pub(crate) Change on "changes", change = "{change_id}", change_id: u64);

fn everything() -> event_bus_core::Result<()> {
    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "locals", channel(local = "{id}"))]
    struct Local {
        id: u64,
    }

    let runtime = BlockingRuntime::new()?;
    let locals = LocalBlockingBus::new(&runtime, MemoryTransport::new());
    locals.local(LocalChannel { id: "7" }).publish(&Local { id: 7 })?;

    let orders = OrderBlockingBus::connect(std::future::ready(Ok(MemoryTransport::new())))?;
    orders.publish(&Order { customer_id: "c".into(), order_id: 7 })?;
    drop((orders.all().listen()?, orders.order(OrderChannel { customer_id: "c", order_id: 7 }).clone()));
    println!("{:?}", OrderBlockingBus::from(BlockingEventBus::clone(&orders)));

    let moves: MovedBlockingBus<u64, String, 3> = MovedBlockingBus::new(&runtime, MemoryTransport::new());
    moves.publish(&Moved { id: "i".into(), to: 1 })?;

    let numbers = NumberBus::with_codec(MemoryTransport::new(), OneByte).build()?;
    NumberBlockingBus::on(&runtime, &numbers).publish(&Number { number: 7 })?;

    inner::OfWorldBlockingBus::new(&runtime, MemoryTransport::new()).publish(&inner::OfWorld { id: 7 })?;
    inner::deep::InPathBlockingBus::new(&runtime, MemoryTransport::new())
        .publish(&inner::deep::InPath { id: 7 })?;
    shadowed::OrderBlockingBus::new(&runtime, MemoryTransport::new())
        .publish(&shadowed::Order { order_id: 7, runtime: 8 })?;
    ChangeBlockingBus::connect(async { Ok(MemoryTransport::new()) })?
        .publish(&Change { number: 1, change_id: 7 })?;
    drop(Unused { id: 7 });
    Ok(())
}

fn main() {
    drop(everything());
}

//! Names in other scripts, names without letters, and parameters whose types have to make way for each other.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]
#![allow(uncommon_codepoints)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "letters", channel(condition = "in/{स्थिति}/{größe}", nameless = "of/{__}/x", __ = "__/{___}"))]
struct Letter {
    स्थिति: u64,
    größe: u64,
    __: u64,
    ___: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[allow(non_snake_case)]
#[bus(name = "alike", channel(alike = "{a_b2}/{a_b}/{a__b}"))]
struct Alike {
    a_b2: u64,
    a_b: u64,
    a__b: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "generic", channel(of = "{t}"))]
struct Generic<T, T0> {
    t: u64,
    both: (T, T0),
}

async fn everything() -> event_bus_core::Result<()> {
    let letters = LetterBus::new(MemoryTransport::new());
    letters.publish(&Letter { स्थिति: 1, größe: 2, __: 3, ___: 4 }).await?;
    drop(letters.condition(ConditionChannel { स्थिति: 1, größe: 2 }));
    drop((letters.nameless(NamelessChannel { __: 1 }), letters.__(__Channel { ___: 1 })));

    let alike = AlikeBus::new(MemoryTransport::new());
    alike.publish(&Alike { a_b2: 1, a_b: 2, a__b: 3 }).await?;
    drop(alike.alike(AlikeChannel { a_b2: 1, a_b: "2", a__b: '3' }));

    let generic = GenericBus::new(MemoryTransport::new());
    generic.publish(&Generic { t: 1, both: (2_u64, 3_u64) }).await?;
    drop(generic.of(OfChannel { t: 1 }));
    Ok(())
}

fn main() {
    drop(everything());
}

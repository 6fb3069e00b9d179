//! Generic events: the bounds of an event they get by themselves, those of their channels they state.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use std::fmt::{Debug, Display};

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "changes", channel(changed = "of/{id}", all = "all"))]
struct Changed<T> {
    id: u64,
    value: T,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "moves", channel(moved = "{id}/{to}"))]
struct Moved<E: Display, Id, const STEPS: usize>
where
    Id: Display + Debug,
{
    id: Id,
    to: E,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "either", channel(kind = "{kind}"))]
enum Either<L, R> {
    Left { kind: u8, value: L },
    Right { kind: u8, value: R },
}

async fn everything() -> event_bus_core::Result<()> {
    let changes = ChangedBus::<Vec<u64>>::new(MemoryTransport::new());
    changes.publish(&Changed { id: 7, value: vec![1] }).await?;
    drop((changes.all(), changes.changed(ChangedChannel { id: 7 })));

    let moves: MovedBus<u64, String, 3> = MovedBus::builder(MemoryTransport::new()).build()?;
    moves.publish(&Moved { id: String::new(), to: 1 }).await?;

    let either = EitherBus::new(MemoryTransport::new());
    either.publish(&Either::Left { kind: 1, value: 1_u64 }).await?;
    either.publish(&Either::Right { kind: 2, value: 2_u64 }).await?;
    Ok(())
}

fn main() {
    drop(everything());
}

//! Events that hold their own like, and say `Self`, which means something else in most of what is generated.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(all = "all"))]
enum Order {
    Paid { id: u64 },
    Batch(Vec<Self>),
    Retry(Box<Self>),
    Many([u8; Self::COUNT]),
}

impl Order {
    const COUNT: usize = 2;
}

#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "trees", channel(all = "all"))]
enum Tree<T: Into<Self>>
where
    Self: Sized,
    Option<Self>: Sized,
{
    Leaf(T),
    Branch(Vec<Self>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Leaf;

impl From<Leaf> for Tree<Leaf> {
    fn from(leaf: Leaf) -> Self {
        Self::Leaf(leaf)
    }
}

async fn everything() -> event_bus_core::Result<()> {
    let orders = OrderBus::new(MemoryTransport::new());
    let paid = Order::Paid { id: 1 };
    for order in [Order::Batch(vec![paid.clone()]), Order::Retry(Box::new(paid)), Order::Many([1, 2])] {
        orders.publish(&order).await?;
    }
    let running = orders
        .subscriber()
        .on_paid(async |_| {})
        .on_batch(async |batch| println!("{}", batch.len()))
        .on_retry(async |order| println!("{order:?}"))
        .on_many(async |many| println!("{}", many.len()))
        .ignore_notices();
    drop(running.start([orders.all()]).await?);

    let trees = TreeBus::<Leaf>::new(MemoryTransport::new());
    trees.publish(&Tree::Branch(vec![Tree::Leaf(Leaf)])).await?;
    let running = trees.subscriber().on_branch(async |branch| println!("{}", branch.len()));
    drop(running.ignore_rest().ignore_notices().start([trees.all()]).await?);
    Ok(())
}

fn main() {
    drop(everything());
}

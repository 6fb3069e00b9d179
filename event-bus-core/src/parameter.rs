//! What can stand in the place of a channel parameter: a value, or all of them.

use std::fmt::Display;

use crate::channel::KeyPattern;

/// Leaves a parameter of a channel open: listens to the channel with every value of it.
///
/// ```
/// # use event_bus_core::{Any, EventBus, MemoryTransport};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
/// # struct OrderChanged { customer_id: String, order_id: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = OrderChangedBus::new(MemoryTransport::new());
/// let orders = bus.order(OrderChannel { customer_id: "c-7", order_id: Any });
/// let mut changes = orders.listen().await?;
/// bus.publish(&OrderChanged { customer_id: "c-7".into(), order_id: 42 }).await?;
/// if let Some(Ok(change)) = changes.recv().await {
///     assert_eq!(change.order_id, 42);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Any;

/// What can stand in the place of a channel parameter: a value with `Display`, or [`Any`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't stand in a channel",
    label = "neither a value nor `Any`",
    note = "give a value that has `Display`, or `event_bus_core::Any` to listen to every value"
)]
pub trait Parameter: sealed::Sealed {
    /// What addresses a channel with this parameter, if `Rest` addresses it by its others.
    #[doc(hidden)]
    type Then<Rest>;

    /// The value; `None` if it is open.
    #[doc(hidden)]
    fn value(&self) -> Option<&dyn Display>;
}

#[diagnostic::do_not_recommend]
impl<T: Display> Parameter for T {
    type Then<Rest> = Rest;

    fn value(&self) -> Option<&dyn Display> {
        Some(self)
    }
}

impl Parameter for Any {
    type Then<Rest> = KeyPattern;

    fn value(&self) -> Option<&dyn Display> {
        None
    }
}

mod sealed {
    pub trait Sealed {}

    impl<T: std::fmt::Display> Sealed for T {}

    impl Sealed for super::Any {}
}

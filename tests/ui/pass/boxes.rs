//! A payload is seen without its `Box`, however that is written, and with one that only shares the name.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

mod geometry {
    //! Another box.

    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Box<T> {
        pub(crate) width: T,
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Payment {
    cents: u64,
}

macro_rules! event {
    ($event:ident, $boxed:ty, $holder:ty) => {
        #[derive(Debug, Serialize, Deserialize, EventBus)]
        #[bus(name = "payments", channel(cents = "{cents}" as $holder))]
        enum $event {
            Paid($boxed),
        }
    };
}

event!(Order, Box<Payment>, Cents);
event!(Invoice, std::boxed::Box<Payment>, CentsOfInvoice);

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "parcels", channel(all = "all"))]
enum Parcel {
    Measured(geometry::Box<f64>),
    Paid(std::boxed::Box<Payment>),
    Returned(::std::boxed::Box<Payment>),
}

async fn everything() -> event_bus_core::Result<()> {
    let orders = OrderBus::new(MemoryTransport::new());
    orders.publish(&Order::Paid(Box::new(Payment { cents: 1 }))).await?;
    let running = orders.subscriber().on_paid(async |payment| takes_payment(&payment)).ignore_notices();
    drop(running.start([orders.cents(Cents { cents: 1 })]).await?);

    let invoices = InvoiceBus::new(MemoryTransport::new());
    invoices.publish(&Invoice::Paid(Box::new(Payment { cents: 1 }))).await?;
    let running = invoices.subscriber().on_paid(async |payment| takes_payment(&payment)).ignore_notices();
    drop(running.start([invoices.cents(CentsOfInvoice { cents: 1 })]).await?);

    let parcels = ParcelBus::new(MemoryTransport::new());
    parcels.publish(&Parcel::Measured(geometry::Box { width: 0.5 })).await?;
    parcels.publish(&Parcel::Paid(Box::new(Payment { cents: 1 }))).await?;
    parcels.publish(&Parcel::Returned(Box::new(Payment { cents: 1 }))).await?;
    let running = parcels
        .subscriber()
        .on_measured(async |measured| println!("{}", measured.width))
        .on_paid(async |payment| takes_payment(&payment))
        .on_returned(async |payment| takes_payment(&payment))
        .ignore_notices();
    drop(running.start([parcels.all()]).await?);
    Ok(())
}

fn takes_payment(payment: &Payment) {
    println!("{}", payment.cents);
}

fn main() {
    drop(everything());
}

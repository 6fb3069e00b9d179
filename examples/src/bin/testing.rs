//! Testing without a server: `cargo test -p event-bus-examples --bin testing`. What is tested publishes and listens as it does in
//! production; the memory transport below it records, and fails as a network does.

use event_bus_core::{Error, EventBus, MemoryTransport, Subscription};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "example_payments", channel(all = "all"))]
struct Paid {
    cents: u64,
}

/// What is to be tested: tells everybody of a payment. Whether it can be tried again without paying twice.
async fn pay(bus: &PaidBus, cents: u64) -> Result<bool, Error> {
    match bus.publish(&Paid { cents }).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_retryable() => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is to be tested: adds up `payments`; `None` if something is missing.
async fn sum(mut payments: Subscription<Paid>, expected: usize) -> Option<u64> {
    let mut sum = 0;
    for _ in 0..expected {
        sum += payments.recv().await?.ok()?.cents;
    }
    Some(sum)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let bus = PaidBus::new(MemoryTransport::new());
    let payments = bus.all().listen().await?;
    pay(&bus, 950).await?;
    println!("testing: {:?} cents", sum(payments, 1).await);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_bus_core::ErrorKind;

    #[tokio::test]
    async fn a_payment_is_published_once_and_what_was_not_sent_can_be_tried_again()
    -> Result<(), Box<dyn std::error::Error>> {
        let memory = MemoryTransport::new();
        let (bus, recording) = (PaidBus::new(memory.clone()), memory.record());
        memory.fail_next(1, ErrorKind::NotSent);
        assert!(!pay(&bus, 950).await?);
        assert!(pay(&bus, 950).await?);
        let published = recording.take();
        assert_eq!(published.len(), 1);
        assert_eq!(*bus.read(published[0].clone())?, Paid { cents: 950 });
        memory.fail_next(1, ErrorKind::OutcomeUnknown);
        assert!(pay(&bus, 950).await.is_err_and(|error| error.outcome_unknown()));
        Ok(())
    }

    #[tokio::test]
    async fn what_is_missed_in_an_outage_is_noticed() -> Result<(), Error> {
        let memory = MemoryTransport::new();
        let bus = PaidBus::new(memory.clone());
        let payments = bus.all().listen().await?;
        pay(&bus, 1).await?;
        memory.interrupt();
        pay(&bus, 2).await?; // goes to nobody
        memory.resume();
        pay(&bus, 3).await?;
        assert_eq!(sum(payments, 2).await, None);
        Ok(())
    }
}

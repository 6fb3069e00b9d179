//! An event without serde, on a bus with a codec of its own; and one that nobody uses.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{Bytes, Channel, Codec, CodecError, Envelope, EventBus, MemoryTransport};

#[derive(Debug, EventBus)]
#[bus(name = "numbers", channel(number = "{number}"))]
struct Number {
    number: u8,
}

#[derive(Debug, EventBus)]
#[bus(name = "silence", channel(silent = "of/{number}", all = "all"))]
struct Silence {
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

async fn everything() -> event_bus_core::Result<()> {
    let bus = NumberBus::with_codec(MemoryTransport::new(), OneByte).build()?;
    bus.publish(&Number { number: 7 }).await?;
    println!("{:?}", Silence { number: 7 });
    bus.number(NumberChannel { number: 7 }).listen().await.map(drop)
}

fn main() {
    drop(everything());
}

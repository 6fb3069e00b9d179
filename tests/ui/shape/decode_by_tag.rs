//! What is to be decoded by its tag has one, and a payload that can be decoded by itself.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[derive(Serialize, Deserialize, EventBus)]
#[bus(name = "of_a_struct", decode_by_tag)] //~ ERROR there is no tag to decode by: that is for an enum with `#[serde(tag = "…")]` and without `content`
struct Struct {
    id: u64,
}

#[derive(Serialize, Deserialize, EventBus)]
#[bus(name = "untagged", decode_by_tag)] //~ ERROR there is no tag to decode by
enum Untagged {
    Opened(Order),
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", content = "order")]
#[bus(name = "beside", decode_by_tag)] //~ ERROR there is no tag to decode by
enum Beside {
    Opened(Order),
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "hollow", decode_by_tag)] //~ ERROR there is nothing to decode by itself: no variant has one payload
enum Hollow {
    Opened { id: u64 },
    Closed(#[serde(with = "elsewhere")] Order),
    Ended,
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "generic", decode_by_tag)] //~ ERROR an event with type parameters can't be decoded by its tag
enum Generic<T> {
    Opened(T),
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "renamed", decode_by_tag)] //~ ERROR what stands in the tag can't be relied on, because of `#[serde(alias = …)]`
enum Renamed {
    #[serde(alias = "Started")]
    #[bus(event_type = "Opened")]
    Opened(Order),
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "valued", decode_by_tag = "kind")] //~ ERROR decode_by_tag
enum Valued {
    Opened(Order),
}

mod elsewhere {
    pub(crate) fn serialize<S: serde::Serializer>(_: &super::Order, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(_: D) -> Result<super::Order, D::Error> {
        Ok(super::Order { id: 1 })
    }
}

fn main() {}

//! What is generated from: a model in which a wrong state can't be written. The outline is there even after a mistake,
//! the cases only without.

mod cases;
mod outline;

pub(crate) use cases::{Case, Cases, Source};
pub(crate) use outline::{Channel, Kind, Kinds, Outline, Payload};

pub(crate) struct Model<'a> {
    pub(crate) outline: Outline<'a>,
    pub(crate) cases: Cases,
}

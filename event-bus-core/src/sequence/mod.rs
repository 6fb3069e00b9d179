//! Sequenced buses: a publisher numbers its events per channel, and whoever listens sees what is missing even where
//! every connection looked healthy. The numbers travel as headers; how those become bytes is the codec's business.

mod numbering;
mod tracks;

pub(crate) use numbering::{Number, Numbering, Turn, out_of_turn};
pub(crate) use tracks::{Tracks, Verdict};

/// The header that tells publishers apart: random for each bus that publishes, and longer where it had to begin anew.
const PUBLISHER: &str = "publisher";

/// The header with the number: decimal, per publisher and channel, from 1.
const SEQ: &str = "seq";

//! What the benchmarks share: the server and the event, one file per peer, one per workload, and how pairs of samples
//! are taken, judged and told.

mod bench;
mod contestant;
pub mod curves;
pub mod floors;
mod growth;
mod limits;
mod measure;
mod options;
mod pairs;
pub mod peer;
mod report;
mod run;
mod tally;
mod usage;
pub mod workload;

pub use bench::{Bench, Failure, runtime};
pub use contestant::{Contestant, Count, Sample};
pub use growth::{Curve, Point};
pub use limits::allow_open_files;
pub use measure::{Effort, measure};
pub use options::{Asked, Options, USAGE};
pub use pairs::{Pairs, Ratio, median};
pub use report::{Entry, FAULT, Line, Report, Unit};
pub use run::run;
pub use tally::Tally;
pub use usage::{Meter, Probe};

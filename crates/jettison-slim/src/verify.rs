//! Whether a candidate image behaves like the original: run probes in both, compare, judge.

mod compare;
mod probe;
mod verdict;

pub(crate) use crate::verify::compare::visible;
pub use crate::verify::compare::{Difference, ExitKind, Observation, WrittenFile, compare};
pub use crate::verify::probe::Probe;
pub use crate::verify::verdict::{ProbeOutcome, ProbeSource, Verdict, verdict};

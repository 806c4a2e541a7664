//! Whether a candidate image behaves like the original: run probes in both, compare, judge.

mod compare;
mod miss;
mod probe;
mod verdict;

pub(crate) use crate::verify::compare::visible;
pub use crate::verify::compare::{Difference, ExitKind, Observation, WrittenFile, compare};
pub use crate::verify::miss::{
    Aspect, EntryDifference, EntryKind, ListingDifference, Miss, MissReport, MissVerdict,
    find_misses,
};
pub use crate::verify::probe::Probe;
pub use crate::verify::verdict::{ProbeOutcome, ProbeSource, Verdict, verdict};

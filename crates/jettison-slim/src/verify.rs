//! Whether a candidate image behaves like the original: run probes in both, compare, judge.

mod aborted;
mod ailment;
mod compare;
mod expectations;
mod fallback;
mod health;
mod http;
mod ignore;
mod miss;
mod observation;
mod observe;
mod oracle;
mod own;
mod pool;
mod probe;
mod runner;
mod serve;
mod trail;
mod verdict;

pub(crate) use crate::verify::ailment::sought;
pub use crate::verify::ailment::{Ailment, AilmentKind, Need, Unmet};
pub(crate) use crate::verify::compare::visible;
pub use crate::verify::compare::{Comparison, Difference, compare, compare_with};
pub use crate::verify::fallback::{default_probes, suggestion};
pub use crate::verify::http::{Answer, HttpResponse};
pub use crate::verify::ignore::{Ignore, IgnoreParseError, IgnoreRule};
pub use crate::verify::miss::{
    Aspect, EntryDifference, EntryKind, ListingDifference, Miss, MissReport, MissVerdict,
    find_misses,
};
pub use crate::verify::observation::{ExitKind, Observation, Served, WrittenFile};
pub use crate::verify::observe::{ProbeError, observe};
pub(crate) use crate::verify::oracle::Watched;
pub use crate::verify::oracle::{AskError, FurtherProbes, Oracle, ProbeObserver};
pub use crate::verify::probe::{
    Action, Ending, HttpMessage, HttpRequest, Probe, ProbeFile, ProbeInput, ProbeOrigin, Ready,
    Server, Setting, Talk, TcpStep,
};
pub use crate::verify::trail::{MissKind, OwnedMiss, Trail};
pub use crate::verify::verdict::{ProbeOutcome, Verdict, all_misses, overall_ailment, verdict};

//! Where climbing the ladder ended.

use super::ladder::Attempt;

/// Where climbing ended.
pub(super) struct Climbed {
    /// The candidate that passed, else the last one that was built.
    pub(super) attempt: Option<Attempt>,
    /// Why each rung below was not enough.
    pub(super) refused: Vec<String>,
    /// What of the original could not be watched.
    pub(super) gaps: Vec<String>,
}

impl Climbed {
    /// Whether nothing is to be gained by climbing from another build.
    pub(super) fn has_passed(&self) -> bool {
        self.attempt.as_ref().is_some_and(Attempt::is_final)
    }

    /// What the user is told of a build that was tried in vain; whether it compiled what is started.
    pub(super) fn left_out(&self, has_compiled: bool) -> String {
        let what = if has_compiled {
            "a program that is compiled once"
        } else {
            "a build stage that later builds take less time for"
        };
        format!("{what} was tried and is left out: {}", self.reason())
    }

    /// Why nothing has passed.
    fn reason(&self) -> String {
        let last = self
            .attempt
            .iter()
            .filter_map(|attempt| attempt.problem.as_ref());
        let reasons: Vec<&str> = self
            .refused
            .iter()
            .chain(last)
            .map(String::as_str)
            .collect();
        reasons.join("; ")
    }
}

//! What to run in the original and in the candidate.

use std::time::Duration;

/// One run of an image's program, and what the user says about its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What reports call it.
    pub name: String,
    /// The arguments in place of the image's `CMD`; `None` keeps that.
    pub arguments: Option<Vec<String>>,
    /// What the program reads on its standard input.
    pub stdin: Vec<u8>,
    /// Variables on top of the image's environment; a later one wins.
    pub env: Vec<(String, String)>,
    /// How long the program may run before it is stopped.
    pub time_limit: Duration,
    /// The exit code that both images have to give.
    pub expect_exit: Option<i32>,
    /// What both images have to write to their standard output.
    ///
    /// The whole output has to be equal to it. If it does not end in a newline, the output may still end in one.
    pub expect_stdout: Option<String>,
}

//! `jettison doctor`

use std::process::ExitCode;

use jettison_sandbox::{HostState, probe_host};

use crate::cli::Global;
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let root = world::root(global, surroundings).ok();
    let facts = probe_host(root.as_deref());
    let width = facts.iter().map(|fact| fact.name.len()).max().unwrap_or(0);
    let mut missing = 0;
    for fact in &facts {
        let (look, state) = match fact.state {
            HostState::Ok => (Look::Good, "ok"),
            HostState::Limited => (Look::Heading, "limited"),
            HostState::Missing => (Look::Bad, "missing"),
        };
        missing += usize::from(fact.state == HostState::Missing);
        output.styled(
            look,
            &format!("{:width$}  {state:7}  {}", fact.name, fact.detail),
        );
        if let Some(advice) = &fact.advice {
            output.styled(Look::Note, &format!("{:width$}           {advice}", ""));
        }
    }
    if missing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::host(format!(
        "{missing} of {} features are missing",
        facts.len()
    )))
}

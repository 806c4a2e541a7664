//! `jettison explain`

use std::process::ExitCode;

use jettison_dockerfile::{find_rule, rules};

use crate::cli::ExplainArgs;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::report::rules_table;
use crate::selection::unknown_rule;

pub(crate) fn run(args: &ExplainArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let Some(name) = &args.rule else {
        output.text(&rules_table(&rules()));
        return Ok(ExitCode::SUCCESS);
    };
    let Some(rule) = find_rule(name) else {
        return Err(unknown_rule(name, std::iter::empty())
            .hint("`jettison explain` without a name lists the rules"));
    };
    let mut is_code = false;
    for line in rule.page.lines() {
        is_code ^= line.starts_with("```");
        let look = if line.starts_with('#') && !is_code {
            Look::Heading
        } else if line.starts_with("```") {
            Look::Note
        } else {
            Look::Plain
        };
        output.styled(look, line);
    }
    Ok(ExitCode::SUCCESS)
}

//! A program that is compiled for the CPU of the build.

use crate::checks::correctness::scripts::run_scripts;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;
use crate::shell::{ShellScript, SimpleCommand};
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("built-for-this-cpu"),
    summary: "A compiler is told to use whatever the CPU of the build can do",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Reproducibility],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/built-for-this-cpu.md"),
    check: built_for_this_cpu,
};

/// What compilers call the CPU that they run on.
const NATIVE: [&str; 4] = [
    "-march=native",
    "-mcpu=native",
    "target-cpu=native",
    "JULIA_CPU_TARGET=native",
];

/// Programs that look for the flag, or take it away.
const READERS: [&str; 7] = ["awk", "echo", "find", "grep", "patch", "perl", "sed"];

fn built_for_this_cpu(input: &CheckInput<'_>, findings: &mut Findings) {
    let text = input.parse.text();
    for instruction in input.parse.instructions() {
        let mut ranges: Vec<TextRange> = Vec::new();
        if let InstructionKind::Env(pairs) = &instruction.kind {
            ranges.extend(
                pairs
                    .iter()
                    .map(|pair| pair.key_range.start..pair.value_range.end),
            );
        } else if let InstructionKind::Arg(declarations) = &instruction.kind {
            ranges.extend(
                declarations
                    .iter()
                    .map(|declaration| declaration.range.clone()),
            );
        }
        for range in ranges {
            report(text, range, findings);
        }
    }
    for stage in input.stages() {
        for (_, script) in run_scripts(&stage) {
            for range in script_words(script) {
                report(text, range, findings);
            }
        }
    }
}

/// The places of words and assignments that may be flags of a compiler.
fn script_words(script: &ShellScript) -> Vec<TextRange> {
    let is_reader = |command: &SimpleCommand| {
        let program = command
            .unwrapped()
            .first()
            .and_then(|word| word.literal.as_deref());
        let is_written = !command.redirects.is_empty();
        program.is_some_and(|program| {
            let name = base_name(program);
            READERS.contains(&name) && !(name == "echo" && is_written)
        })
    };
    let commands = script.commands.iter().filter(|command| !is_reader(command));
    commands
        .flat_map(|command| {
            let assignments = command
                .assignments
                .iter()
                .map(|assignment| assignment.range.clone());
            let words = command.words.iter().map(|word| word.range.clone());
            assignments.chain(words)
        })
        .collect()
}

fn report(text: &str, range: TextRange, findings: &mut Findings) {
    let Some(written) = text.get(range.clone()) else {
        return;
    };
    let found = NATIVE
        .iter()
        .find_map(|flag| Some((written.find(flag)?, flag)));
    let Some((at, flag)) = found else { return };
    let start = range.start + at;
    findings
        .add(
            start..start + flag.len(),
            format!("`{flag}` makes a program that only runs on a CPU like the one that builds it"),
        )
        .hint("name the oldest CPU that is to run it, such as `x86-64-v2`");
}

//! Compilers and headers in the image that ships.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::{Action, PackageCommand, package_command, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::purpose::{Purpose, is_script, purpose, starts_a_server};
use crate::checks::size::run::{Run, runs, shipping_stages};
use crate::checks::size::toolchain::{
    builds_with, is_build_tool, is_java_image, is_jdk, is_light, is_toolchain_image,
};
use crate::diagnostic::Severity;
use crate::evaluate::BaseImage;
use crate::instruction::InstructionKind;
use crate::shell::{ShellWord, SimpleCommand};
use crate::stage::from_of;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("build-tools-in-image"),
    summary: "Compilers and build tools are part of the image",
    severity: Severity::Warning,
    categories: &[Category::Size, Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/build-tools-in-image.md"),
    check: build_tools_in_image,
};

const IN_A_STAGE: &str = "build in one stage and copy the result into a small one";
const OPTIMIZE: &str =
    "`jettison optimize` proposes such a Dockerfile, and proves that the program still works";

/// Build tools that stay in a stage.
struct Kept {
    /// Where the first one is named.
    place: TextRange,
    /// Their names, each once, in order.
    names: Vec<String>,
}

fn build_tools_in_image(input: &CheckInput<'_>, findings: &mut Findings) {
    let Some(target) = input
        .stages()
        .find(|stage| stage.stage.index == input.target)
    else {
        return;
    };
    let is_program = match purpose(&target) {
        Purpose::Program(words) => !needs_tools(&words),
        Purpose::Workbench => false,
        Purpose::OfBase => target.root_reference().is_some_and(starts_a_server),
    };
    if !is_program {
        return;
    }
    let builds = shipping_stages(input)
        .flat_map(|stage| runs(&stage))
        .any(|run| run.commands().any(|command| builds_with(command).is_some()));
    let starts_script = matches!(purpose(&target), Purpose::Program(words) if words.iter().any(|word| is_script(word)));
    for stage in shipping_stages(input) {
        if let Some((place, image, tool)) = toolchain_base(input, &stage) {
            let message = match tool {
                Some(tool) => {
                    format!("the image keeps all of `{image}`, in which it runs `{tool}`")
                }
                // A script may use the tools.
                None if starts_script => continue,
                None => format!("the image keeps all of `{image}`, and builds nothing in it"),
            };
            findings.add(place, message).hint(IN_A_STAGE).hint(OPTIMIZE);
        } else if let Some(kept) = kept(&stage) {
            if !builds && kept.names.iter().all(|name| is_light(name)) {
                continue;
            }
            let are_jdks = kept.names.iter().all(|name| is_jdk(name));
            let found = findings.add(kept.place, message(&kept.names));
            if are_jdks && !builds {
                found.hint("a program that is already built needs only a Java runtime (JRE)");
            } else {
                found.hint(IN_A_STAGE).hint(OPTIMIZE);
            }
        }
    }
}

fn message(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(3)
        .map(|name| format!("`{name}`"))
        .collect();
    let rest = names.len() - shown.len();
    let list = match shown.as_slice() {
        [only] => return format!("the image keeps {only}, which is only needed for building"),
        [first, second] => format!("{first} and {second}"),
        _ if rest == 0 => format!("{}, {} and {}", shown[0], shown[1], shown[2]),
        _ => format!("{} and {rest} more packages", shown.join(", ")),
    };
    format!("the image keeps {list}, which are only needed for building")
}

/// Says whether the program that a container starts is itself a build tool, or a test.
fn needs_tools(words: &[String]) -> bool {
    let line = words.join(" ");
    let tools = [
        "go run",
        "go test",
        "go build",
        "cargo ",
        "mvn ",
        "mvnw ",
        "gradle ",
        "gradlew ",
        "dotnet run",
        "dotnet watch",
        "dotnet test",
        "make",
        "cmake",
        "gcc",
        "g++",
        "javac",
        "swift run",
        "dart run",
        "jupyter",
        "jupyter-lab",
        "jupyter-notebook",
        "code-server",
        "jenkins-agent",
        "sshd",
        "sbt ",
        "lein ",
        "pytest",
        "tox",
        "npm test",
        "jshell",
        "clang",
        "stack ",
        "cabal ",
        "nodemon",
        "air",
    ];
    tools.iter().any(|tool| {
        line.match_indices(tool).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + tool.len()..].chars().next();
            let is_start = before.is_none_or(|c| matches!(c, ' ' | '/' | ';' | '&' | '"'));
            is_start && (tool.ends_with(' ') || after.is_none_or(|c| matches!(c, ' ' | ';' | '"')))
        })
    })
}

/// The toolchain image that a stage is based on, and what is built in it; none, if what was built elsewhere is
/// copied into it.
fn toolchain_base(
    input: &CheckInput<'_>,
    stage: &StageView<'_>,
) -> Option<(TextRange, String, Option<String>)> {
    let BaseImage::Image(image) = &stage.evaluation.base else {
        return None;
    };
    if !is_toolchain_image(image) {
        return None;
    }
    let later = shipping_stages(input).filter(|later| later.stage.index >= stage.stage.index);
    let tool = later
        .flat_map(|later| runs(&later))
        .find_map(|run| run.commands().find_map(builds_with));
    let is_destination = stage.instructions().any(
        |view| matches!(&view.instruction.kind, InstructionKind::Copy(copy) if copy.from.is_some()),
    );
    let is_waste =
        tool.is_some() || is_destination && !is_java_image(image) && runs(stage).is_empty();
    let place = from_of(&stage.from().kind)?.base_range.clone();
    is_waste.then(|| (place, image.clone(), tool))
}

/// The build tools that a stage installs and does not remove in the same `RUN`.
fn kept(stage: &StageView<'_>) -> Option<Kept> {
    let mut kept: Option<Kept> = None;
    for run in runs(stage) {
        for (command, packages) in run.packages() {
            let tools = tools(&packages);
            if tools.is_empty() || is_undone(&run, command) {
                continue;
            }
            for (word, name) in tools {
                let all = kept.get_or_insert_with(|| Kept {
                    place: word.range.clone(),
                    names: Vec::new(),
                });
                if !all.names.contains(&name) {
                    all.names.push(name);
                }
            }
        }
    }
    kept
}

/// The build tools that a command installs.
fn tools<'c>(packages: &PackageCommand<'c>) -> Vec<(&'c ShellWord, String)> {
    if packages.action != Action::Install {
        return Vec::new();
    }
    let words = packages.packages().into_iter();
    let elsewhere = [
        "--root",
        "--installroot",
        "-p",
        "--download-only",
        "-d",
        "--downloadonly",
    ];
    if elsewhere.iter().any(|flag| packages.has_flag(flag)) {
        return Vec::new();
    }
    words
        .filter(|word| !word.has_glob)
        .filter_map(|word| {
            let name = word.literal.as_deref()?;
            is_build_tool(packages.manager, name)
                .then(|| (word, name.split('=').next().unwrap_or(name).to_owned()))
        })
        .collect()
}

/// Says whether, later in the `RUN`, packages are removed: which ones is not always told by their names.
fn is_undone(run: &Run<'_>, command: &SimpleCommand) -> bool {
    let marks = run.mentions("apt-mark");
    let removes = run
        .after(command)
        .filter_map(package_command)
        .any(|packages| {
            let is_automatic = packages
                .verb
                .is_some_and(|verb| matches!(value_or_text(verb), "autoremove" | "autopurge"));
            // What was asked for by name is not removed automatically, unless it is marked.
            packages.action == Action::Remove
                && (marks || !is_automatic || !packages.packages().is_empty())
        });
    removes
        || run.after(command).any(|later| {
            matches!(later.tool(), Some("dpkg" | "rpm"))
                && later.literals().any(|word| {
                    matches!(
                        word,
                        "-P" | "-r" | "-e" | "--purge" | "--remove" | "--erase"
                    )
                })
        })
}

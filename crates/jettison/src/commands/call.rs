//! `jettison build --call`: what BuildKit's frontend answers in place of a build, in the shapes that
//! `docker buildx build --call` prints (buildx: `printResult`, BuildKit: frontend/subrequests).

mod json;
mod lint;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use jettison_dockerfile::{
    BuildTarget, Diagnostic, Given, IgnoreFile, Outline, Rule, Severity, Target, evaluate_target,
    outline, rules, targets,
};

use crate::cli::{BuildArgs, CallMethod, CallRequest};
use crate::commands::dockerfile::{
    CheckRequest, FailsBuild, Ignore, Location, Read, WithoutTarget, all_args, check_text, read,
};
use crate::commands::{build::outside, world};
use crate::drawing::{Drawing, draw_all};
use crate::failure::Failure;
use crate::output::Output;
use crate::remote::OpenedContext;
use crate::report::Checked;
use crate::source::Source;
use crate::surroundings::Surroundings;

/// Answers a call. Nothing is built, and no image is needed.
pub(super) fn run(
    call: CallRequest,
    (args, opened): (&BuildArgs, &OpenedContext),
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let location = outside::location(opened);
    let source = opened.source.clone();
    if call.method == CallMethod::Describe {
        output.raw(&describe(call));
        return Ok(ExitCode::SUCCESS);
    }
    if call.method == CallMethod::Check {
        let ignore = ignore_file(&location)?;
        let build_args = world::build_args(&args.input.build_args, surroundings);
        let rules = buildkit_rules();
        let request = CheckRequest {
            without_target: WithoutTarget::AllStages,
            ..buildkit_request(args, &rules, &build_args, known(&location, ignore.as_ref()))
        };
        let (checked, _) = check_text(source, &request)?;
        return print_findings(call, &checked, &location.dockerfile, output);
    }
    // What is listed does not depend on the target, nor does it have to be there.
    let wanted = args
        .image
        .target
        .as_deref()
        .filter(|_| call.method == CallMethod::Outline);
    let read = read(&source, wanted)?;
    let build_args = world::build_args(&args.input.build_args, surroundings);
    let mut diagnostics = read.parse.diagnostics().to_vec();
    diagnostics.extend(read.graph.diagnostics.iter().cloned());
    if call.method == CallMethod::Outline {
        diagnostics.extend(refused(&read, &build_args));
    }
    refuse_errors(&source, &diagnostics)?;
    let text = match call.method {
        CallMethod::Outline => {
            let given = Given {
                args: &build_args,
                images: &|_| None,
            };
            let outline = outline(
                &read.parse,
                &read.graph,
                read.target,
                &given,
                &read.platform,
            );
            print_outline(call, &outline, &source)
        }
        CallMethod::Targets => print_targets(call, &targets(&read.parse, &read.graph), &source),
        CallMethod::Describe | CallMethod::Build | CallMethod::Check => String::new(),
    };
    output.raw(&text);
    Ok(ExitCode::SUCCESS)
}

/// The methods that there are (BuildKit: frontend/subrequests, `describe` in frontend/dockerui/requests.go).
fn describe(call: CallRequest) -> String {
    let methods = [
        (
            "outline",
            "List all parameters current build target supports",
        ),
        ("targets", "List all targets current build supports"),
        ("subrequests.describe", "List available subrequest types"),
    ];
    if call.is_json {
        return json::methods(&methods);
    }
    let rows = methods.map(|(name, description)| format!("{name:20} 1.0.0   {description}\n"));
    format!("{:20} VERSION DESCRIPTION\n", "NAME") + &rows.concat()
}

fn print_outline(call: CallRequest, outline: &Outline, source: &Source) -> String {
    if call.is_json {
        json::outline(outline, &source.text)
    } else {
        tables::outline(outline)
    }
}

fn print_targets(call: CallRequest, targets: &[Target], source: &Source) -> String {
    if call.is_json {
        json::targets(targets, &source.text)
    } else {
        tables::targets(targets)
    }
}

/// BuildKit's own checks, and none of ours.
fn buildkit_rules() -> Vec<&'static Rule> {
    let mut rules = rules();
    rules.retain(|rule| rule.is_buildkit());
    rules
}

fn print_findings(
    call: CallRequest,
    checked: &Checked,
    dockerfile: &Path,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let errors: Vec<Drawing<'_>> = errors(checked.diagnostics.iter()).collect();
    let text = if call.is_json {
        lint::json(checked, dockerfile)
    } else {
        lint::text(checked)
    };
    output.raw(&text);
    if !errors.is_empty() {
        return Err(Failure::no("").drawn(draw_all(&checked.source, &errors)));
    }
    Ok(if checked.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn ignore_file(location: &Location) -> Result<Option<IgnoreFile>, Failure> {
    let Some(text) = location.read_ignore()? else {
        return Ok(None);
    };
    match IgnoreFile::parse(&text.text) {
        Ok(ignore) => Ok(Some(ignore)),
        Err(error) => {
            Err(Failure::user(format!("cannot understand {}", text.path)).because(&error))
        }
    }
}

/// What is known of the ignore file: nothing if the context is not at hand.
fn known<'a>(location: &Location, ignore: Option<&'a IgnoreFile>) -> Ignore<'a> {
    match ignore {
        Some(ignore) => Ignore::Present(ignore),
        None if location.context.is_none() => Ignore::Unknown,
        None => Ignore::Absent,
    }
}

/// What BuildKit's checks look at.
fn buildkit_request<'a>(
    args: &'a BuildArgs,
    rules: &'a [&'static Rule],
    build_args: &'a BTreeMap<String, String>,
    ignore: Ignore<'a>,
) -> CheckRequest<'a> {
    CheckRequest {
        rules,
        build_args,
        target: args.image.target.as_deref(),
        without_target: WithoutTarget::LastStage,
        images: &|_| None,
        ignore,
    }
}

/// The checks that warn about a Dockerfile that is going to be built, if that does not fail the build.
pub(super) fn warnings_before_build(
    location: &Location,
    source: &Source,
    args: &BuildArgs,
    surroundings: &Surroundings,
) -> Result<usize, Failure> {
    let ignore = ignore_file(location)?;
    let build_args = world::build_args(&args.input.build_args, surroundings);
    let rules = buildkit_rules();
    let ignore = known(location, ignore.as_ref());
    let request = buildkit_request(args, &rules, &build_args, ignore);
    let (checked, fails_build) = check_text(source.clone(), &request)?;
    if checked.first_error.is_some() {
        // The build is going to say so, better.
        return Ok(0);
    }
    if fails_build == FailsBuild(true) && !checked.findings.is_empty() {
        let mut names: Vec<&str> = Vec::new();
        for finding in &checked.findings {
            if !names.contains(&finding.rule.id.0) {
                names.push(finding.rule.id.0);
            }
        }
        // BuildKit: `Linter.Error`, frontend/dockerfile/linter/linter.go.
        let message = format!("lint violation found for rules: {}", names.join(", "));
        return Err(Failure::no(format!("{}: {message}", source.path)).hint(
            "`jettison check` shows what is found; `# check=error=true` makes it fail the build",
        ));
    }
    Ok(checked.findings.len())
}

/// What makes a Dockerfile impossible to build.
fn errors<'a>(
    diagnostics: impl Iterator<Item = &'a Diagnostic>,
) -> impl Iterator<Item = Drawing<'a>> {
    diagnostics
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| Drawing {
            message: &diagnostic.message,
            range: Some(diagnostic.range.clone()),
            hints: &diagnostic.hints,
            ..Drawing::default()
        })
}

/// What a build of the target would refuse.
fn refused(read: &Read, build_args: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let args = all_args(read, build_args);
    let given = Given {
        args: &args,
        images: &|_| None,
    };
    let target = BuildTarget::Stage(read.target);
    evaluate_target(&read.parse, &read.graph, &given, target).diagnostics
}

/// A Dockerfile that cannot be built has no outline.
fn refuse_errors(source: &Source, diagnostics: &[Diagnostic]) -> Result<(), Failure> {
    let errors: Vec<Drawing<'_>> = errors(diagnostics.iter()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::user("").drawn(draw_all(source, &errors)))
}

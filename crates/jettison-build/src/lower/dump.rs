//! A plan as text, and images to build on: for tests.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

use jettison_dockerfile::{Platform, parse};
use jettison_oci::{Image, ImageConfig};
use serde_json::json;

use crate::lower::{Bases, LowerError, LowerRequest, lower};
use crate::plan::{
    CopyDefinition, CopyFrom, CopyItem, Definition, EpochSource, FoundBase, Input, Plan,
    RunDefinition, RunMount,
};

/// A request for amd64 as most builds make it.
pub(super) fn request() -> LowerRequest {
    LowerRequest::on(Platform::new("linux", "amd64"))
}

pub(super) fn with_args(args: &[(&str, &str)]) -> LowerRequest {
    let pair = |(name, value): &(&str, &str)| ((*name).to_string(), (*value).to_string());
    LowerRequest {
        build_args: args.iter().map(pair).collect::<BTreeMap<_, _>>(),
        ..request()
    }
}

/// Images by name; every other name is that of an empty image.
pub(super) struct Images<'a>(pub(super) &'a [(&'a str, serde_json::Value)]);

impl Bases for Images<'_> {
    fn base(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<FoundBase, Box<dyn Error + Send + Sync>> {
        let config = self.0.iter().find(|(known, _)| *known == name);
        let config = config.map_or(json!({}), |(_, config)| config.clone());
        let json = json!({
            "architecture": platform.architecture, "os": platform.os, "config": config,
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let config = ImageConfig::from_json(json.to_string().as_bytes())?;
        Ok(FoundBase {
            image: Image::new(config, Vec::new())?,
            address: name.to_owned(),
            digest: None,
        })
    }

    fn epoch(&self, source: &EpochSource) -> Result<Option<i64>, Box<dyn Error + Send + Sync>> {
        match source {
            EpochSource::Context | EpochSource::Named(_) => Ok(Some(1)),
            EpochSource::File(_) => Ok(Some(2)),
            EpochSource::Git(_) => Ok(None),
        }
    }
}

/// The plan of `text`, or what is wrong with it.
pub(super) fn dumped(text: &str, request: &LowerRequest, images: &Images<'_>) -> String {
    match lower(&parse(text), request, images) {
        Ok(plan) => dump(&plan),
        Err(LowerError::Base { source, .. } | LowerError::Epoch { source, .. }) => {
            format!("error: {source}\n")
        }
        Err(LowerError::Syntax(errors)) => {
            let lines = errors.iter().map(|error| format!("error: {error}\n"));
            lines.collect()
        }
        Err(LowerError::Instruction(error)) => {
            let hints = error.hints.iter().map(|hint| format!("  hint: {hint}\n"));
            format!("error: {error}\n{}", hints.collect::<String>())
        }
        Err(error @ (LowerError::NoTarget(_) | LowerError::NoContextStage { .. })) => {
            format!("error: {error}\n")
        }
    }
}

/// One line for each base, step, and entry of the history.
fn dump(plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    for (index, base) in plan.bases.iter().enumerate() {
        line(format!("base {index}: {} {}", base.name, base.platform));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let what = match &step.definition {
            Definition::Run(run) => of_run(run),
            Definition::Copy(copy) => of_copy(copy),
            Definition::Workdir(workdir) => {
                format!("WORKDIR {}{}", workdir.path, flag(" user ", &workdir.user))
            }
        };
        line(format!("{index}: {} + {what}", of_input(step.parent)));
        line(format!("   line {}: {}", step.hints.line, step.hints.title));
    }
    let target = &plan.target;
    let author = target.author.as_deref().unwrap_or_default();
    let author = flag(" by ", author);
    line(format!(
        "image {} of {}{author}",
        target.platform,
        of_input(target.result)
    ));
    if let Some(epoch) = plan.epoch {
        line(format!("at {epoch}"));
    }
    if !plan.uncached_stages.is_empty() {
        line(format!("not from the cache: {:?}", plan.uncached_stages));
    }
    line(serde_json::to_string(&target.config).unwrap());
    for entry in &target.history {
        let mark = if entry.empty_layer { "-" } else { "+" };
        line(format!(
            "{mark} {}",
            entry.created_by.as_deref().unwrap_or_default()
        ));
    }
    text
}

fn flag(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("{name}{value}")
}

fn of_input(input: Input) -> String {
    match input {
        Input::Scratch => "scratch".to_owned(),
        Input::Base(base) => format!("base {base}"),
        Input::Step(step) => format!("step {}", step.0),
    }
}

fn of_run(run: &RunDefinition) -> String {
    let pair = |(name, value): &(String, String)| format!("{name}={value}");
    let env: Vec<String> = run
        .env
        .iter()
        .map(pair)
        .filter(|pair| !pair.starts_with("PATH=/usr/local"))
        .collect();
    let mut text = format!("RUN {:?} env {env:?} in {}", run.argv, run.working_dir);
    text += &flag(" user ", &run.user);
    write!(text, " network {:?} {:?}", run.network, run.security).unwrap();
    if let Some(script) = &run.script {
        write!(text, " script {} {:?}", script.name, script.text).unwrap();
    }
    if run.limits != crate::plan::RunLimits::default() {
        write!(text, " {:?}", run.limits).unwrap();
    }
    for RunMount { target, kind } in &run.mounts {
        let target = target.as_deref().unwrap_or("nowhere");
        write!(text, "\n   at {target}: {kind:?}").unwrap();
    }
    text
}

fn of_copy(copy: &CopyDefinition) -> String {
    let from = match &copy.from {
        CopyFrom::Context => "context".to_owned(),
        CopyFrom::Named(name) => format!("context {name}"),
        CopyFrom::Input(input) => of_input(*input),
    };
    let sources = copy.sources.iter().map(|source| match source {
        CopyItem::Path(path) => path.clone(),
        CopyItem::Text { name, content } => format!("<<{name} {content:?}"),
        CopyItem::File(file) => format!("{file:?}"),
        CopyItem::Git(git) => format!("{git:?}"),
    });
    let sources: Vec<String> = sources.collect();
    let mut text = format!(
        "COPY from {from}: {} to {}",
        sources.join(", "),
        copy.destination
    );
    text += &flag(" chown ", copy.chown.as_deref().unwrap_or_default());
    if let Some(chmod) = &copy.chmod {
        write!(text, " chmod {chmod:?}").unwrap();
    }
    if !copy.exclude.is_empty() {
        write!(text, " without {:?}", copy.exclude).unwrap();
    }
    for (is_set, name) in [(copy.keeps_parents, " parents"), (copy.is_linked, " link")] {
        text += if is_set { name } else { "" };
    }
    write!(text, " archives {:?}", copy.archives).unwrap();
    text
}

//! `jettison base diff`

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use jettison_debian::{Architecture, Lock, LockedPackage, parse_lock};

use crate::cli::{BaseChoice, BaseDiffArgs, BaseExact, Global};
use crate::commands::base::build::lock;
use crate::commands::base::update::Moves;
use crate::commands::base::{BoxError, Chosen, Place, failure};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;

pub(super) fn run(
    global: &Global,
    args: &BaseDiffArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let place = Place::new(global, surroundings)?;
    let progress = Progress::new(global.progress, Reasons::Untold);
    let first = Side::new(&args.first, args, &place, &progress)?;
    let second = Side::new(&args.second, args, &place, &progress)?;
    let (before, after) = (first.packages()?, second.packages()?);
    let moves = Moves::between(before, after);
    let newer: BTreeMap<String, Vec<String>> = place
        .family(&first.choice, &progress)
        .fixes(&second.lock, moves.newer())
        .map_err(|error: BoxError| failure(&args.second, &error))?;
    drop(progress);
    let mut lines = moves.lines(&newer);
    lines.extend(first.settings(&second));
    for line in &lines {
        output.line(line);
    }
    if lines.is_empty() {
        output.note(Look::Note, "there is no difference");
    }
    Ok(ExitCode::SUCCESS)
}

/// One of the two bases.
struct Side {
    choice: BaseChoice,
    architecture: Architecture,
    lock: Lock,
    /// What the image's configuration says, if it is known.
    settings: BTreeMap<&'static str, String>,
}

impl Side {
    fn new(
        text: &str,
        args: &BaseDiffArgs,
        place: &Place,
        progress: &Progress,
    ) -> Result<Side, Failure> {
        let choice = BaseChoice {
            base: text.to_string(),
            debian: None,
            source: args.source.clone(),
            exact: BaseExact::default(),
        };
        if Path::new(text).extension().is_some_and(|end| end == "lock") {
            let read = fs::read_to_string(text)
                .map_err(|error| Failure::user(format!("cannot read {text}")).because(&error))?;
            let lock = parse_lock(text, &read).map_err(|error| Failure::user(error.to_string()))?;
            return Ok(Side {
                architecture: super::architecture(args.source.platform.as_deref())?,
                choice,
                lock,
                settings: BTreeMap::new(),
            });
        }
        let chosen = Chosen::new(&choice)?;
        let lock = lock(&place.family(&choice, progress), &chosen, &choice)?;
        Ok(Side {
            settings: settings(&chosen),
            architecture: chosen.architecture,
            choice,
            lock,
        })
    }

    fn packages(&self) -> Result<&[LockedPackage], Failure> {
        self.lock.packages(&self.architecture).ok_or_else(|| {
            let text = format!(
                "{} has no packages for {}",
                self.choice.base, self.architecture
            );
            Failure::user(text)
        })
    }

    /// A line for each setting that differs, where both are known.
    fn settings(&self, other: &Side) -> Vec<String> {
        if self.settings.is_empty() || other.settings.is_empty() {
            return Vec::new();
        }
        let keys: std::collections::BTreeSet<_> =
            self.settings.keys().chain(other.settings.keys()).collect();
        let line = |key: &&'static str| {
            let of = |side: &Side| side.settings.get(key).cloned().unwrap_or_default();
            let (before, after) = (of(self), of(other));
            (before != after).then(|| format!("{key}: {before} -> {after}"))
        };
        keys.into_iter().filter_map(line).collect()
    }
}

/// The configuration of a base, by the names of its keys.
fn settings(chosen: &Chosen) -> BTreeMap<&'static str, String> {
    let part = chosen.levels.whole();
    let words = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(" "));
    let env: Vec<String> = part
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let known = [
        ("entrypoint", words(&part.entrypoint)),
        ("cmd", words(&part.cmd)),
        ("user", part.user.clone()),
        ("workdir", part.workdir.clone()),
        ("env", Some(env.join(" "))),
    ];
    known
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_else(|| "none".to_string())))
        .collect()
}

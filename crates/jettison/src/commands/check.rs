//! `jettison check`

use std::collections::BTreeMap;
use std::env;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use jettison_dockerfile::{Fixed, Given, IgnoreFile, Rule, fix};

use crate::cli::{CheckArgs, CheckFormat, Global};
use crate::commands::diff;
use crate::commands::dockerfile::{
    CheckRequest, Ignore, Location, Read, WithoutTarget, all_args, broken_ignore, check_text, read,
};
use crate::commands::world;
use crate::failure::Failure;
use crate::known_images::KnownImages;
use crate::output::{Look, Output};
use crate::printable::{one_line, printable};
use crate::report::{Checked, Summary, github, json, rules_json, rules_table, sarif, text};
use crate::selection::selection;
use crate::settings::Settings;
use crate::source::Source;
use crate::surroundings::Surroundings;
use crate::text_file;

pub(crate) fn run(
    global: &Global,
    args: &CheckArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    if args.list_rules {
        return list_rules(args, output);
    }
    let locations = locations(args)?;
    let command = Command {
        global,
        args,
        surroundings,
        build_args: world::build_args(&args.build_args, surroundings),
    };
    let mut checked = Vec::new();
    let mut ran: Vec<&'static Rule> = Vec::new();
    let mut has_failed = false;
    for location in &locations {
        // One file that cannot be read does not hide what is in the others.
        match command.check(location, &mut ran, output) {
            Ok(files) => checked.extend(files),
            Err(failure) => {
                output.failure(&failure);
                has_failed = true;
            }
        }
    }
    if !checked.is_empty() || !has_failed {
        command.print(&checked, &ran, output);
    }
    let is_clean = Summary::of(&checked).is_clean();
    Ok(match (has_failed, is_clean) {
        (true, _) => ExitCode::from(2),
        (false, false) => ExitCode::from(1),
        (false, true) => ExitCode::SUCCESS,
    })
}

fn list_rules(args: &CheckArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let rules = selection(&args.select, &args.ignore)?;
    match args.format {
        CheckFormat::Text => output.text(&rules_table(&rules)),
        CheckFormat::Json => output.raw(&rules_json(&rules)),
        CheckFormat::Sarif | CheckFormat::Github => {
            return Err(Failure::user("rules are listed as text or json"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The Dockerfiles that the arguments name.
fn locations(args: &CheckArgs) -> Result<Vec<Location>, Failure> {
    let locations: Vec<Location> = match (&args.file, args.paths.as_slice()) {
        (None, paths) => paths.iter().map(|path| Location::of(path)).collect(),
        (Some(file), [context]) => vec![Location {
            dockerfile: file.clone(),
            context: Some(context.clone()),
        }],
        (Some(_), _) => {
            return Err(Failure::user(
                "--file goes with one PATH, its build context",
            ));
        }
    };
    let n_stdin = locations
        .iter()
        .filter(|location| location.is_stdin())
        .count();
    if n_stdin > 1 {
        return Err(Failure::user("standard input can only be read once"));
    }
    let is_text = args.format == CheckFormat::Text;
    if args.fix && !is_text && (n_stdin > 0 || args.diff) {
        return Err(Failure::user(
            "a fixed Dockerfile and a report cannot both go to standard output",
        )
        .hint("leave --format out"));
    }
    Ok(locations)
}

struct Command<'a> {
    global: &'a Global,
    args: &'a CheckArgs,
    surroundings: &'a Surroundings,
    build_args: BTreeMap<String, String>,
}

impl Command<'_> {
    /// Checks one Dockerfile and its ignore file; adds the rules that it ran to `ran`.
    fn check(
        &self,
        location: &Location,
        ran: &mut Vec<&'static Rule>,
        output: &mut Output,
    ) -> Result<Vec<Checked>, Failure> {
        let settings = self.settings(location)?;
        let rules = self.rules(&settings)?;
        for rule in &rules {
            if !ran.contains(rule) {
                ran.push(rule);
            }
        }
        let source = location.read()?;
        let mut files = Vec::new();
        let text = location.read_ignore()?;
        let parsed = text.as_ref().map(|text| IgnoreFile::parse(&text.text));
        let ignore = match &parsed {
            Some(Ok(file)) => Ignore::Present(file),
            None if location.context.is_some() => Ignore::Absent,
            Some(Err(_)) | None => Ignore::Unknown,
        };
        if let (Some(text), Some(Err(error))) = (text, &parsed) {
            files.push(broken_ignore(text, error));
        }
        let root = world::root(self.global, self.surroundings).ok();
        let images = KnownImages::new(root, &settings);
        let request = CheckRequest {
            rules: &rules,
            build_args: &self.build_args,
            target: self.args.target.as_deref(),
            without_target: WithoutTarget::LastStage,
            images: &|name| images.find(name),
            ignore,
        };
        let checked = if self.args.fix {
            self.fix(location, source, &request, output)?
        } else {
            check_text(source, &request)?.0
        };
        files.insert(0, checked);
        Ok(files)
    }

    fn settings(&self, location: &Location) -> Result<Settings, Failure> {
        let user = self.surroundings.user_settings();
        // Standard input has no directory of its own: the current one is as good as any.
        let directory = location.context.as_deref().unwrap_or(Path::new("."));
        Settings::read(directory, user.as_deref())
    }

    /// What the command line selects counts more than what the settings do; what either ignores is ignored.
    fn rules(&self, settings: &Settings) -> Result<Vec<&'static Rule>, Failure> {
        let CheckArgs { select, ignore, .. } = self.args;
        let select = if select.is_empty() {
            &settings.check.select
        } else {
            select
        };
        let mut ignored = ignore.clone();
        // A rule that is asked for by the command line runs, whatever the settings ignore.
        if self.args.select.is_empty() {
            ignored.extend(settings.check.ignore.iter().cloned());
        }
        selection(select, &ignored)
    }

    /// Mends a Dockerfile and checks what remains. With `--diff` nothing is written, and everything remains.
    fn fix(
        &self,
        location: &Location,
        source: Source,
        request: &CheckRequest<'_>,
        output: &mut Output,
    ) -> Result<Checked, Failure> {
        let read = read(&source, request.target)?;
        let fixed = fixed(&source, &read, request);
        note_withdrawn(&source, &fixed, output);
        if self.args.diff {
            let path = one_line(&source.path);
            diff::print(&path, (&source.text, &fixed.text), output);
            return Ok(check_text(source, request)?.0);
        }
        if source.is_stdin() {
            output.raw(&shown_on_terminal(&fixed.text));
        } else if fixed.text != source.text {
            text_file::write(&location.dockerfile, &fixed.text)?;
        }
        let after = Source::new(source.path, fixed.text);
        let (mut checked, _) = check_text(after, request)?;
        checked.fixed = fixed.applied;
        Ok(checked)
    }

    fn print(&self, checked: &[Checked], ran: &[&'static Rule], output: &mut Output) {
        let writes_text = checked.iter().any(|file| file.source.is_stdin());
        match self.args.format {
            // Standard output is taken by the Dockerfile.
            CheckFormat::Text if self.args.fix && (writes_text || self.args.diff) => {
                output.notice(&text(checked));
            }
            CheckFormat::Text => output.text(&text(checked)),
            CheckFormat::Json => output.raw(&json(checked)),
            CheckFormat::Sarif => {
                let directory = env::current_dir().unwrap_or_default();
                output.raw(&sarif(checked, ran, &directory));
            }
            CheckFormat::Github => output.raw(&github(checked)),
        }
    }
}

fn fixed(source: &Source, read: &Read, request: &CheckRequest<'_>) -> Fixed {
    let args = all_args(read, request.build_args);
    let given = Given {
        args: &args,
        images: request.images,
    };
    fix(&source.text, request.rules, &given, request.ignore.file())
}

/// A fix that says it is safe and is not is never applied, and is our bug.
fn note_withdrawn(source: &Source, fixed: &Fixed, output: &mut Output) {
    for withdrawn in &fixed.withdrawn {
        let text = format!(
            "bug: the fix of {} for {}:{} was not applied, because {}",
            withdrawn.rule,
            one_line(&source.path),
            withdrawn.line,
            one_line(&withdrawn.difference),
        );
        output.note(Look::Bad, &text);
        let hint = format!(
            "hint: please report this with the Dockerfile; `--ignore {}` does without the rule",
            withdrawn.rule
        );
        output.note(Look::Plain, &hint);
    }
}

/// A text to the byte, unless a terminal would obey it.
fn shown_on_terminal(text: &str) -> std::borrow::Cow<'_, str> {
    if std::io::stdout().is_terminal() {
        printable(text)
    } else {
        text.into()
    }
}

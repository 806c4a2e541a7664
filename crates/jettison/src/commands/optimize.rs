//! `jettison optimize`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use jettison_build::{BuildRequest, Engine, Event, Keep, LowerRequest, Reporter, RunHost};
use jettison_oci::{Reference, Store, Transfer, TransferObserver};
use jettison_slim::{
    Candidate, ImageFacts, Observer, OptimizeError, OptimizeRequest, Optimized, ProbeObserver,
    ProbeOutcome, Rung, UserChoice, Verdict, explanation, facts_json, lower_bound, optimize, rows,
    size_text, table, to_json,
};

use crate::bases::{Outside, SettingsBases};
use crate::cli::{ChoiceArgs, Global, OptimizeArgs, ResultArgs};
use crate::commands::build::outside;
use crate::commands::build_failure::build_failure;
use crate::commands::diff::{self, Lines};
use crate::commands::{build, probes, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::{one_line, printable};
use crate::progress::{Notes, Progress, Reasons};
use crate::registry::{LayerSupplier, PARALLEL, Registries};
use crate::source::Source;
use crate::surroundings::Surroundings;
use crate::text_file::{check_destination, replace, write};

pub(crate) fn run(
    global: &Global,
    args: &OptimizeArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let (inputs, dockerfile) = world::inputs(&args.input, surroundings)?;
    let (original, optimized) = names(args)?;
    let given = probes::given(&args.probes, &inputs.settings.probes)?;
    let target = Target::of(&args.result, &dockerfile)?;
    if let Some(report) = &args.result.report.report {
        check_destination(report, &dockerfile)?;
    }
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    world::note_single_id(&entered, output);
    let store = world::store(&root)?;
    let ca = args.ca.as_deref().or(inputs.settings.build.ca.as_deref());
    let reach = surroundings.reach(ca);
    let host = RunHost {
        certificates: outside::certificates(ca, &reach)?,
        ..world::run_host(&root, &entered, &inputs.lower.build_args)?
    };
    let registries = Registries::new(&inputs.settings.registries, surroundings, PARALLEL);
    let client = registries.client();
    let supplier = LayerSupplier::new(&store, &client);
    let engine = Engine::open(&store, &entered, &host)
        .map_err(|error| build_failure(&error, &inputs.source))?
        .with_supplier(&supplier);
    let watcher = Watcher {
        progress: Progress::new(global.progress, Reasons::Untold),
        output: Mutex::new(target.output()),
        candidates: Mutex::default(),
        file: dockerfile.clone(),
        result: target.shown(&dockerfile),
    };
    supplier.tell(watcher.progress.transfers());
    let bases = SettingsBases::new(
        &engine,
        &watcher,
        &inputs.settings,
        &args.input,
        Outside {
            now: surroundings.now,
            reach,
        },
    )
    .with_registries(&registries);
    let lower = LowerRequest {
        target: args.choice.target.clone(),
        ..inputs.lower.clone()
    };
    let request = OptimizeRequest {
        build: BuildRequest {
            cache: inputs.cache,
            created: inputs.created.clone(),
            keep: Keep::Files,
            ..BuildRequest::new(&inputs.source.text, &inputs.context, lower)
        },
        probes: &given,
        further: probes::further(&args.probes),
        max_rung: args.choice.max_rung,
        base: args.choice.base.as_deref(),
        user: user(&args.choice),
        original_name: &original.familiar(),
        optimized_name: &optimized.familiar(),
    };
    let result = optimize(&engine, &bases, &request, &watcher).map_err(|error| {
        watcher.progress.fail();
        failure(&error, &inputs.source, &watcher.result)
    })?;
    let outcome = Outcome {
        args,
        probe_files: &inputs.settings.probe_files,
        dockerfile: &dockerfile,
        before: &inputs.source.text,
        target,
        result: &result,
    };
    outcome.keep(&store, (&original, &optimized), &watcher)
}

fn user(args: &ChoiceArgs) -> UserChoice {
    if args.nonroot {
        UserChoice::Nonroot
    } else {
        UserChoice::AsBefore
    }
}

/// Where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// To the standard output, as a diff.
    Diff,
    /// Into a file of its own.
    File(PathBuf),
    /// Into the Dockerfile itself.
    InPlace,
}

impl Target {
    fn of(args: &ResultArgs, dockerfile: &Path) -> Result<Target, Failure> {
        if args.diff {
            return Ok(Target::Diff);
        }
        if args.in_place {
            return Ok(Target::InPlace);
        }
        let path = args.write.clone().unwrap_or_else(|| beside(dockerfile));
        check_destination(&path, dockerfile)?;
        Ok(Target::File(path))
    }

    /// Where people read what is done.
    fn output(&self) -> Output {
        match self {
            Target::Diff => Output::aside(),
            Target::File(_) | Target::InPlace => Output::new(),
        }
    }

    /// The name of the result in messages.
    fn shown(&self, dockerfile: &Path) -> PathBuf {
        match self {
            Target::Diff | Target::InPlace => dockerfile.to_path_buf(),
            Target::File(path) => path.clone(),
        }
    }
}

/// What came of it, and what was wanted.
struct Outcome<'a> {
    args: &'a OptimizeArgs,
    /// The files that have the probes.
    probe_files: &'a BTreeMap<String, PathBuf>,
    dockerfile: &'a Path,
    /// The original's text.
    before: &'a str,
    target: Target,
    result: &'a Optimized,
}

impl Outcome<'_> {
    /// Names the images, and writes what is to be written.
    fn keep(
        &self,
        store: &Store,
        (original, optimized): (&Reference, &Reference),
        watcher: &Watcher,
    ) -> Result<ExitCode, Failure> {
        let result = self.result;
        build::tag(store, std::slice::from_ref(original), &result.original)?;
        self.report()?;
        let Some(image) = &result.optimized else {
            return Err(self.refused());
        };
        build::tag(store, std::slice::from_ref(optimized), image)?;
        if let Some(facts) = &result.report.facts {
            store
                .set_facts(&image.id(), &facts_json(facts))
                .map_err(|error| {
                    Failure::user("cannot note why the image's files are there").because(&error)
                })?;
        }
        let chosen = result.report.dockerfile.as_deref().unwrap_or_default();
        watcher.again(self.before, chosen);
        self.conclude(optimized)?;
        Ok(ExitCode::SUCCESS)
    }

    fn report(&self) -> Result<(), Failure> {
        match &self.args.result.report.report {
            Some(path) => write(path, &to_json(&self.result.report)),
            None => Ok(()),
        }
    }

    /// Why there is no result, and what the user can do about it.
    fn refused(&self) -> Failure {
        let result = self.result;
        if let Some(ailment) = &result.ailment {
            let probes = (&self.args.probes, self.probe_files);
            return probes::ailing(ailment, probes, Some(self.dockerfile))
                .hint("nothing was written");
        }
        let reason = result.reason.clone().unwrap_or_default();
        let failure = Failure::no(format!(
            "{}: nothing smaller behaves the same: {reason}",
            self.dockerfile.display()
        ));
        let failure = steps(result, self.args)
            .into_iter()
            .fold(failure, Failure::hint);
        failure.hint("nothing was written")
    }

    /// Shows what was won, and writes the result.
    fn conclude(&self, optimized: &Reference) -> Result<(), Failure> {
        let report = &self.result.report;
        let output = &mut self.target.output();
        output.line("");
        let rows = rows(report);
        for (line, row) in table(&rows)
            .iter()
            .zip([None].into_iter().chain(rows.iter().map(|row| row.better)))
        {
            let look = match row {
                Some(true) => Look::Good,
                Some(false) => Look::Bad,
                None => Look::Plain,
            };
            output.styled(look, line);
        }
        output.line("");
        let left_out = &self.result.left_out;
        probes::conclude((report.verdict, &report.outcomes), left_out, output);
        for line in report.facts.iter().flat_map(lower_bound) {
            output.styled(Look::Note, &printable(&format!("  {line}")));
        }
        for gap in &report.gaps {
            let text = format!("  the original could not be watched whole: {gap}");
            output.styled(Look::Note, &printable(&text));
        }
        for note in &report.notes {
            output.styled(Look::Note, &printable(&format!("  {note}")));
        }
        if self.args.result.explain {
            output.line("");
            let explanation = |facts| explanation(facts, &report.outcomes);
            for line in report.facts.iter().flat_map(explanation) {
                output.line(&printable(&line));
            }
        }
        self.write(output)?;
        let name = optimized.familiar();
        output.line(&format!("try it: jettison run {name}"));
        output.line(&format!(
            "ask why something is in it, or is not: jettison why {name} /PATH"
        ));
        Ok(())
    }

    fn write(&self, output: &mut Output) -> Result<(), Failure> {
        let after = self.result.report.dockerfile.as_deref().unwrap_or_default();
        let dockerfile = self.dockerfile;
        match &self.target {
            Target::Diff => {
                let path = one_line(&dockerfile.display().to_string());
                diff::print(&path, (self.before, after), output);
            }
            Target::File(path) => {
                write(path, after)?;
                output.line(&format!("wrote {}", path.display()));
            }
            Target::InPlace => {
                if self.result.report.verdict == Verdict::Weak {
                    return Err(Failure::no(format!(
                        "{}: it is not written over, because the probes say too little for a proof",
                        dockerfile.display()
                    ))
                    .hint("give a probe in jettison.toml or with --probe, or write the result elsewhere with --write FILE"));
                }
                replace(dockerfile, self.before, after)?;
                output.line(&format!("wrote {} anew", dockerfile.display()));
            }
        }
        Ok(())
    }
}

/// What the user can do, where nothing was proven.
fn steps(result: &Optimized, args: &OptimizeArgs) -> Vec<String> {
    let mut steps = Vec::new();
    let outcomes = &result.report.outcomes;
    let reason = result.reason.as_deref().unwrap_or_default();
    if outcomes.iter().any(|outcome| !outcome.passed()) {
        steps.push(
            "what differs is shown above; if it means nothing, name it with `ignore` in the probe"
                .to_owned(),
        );
    }
    if reason.contains("--max-rung") && args.choice.max_rung != Rung::Slim {
        steps.push("a higher --max-rung lets it have that".to_owned());
    }
    if args.choice.base.is_some() {
        steps.push("without --base it starts from nothing, and takes what it needs".to_owned());
    }
    if args.choice.nonroot {
        steps.push("without --nonroot it runs as root, as before".to_owned());
    }
    if reason.contains("stages") {
        steps.push(
            "for a Dockerfile of several stages, compare your own changes with `jettison verify`"
                .to_owned(),
        );
    }
    steps
}

/// The names of the original image and of the optimized one.
fn names(args: &OptimizeArgs) -> Result<(Reference, Reference), Failure> {
    let text = args
        .tag
        .clone()
        .unwrap_or_else(|| world::default_name(&args.input.context));
    let original = world::reference(&text)?;
    let familiar = original.familiar();
    let repository = familiar
        .rsplit_once(':')
        .map_or(familiar.as_str(), |(repository, _)| repository);
    let optimized = world::reference(&format!("{repository}:optimized"))?;
    if original == optimized {
        return Err(Failure::user(format!(
            "{familiar} is the name of the result; give the original another tag"
        )));
    }
    Ok((original, optimized))
}

fn beside(dockerfile: &Path) -> PathBuf {
    let mut name = dockerfile.file_name().unwrap_or_default().to_os_string();
    name.push(".optimized");
    dockerfile.with_file_name(name)
}

fn failure(error: &OptimizeError, dockerfile: &Source, written: &Path) -> Failure {
    match error {
        OptimizeError::Original(build) | OptimizeError::Look(build) => {
            build_failure(build, dockerfile)
        }
        OptimizeError::Candidate(build) => {
            // It was never written, and only its name is known here.
            let candidate = Source::new(written.display().to_string(), String::new());
            build_failure(build, &candidate)
        }
        OptimizeError::Base(source) => {
            let base = Source::new("--base".to_string(), String::new());
            build_failure(source, &base)
        }
        OptimizeError::Probe(error) => probes::cannot_ask(error),
        OptimizeError::Root(_) | OptimizeError::Audit(_) | OptimizeError::Emit(_) => {
            Failure::user(error.to_string()).because(error)
        }
    }
}

/// Shows what the optimizer does.
struct Watcher {
    progress: Progress,
    output: Mutex<Output>,
    /// The texts of the candidates so far.
    candidates: Mutex<Vec<String>>,
    file: PathBuf,
    /// What the result is called.
    result: PathBuf,
}

impl Watcher {
    /// Shows the whole change to `chosen`, which need not be the last candidate, if what was shown before were changes of changes.
    fn again(&self, original: &str, chosen: &str) {
        let candidates = self
            .candidates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_shown = candidates.len() == 1 && candidates.first().is_some_and(|one| one == chosen);
        drop(candidates);
        if !is_shown {
            self.whole(original, chosen);
        }
    }

    fn whole(&self, original: &str, candidate: &str) {
        self.with_output(|output| {
            output.styled(Look::Heading, &format!("--- {}", self.file.display()));
            output.styled(Look::Heading, &format!("+++ {}", self.result.display()));
            diff::show((original, candidate), Lines::All, output);
        });
    }

    fn with_output(&self, print: impl FnOnce(&mut Output)) {
        self.progress.settle();
        print(&mut self.output.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Reporter for Watcher {
    fn event(&self, event: Event<'_>) {
        self.progress.event(event);
    }
}

impl TransferObserver for Watcher {
    fn transfer(&self, transfer: Transfer<'_>) {
        self.progress.transfer(transfer);
    }
}

impl Notes for Watcher {
    fn note(&self, text: &str) {
        self.progress.note(text);
    }
}

impl Observer for Watcher {
    fn phase(&self, title: &str) {
        self.with_output(|output| output.note(Look::Heading, &format!("==> {title}")));
    }

    fn original(&self, facts: &ImageFacts) {
        let audit = &facts.audit;
        let text = format!(
            "    {}: {} in {} files, {} packages, as {}",
            facts.reference,
            size_text(facts.unpacked_size),
            audit.files,
            audit.packages.len(),
            printable(&audit.user)
        );
        self.with_output(|output| output.note(Look::Plain, &text));
    }

    fn candidate(&self, original: &str, candidate: &Candidate) {
        let mut candidates = self
            .candidates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = candidates.len() + 1;
        let text = format!("    candidate {number}, rung {}", candidate.rung);
        self.with_output(|output| output.note(Look::Plain, &text));
        match candidates.last() {
            None => self.whole(original, &candidate.dockerfile),
            Some(before) => self.with_output(|output| {
                output.line("changes against the candidate before:");
                diff::show((before, &candidate.dockerfile), Lines::Changed, output);
            }),
        }
        candidates.push(candidate.dockerfile.clone());
    }
}

impl ProbeObserver for Watcher {
    fn probe(&self, outcome: &ProbeOutcome) {
        self.with_output(|output| probes::show(outcome, output));
    }
}

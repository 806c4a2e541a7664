//! `jettison optimize`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use jettison_build::{BuildRequest, Engine, Event, Keep, LowerRequest, Reporter};
use jettison_oci::Reference;
use jettison_oci::{Transfer, TransferObserver};
use jettison_slim::{
    Candidate, Observer, OptimizeError, OptimizeRequest, Optimized, ProbeObserver, ProbeOutcome,
    optimize, rows, table, to_json,
};
use similar::{ChangeTag, TextDiff};

use crate::bases::{Outside, SettingsBases};
use crate::cli::{Global, OptimizeArgs};
use crate::commands::build_failure::build_failure;
use crate::commands::{build, probes, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::progress::{Notes, Progress, Reasons};
use crate::registry::{LayerSupplier, PARALLEL, Registries};
use crate::source::Source;
use crate::surroundings::Surroundings;
use crate::text_file::{check_destination, write};

pub(crate) fn run(
    global: &Global,
    args: &OptimizeArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let (inputs, dockerfile) = world::inputs(&args.input, surroundings)?;
    let (original, optimized) = names(args)?;
    let given = probes::given(&args.probes, &inputs.settings.probes)?;
    let written = args.write.clone().unwrap_or_else(|| beside(&dockerfile));
    for path in args.report.iter().chain([&written]) {
        check_destination(path, &dockerfile)?;
    }
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    world::note_single_id(&entered, output);
    let store = world::store(&root)?;
    let host = world::run_host(&root, &entered, &inputs.lower.build_args)?;
    let registries = Registries::new(&inputs.settings.registries, surroundings, PARALLEL);
    let client = registries.client();
    let supplier = LayerSupplier::new(&store, &client);
    let engine = Engine::open(&store, &entered, &host)
        .map_err(|error| build_failure(&error, &inputs.source))?
        .with_supplier(&supplier);
    let watcher = Watcher {
        progress: Progress::new(global.progress, Reasons::Untold),
        output: Mutex::new(Output::new()),
        file: dockerfile.clone(),
        written: written.clone(),
    };
    supplier.tell(watcher.progress.transfers());
    let bases = SettingsBases::new(
        &engine,
        &watcher,
        &inputs.settings,
        &args.input,
        Outside {
            now: surroundings.now,
            reach: surroundings.reach(inputs.settings.build.ca.as_deref()),
        },
    )
    .with_registries(&registries);
    let lower = LowerRequest {
        target: args.target.clone(),
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
        original_name: &original.familiar(),
        optimized_name: &optimized.familiar(),
    };
    let result = optimize(&engine, &bases, &request, &watcher).map_err(|error| {
        watcher.progress.fail();
        failure(&error, &inputs.source, &written)
    })?;
    build::tag(&store, std::slice::from_ref(&original), &result.original)?;
    if let Some(path) = &args.report {
        write(path, &to_json(&result.report))?;
    }
    let Some(image) = &result.optimized else {
        if let Some(ailment) = &result.ailment {
            return Err(probes::ailing(ailment)
                .in_file(&dockerfile)
                .hint("nothing was written"));
        }
        let reason = result.reason.clone().unwrap_or_default();
        return Err(Failure::no(format!(
            "{}: nothing smaller behaves the same: {reason}",
            dockerfile.display()
        ))
        .hint("nothing was written"));
    };
    build::tag(&store, std::slice::from_ref(&optimized), image)?;
    write(
        &written,
        result.report.dockerfile.as_deref().unwrap_or_default(),
    )?;
    conclude(&result, &written, &optimized, output);
    Ok(ExitCode::SUCCESS)
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
        OptimizeError::Probe(error) => probes::cannot_ask(error),
        OptimizeError::Root(_) | OptimizeError::Audit(_) | OptimizeError::Emit(_) => {
            Failure::user(error.to_string()).because(error)
        }
    }
}

fn conclude(result: &Optimized, written: &Path, optimized: &Reference, output: &mut Output) {
    let report = &result.report;
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
    probes::conclude((report.verdict, &report.outcomes), &result.left_out, output);
    for note in &report.notes {
        output.styled(Look::Note, &format!("  {note}"));
    }
    output.line(&format!("wrote {}", written.display()));
    output.line(&format!("try it: jettison run {}", optimized.familiar()));
}

/// Shows what the optimizer does.
struct Watcher {
    progress: Progress,
    output: Mutex<Output>,
    file: PathBuf,
    written: PathBuf,
}

impl Watcher {
    fn with_output(&self, print: impl FnOnce(&mut Output)) {
        self.progress.settle();
        print(
            &mut self
                .output
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
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

    fn candidate(&self, original: &str, candidate: &Candidate) {
        self.with_output(|output| {
            output.styled(Look::Heading, &format!("--- {}", self.file.display()));
            output.styled(Look::Heading, &format!("+++ {}", self.written.display()));
            for change in TextDiff::from_lines(original, &candidate.dockerfile).iter_all_changes() {
                let text = printable(change.value().trim_end_matches('\n'));
                match change.tag() {
                    ChangeTag::Delete => output.styled(Look::Bad, &format!("-{text}")),
                    ChangeTag::Insert => output.styled(Look::Good, &format!("+{text}")),
                    ChangeTag::Equal => output.line(&format!(" {text}")),
                }
            }
        });
    }
}

impl ProbeObserver for Watcher {
    fn probe(&self, outcome: &ProbeOutcome) {
        self.with_output(|output| probes::show(outcome, output));
    }
}

//! `jettison verify`

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;

use jettison_build::Engine;
use jettison_oci::{Image, ImageId, Store};
use jettison_slim::{
    Ailment, Oracle, ProbeObserver, ProbeOutcome, Verdict, Verification, VerifiedImage,
    overall_ailment, suggestion, verdict, verification_json,
};

use crate::cli::{Global, LimitArgs, ProgressKind, VerifyArgs, VerifyFormat};
use crate::commands::{copy, probes, run, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::text_file;

pub(crate) fn run(
    global: &Global,
    args: &VerifyArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let user = surroundings.user_settings();
    let settings = match &args.config {
        Some(file) => Settings::of_file(file, user.as_deref())?,
        None => Settings::read(Path::new(""), user.as_deref())?,
    };
    let given = probes::given(&args.probes, &settings.probes)?;
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    let store = world::store(&root)?;
    let failed = |error| Failure::user("cannot use the store").because(&error);
    let lock = store.lock_shared().map_err(failed)?;
    let known = store.image_ids().map_err(failed)?;
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let mut read = Vec::new();
    let mut image = |name: &str| {
        let source = copy::ImageSource {
            name,
            platform: args.platform.platform.as_deref(),
            kind,
        };
        let (image, ids) = source
            .read(&store, surroundings)
            .map_err(Failure::of_user)?;
        read.extend(ids);
        Ok(image)
    };
    let images = (image(&args.original)?, image(&args.candidate)?);
    let host = run::limited_host(&root, &entered, &LimitArgs::default())?;
    let cannot_use = |error| run::cannot_build(&args.original, &error);
    let engine = Engine::open(&store, &entered, &host).map_err(cannot_use)?;
    let subject = Subject {
        args,
        settings: &settings,
        images: (&images.0, &images.1),
        teller: Teller {
            shows: !args.quiet && args.format == VerifyFormat::Text,
            output: RefCell::new(Output::new()),
        },
    };
    let oracle = Oracle::new(
        &engine,
        subject.images.0,
        &given,
        probes::further(&args.probes),
    );
    let result = subject.compare(&oracle, output);
    drop(lock);
    forget(&store, &known, &read);
    result
}

/// Images that were read to be compared do not stay.
fn forget(store: &Store, known: &[ImageId], read: &[ImageId]) {
    let new: Vec<ImageId> = read
        .iter()
        .copied()
        .filter(|id| !known.contains(id))
        .collect();
    // If they stay, that does no harm.
    copy::forget(store, &new).unwrap_or_default();
}

/// What is compared.
struct Subject<'s> {
    args: &'s VerifyArgs,
    settings: &'s Settings,
    images: (&'s Image, &'s Image),
    teller: Teller,
}

impl Subject<'_> {
    fn compare(&self, oracle: &Oracle<'_>, output: &mut Output) -> Result<ExitCode, Failure> {
        let Subject {
            args,
            settings,
            images,
            teller: _,
        } = self;
        let outcomes = oracle
            .ask(images.1, &self.teller)
            .map_err(|error| probes::cannot_ask(&error))?;
        let ailment = overall_ailment(&outcomes);
        let verdict = match &ailment {
            Some(_) => Verdict::Failed,
            None => verdict(&outcomes),
        };
        let image = |name: &str, image: &Image| VerifiedImage {
            reference: name.to_owned(),
            image_id: image.id().0.to_string(),
            unpacked_size: image.unpacked_size(),
        };
        let report = Verification {
            verdict,
            original: image(&args.original, images.0),
            candidate: image(&args.candidate, images.1),
            suggestion: suggestion(&outcomes),
            outcomes,
            left_out: oracle.left_out().to_vec(),
            notes: ailment.iter().map(ToString::to_string).collect(),
        };
        let json = || verification_json(&report);
        if let Some(path) = &args.report.report {
            text_file::write(path, &json())?;
        }
        match args.format {
            VerifyFormat::Json if !args.quiet => output.raw(&json()),
            VerifyFormat::Text if self.teller.shows => say(&report, output),
            VerifyFormat::Json | VerifyFormat::Text => {}
        }
        match (ailment, verdict) {
            (Some(ailment), _) => {
                let files = &settings.probe_files;
                Err(probes::ailing(&ailment, (&args.probes, files), None))
            }
            (None, Verdict::Missed | Verdict::Failed) => Ok(ExitCode::FAILURE),
            (None, Verdict::Proven | Verdict::ProvenBut | Verdict::Weak) => Ok(ExitCode::SUCCESS),
        }
    }
}

fn say(report: &Verification, output: &mut Output) {
    if report.verdict != Verdict::Failed {
        probes::conclude((report.verdict, &report.outcomes), &report.left_out, output);
        return;
    }
    if report.notes.is_empty() {
        let is_flaky = |outcome: &&ProbeOutcome| outcome.ailment() == Some(Ailment::Flaky);
        let failed = report.outcomes.iter().filter(|outcome| !outcome.passed());
        let (flaky, different): (Vec<_>, Vec<_>) = failed.partition(is_flaky);
        let text = failed_text(report.outcomes.len(), different.len(), flaky.len());
        output.styled(Look::Bad, &text);
    }
}

/// How many of all answers are not the same, and how many cannot be compared.
fn failed_text(n_all: usize, n_different: usize, n_flaky: usize) -> String {
    let different = format!("different: {n_different} of {n_all} answers are not the same");
    let flaky =
        format!("{n_flaky} of {n_all} answers cannot be compared: two runs of the original differ");
    match (n_different, n_flaky) {
        (0, _) => format!("not proven: {flaky}"),
        (_, 0) => different,
        (_, _) => format!("{different}, and {flaky}"),
    }
}

/// Shows each probe as soon as it was run.
struct Teller {
    shows: bool,
    output: RefCell<Output>,
}

impl ProbeObserver for Teller {
    fn probe(&self, outcome: &ProbeOutcome) {
        if self.shows {
            probes::show(outcome, &mut self.output.borrow_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::failed_text;

    #[test]
    fn what_cannot_be_compared_is_not_called_different() {
        for ((all, different, flaky), expected) in [
            ((3, 2, 0), "different: 2 of 3 answers are not the same"),
            (
                (20, 0, 1),
                "not proven: 1 of 20 answers cannot be compared: two runs of the original differ",
            ),
            (
                (3, 1, 2),
                "different: 1 of 3 answers are not the same, and 2 of 3 answers cannot be compared: two runs of the original differ",
            ),
        ] {
            assert_eq!(failed_text(all, different, flaky), expected);
        }
    }
}

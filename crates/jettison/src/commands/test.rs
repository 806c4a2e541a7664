//! `jettison test`

mod container;
mod observed;
mod print;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jettison_build::{Engine, RunHost};
use jettison_oci::{Image, RootfsFiles, Store};
use jettison_sandbox::Entered;
use jettison_slim::{
    StructureTests, TestResult, TestSummary, evaluate_structure_tests, parse_structure_tests,
    test_results_json, test_results_junit,
};

use crate::cli::{Global, ImageArgs, LimitArgs, TestArgs, TestFormat};
use crate::commands::run;
use crate::commands::test::container::Container;
use crate::commands::test::observed::Observed;
use crate::commands::wanted::Wanted;
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::surroundings::Surroundings;
use crate::text_file;

/// The largest file of tests that is read.
const CONFIG_LIMIT: u64 = 16 << 20;

/// A file of tests, read.
struct TestFile {
    path: PathBuf,
    tests: StructureTests,
}

pub(crate) fn run(
    global: &Global,
    args: &TestArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let name = args.name.as_ref().or(args.known.image.as_ref());
    let Some(name) = name else {
        return Err(Failure::user("name the image to test"));
    };
    for note in explained(args)? {
        output.note(Look::Note, note);
    }
    let Some(files) = read_all(&args.configs, output)? else {
        return Ok(ExitCode::from(2));
    };
    let root = world::root(global, surroundings)?;
    let runs_commands = |file: &TestFile| !file.tests.command_tests.is_empty();
    // Files and configurations can be looked at where no program can be run.
    let entered = if files.iter().any(runs_commands) {
        Some(world::entered()?)
    } else {
        None
    };
    let store = world::store(&root)?;
    let image_args = ImageArgs {
        pull: args.pull,
        platform: args.platform.clone(),
        quiet: args.quiet,
    };
    let wanted = Wanted {
        name,
        args: &image_args,
        progress: global.progress,
    };
    let image = wanted.get(&store, surroundings, output)?;
    let subject = Subject {
        name,
        root: &root,
        store: &store,
        image: &image,
        args,
        surroundings,
    };
    let results = subject.test(&files, entered.as_ref(), output)?;
    report(args, &results, output)?;
    let has_passed = !results.is_empty() && results.iter().all(TestResult::has_passed);
    Ok(ExitCode::from(u8::from(!has_passed)))
}

/// The image that is tested, and with what.
#[derive(Clone, Copy)]
struct Subject<'a> {
    name: &'a str,
    root: &'a Path,
    store: &'a Store,
    image: &'a Image,
    args: &'a TestArgs,
    surroundings: &'a Surroundings,
}

impl Subject<'_> {
    fn test(
        &self,
        files: &[TestFile],
        entered: Option<&Entered>,
        output: &mut Output,
    ) -> Result<Vec<TestResult>, Failure> {
        let Some(entered) = entered else {
            return self.judge(files, None, output);
        };
        let host = run::limited_host(self.root, entered, &LimitArgs::default())?;
        let failed = |error| run::cannot_build(self.name, &error);
        let engine = Engine::open(self.store, entered, &host).map_err(failed)?;
        let lowers = engine.lowers(self.image).map_err(failed)?;
        let world = Runner {
            engine: &engine,
            host: &host,
            lowers: &lowers,
        };
        self.judge(files, Some(&world), output)
    }

    fn judge(
        &self,
        files: &[TestFile],
        runner: Option<&Runner<'_>>,
        output: &mut Output,
    ) -> Result<Vec<TestResult>, Failure> {
        let looks_at_files = files.iter().any(|file| {
            let tests = &file.tests;
            !tests.file_existence_tests.is_empty()
                || !tests.file_content_tests.is_empty()
                || !tests.license_tests.is_empty()
        });
        let layers: &[_] = if looks_at_files {
            self.image.layers()
        } else {
            &[]
        };
        let failed = |error| {
            Failure::user(format!("cannot read the files of {}", self.name)).because(&error)
        };
        let rootfs = RootfsFiles::read(self.store, layers).map_err(failed)?;
        let all = files.iter().map(|file| &file.tests);
        let contents = observed::contents(&rootfs, all, self.image.config()).map_err(failed)?;
        let shows = !self.args.quiet && self.format() == TestFormat::Text;
        let mut results = Vec::new();
        for file in files {
            if shows {
                print::banner(&file.path, output);
            }
            let container = match runner {
                Some(runner) => Some(Container::new(self, runner, &file.tests, output)?),
                None => None,
            };
            let image = Observed {
                config: self.image.config(),
                rootfs: &rootfs,
                contents: &contents,
                container: container.as_ref(),
            };
            evaluate_structure_tests(&file.tests, &image, &mut |result| {
                if shows {
                    print::result(&result, output);
                }
                results.push(result);
            });
        }
        Ok(results)
    }

    fn format(&self) -> TestFormat {
        format(self.args)
    }
}

/// What runs commands.
#[derive(Clone, Copy)]
struct Runner<'a> {
    engine: &'a Engine<'a>,
    host: &'a RunHost,
    lowers: &'a [PathBuf],
}

fn format(args: &TestArgs) -> TestFormat {
    if args.known.json {
        TestFormat::Json
    } else {
        args.output
    }
}

/// What is to be said about options that mean nothing here; those that cannot be followed are refused.
fn explained(args: &TestArgs) -> Result<Vec<&'static str>, Failure> {
    let known = &args.known;
    if known.metadata.is_some() {
        return Err(Failure::user("--metadata cannot be followed")
            .hint("leave it out: the image's own configuration is read"));
    }
    if known.runtime.is_some() {
        return Err(Failure::user("--runtime cannot be followed")
            .hint("leave it out: jettison runs commands itself, as `jettison run` does"));
    }
    if let Some(layout) = &known.image_from_oci_layout {
        return Err(
            Failure::user("--image-from-oci-layout cannot be followed").hint(format!(
                "`jettison load -i {}` reads it into the store; test it by its name or ID",
                layout.display()
            )),
        );
    }
    let mut notes = Vec::new();
    match known.driver.as_deref() {
        None | Some("docker") => {}
        Some("tar") => notes.push(
            "--driver tar: files are read from the layers in any case, and commands run, too",
        ),
        Some("host") => {
            return Err(
                Failure::user("--driver host cannot be followed: tests are for images")
                    .hint("leave it out, and name an image"),
            );
        }
        Some(other) => {
            return Err(
                Failure::user(format!("there is no driver called `{other}`"))
                    .hint("leave --driver out: there is one way to test images here"),
            );
        }
    }
    if known.no_color {
        notes.push("--no-color: the variable NO_COLOR turns colours off, in every command");
    }
    if known.save {
        notes.push(
            "--save: what commands write is thrown away, so that there is no container to keep",
        );
    }
    Ok(notes)
}

/// Reads all files of tests; tells what is wrong with each, and gives nothing if one is.
fn read_all(configs: &[PathBuf], output: &mut Output) -> Result<Option<Vec<TestFile>>, Failure> {
    let mut paths = Vec::new();
    for config in configs {
        if config.is_dir() {
            paths.extend(tests_in(config)?);
        } else {
            paths.push(config.clone());
        }
    }
    let mut files = Vec::new();
    let n_paths = paths.len();
    for path in paths {
        match read(&path) {
            Ok(tests) => files.push(TestFile { path, tests }),
            Err(failure) => output.failure(&failure),
        }
    }
    Ok((files.len() == n_paths).then_some(files))
}

/// The files of tests in a directory, by name.
fn tests_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::user(format!("cannot read {}", directory.display())).because(&error)
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(
            Failure::user(format!("there are no tests in {}", directory.display()))
                .hint("tests are in files whose names end in .yaml, .yml or .json"),
        );
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<StructureTests, Failure> {
    let text = text_file::read(path, CONFIG_LIMIT)?;
    parse_structure_tests(&text).map_err(|error| match error.place {
        Some((line, column)) => {
            Failure::user(format!("{}:{line}:{column}: {error}", path.display()))
        }
        None => Failure::user(error.to_string()).in_file(path),
    })
}

/// Prints and writes what the tests came to.
fn report(args: &TestArgs, results: &[TestResult], output: &mut Output) -> Result<(), Failure> {
    let text = |format: TestFormat| match format {
        // A report is for programs.
        TestFormat::Text | TestFormat::Json => test_results_json(results),
        TestFormat::Junit => test_results_junit(results, &args.junit_suite_name),
    };
    let format = format(args);
    if let Some(path) = &args.test_report {
        text_file::write(path, &text(format))?;
    }
    match format {
        _ if args.quiet => {}
        TestFormat::Text => print::summary(&TestSummary::of(results), output),
        TestFormat::Json | TestFormat::Junit => output.raw(&text(format)),
    }
    Ok(())
}

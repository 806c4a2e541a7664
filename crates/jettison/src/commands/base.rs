//! `jettison base`

mod build;
mod diff;
mod java;
mod list;
mod show;
mod update;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use jettison_debian::Architecture;
use jettison_oci::{Image, Reference, Store};
use jettison_sandbox::Entered;
use jettison_slim::{
    DistrolessBase, DistrolessVariant, Levels, Recipes, Slice, debian_architecture,
};

use crate::cli::{BaseArgs, BaseChoice, BaseCommand, BaseNaming, Global, ProgressKind};
use crate::commands::world;
use crate::failure::Failure;
use crate::family::{Family, FamilyRequest};
use crate::output::Output;
use crate::progress::Notes;
use crate::settings::Settings;
use crate::surroundings::Surroundings;

type BoxError = Box<dyn Error + Send + Sync>;

pub(crate) fn run(
    global: &Global,
    args: &BaseArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    match &args.command {
        BaseCommand::Build(args) => build::run(global, args, surroundings, output),
        BaseCommand::Java(args) => java::run(global, args, surroundings, output),
        BaseCommand::List(args) => list::run(args, output),
        BaseCommand::Show(args) => show::run(global, args, surroundings, output),
        BaseCommand::Diff(args) => diff::run(global, args, surroundings, output),
        BaseCommand::Update(args) => update::run(global, args, surroundings, output),
    }
}

/// A base that the command line chose.
struct Chosen {
    /// What it is called.
    title: String,
    levels: Levels,
    architecture: Architecture,
    keep: Vec<String>,
}

impl Chosen {
    fn new(choice: &BaseChoice) -> Result<Chosen, Failure> {
        let (recipes, base) = recipes_and_base(choice)?;
        let levels = recipes
            .levels(&base)
            .map_err(|error| Failure::user(error.to_string()))?;
        let architecture = architecture(choice.source.platform.as_deref())?;
        let mut keep = choice.exact.keep.clone();
        if keep.iter().any(|name| name == "all") {
            keep = Slice::all().into_iter().map(|slice| slice.name).collect();
        }
        let shown = DistrolessBase {
            release: Some(levels.release),
            ..base
        };
        Ok(Chosen {
            title: shown.to_string(),
            levels,
            architecture,
            keep,
        })
    }

    fn request(&self) -> FamilyRequest<'_> {
        FamilyRequest {
            title: self.title.clone(),
            levels: &self.levels,
            architecture: self.architecture.clone(),
            keep: &self.keep,
        }
    }
}

/// Debian's name of the platform that the command line names, or of this host's.
fn architecture(platform: Option<&str>) -> Result<Architecture, Failure> {
    let platform = world::oci_platform(platform)?;
    let variant = platform.variant.as_deref();
    debian_architecture(&platform.architecture, variant).ok_or_else(|| {
        let id = platform.id();
        Failure::user(format!("Debian has no packages for {id}"))
            .hint("take linux/amd64 or linux/arm64")
    })
}

/// The recipes with the user's own, and which base of them is meant.
fn recipes_and_base(choice: &BaseChoice) -> Result<(Recipes, DistrolessBase), Failure> {
    let recipes = Recipes::family();
    let text = choice.base.as_str();
    let is_file = Path::new(text)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if !is_file {
        let mut base: DistrolessBase =
            text.parse()
                .map_err(|error: jettison_slim::DistrolessNameError| {
                    Failure::user(error.to_string())
                })?;
        if let (Some(said), Some(asked)) = (base.release, choice.debian)
            && said != asked
        {
            let text = format!("`{text}` is for Debian {said}, and --debian says {asked}");
            return Err(Failure::user(text));
        }
        base.release = base.release.or(choice.debian);
        return Ok((recipes, base));
    }
    let path = Path::new(text);
    let recipe = fs::read_to_string(path)
        .map_err(|error| Failure::user(format!("cannot read {text}")).because(&error))?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let recipes = recipes
        .with(&name, text, &recipe)
        .map_err(|error| Failure::user(error.to_string()))?;
    let base = DistrolessBase {
        recipe: name,
        release: choice.debian,
        packages: Vec::new(),
        variant: DistrolessVariant::default(),
    };
    Ok((recipes, base))
}

/// What the subcommands that assemble need.
struct Place {
    /// Where programs can be run, if the host lets us.
    entered: Option<Entered>,
    store: Store,
    settings: Settings,
    now: u64,
}

impl Place {
    fn new(global: &Global, surroundings: &Surroundings) -> Result<Place, Failure> {
        // Before any thread starts, and before anything below the root is opened.
        let entered = world::entered().ok();
        Ok(Place {
            entered,
            store: world::store(&world::root(global, surroundings)?)?,
            settings: Settings::read(Path::new("."), surroundings.user_settings().as_deref())?,
            now: surroundings.now,
        })
    }

    fn family<'a>(&'a self, choice: &'a BaseChoice, reporter: &'a dyn Notes) -> Family<'a> {
        Family {
            store: &self.store,
            settings: &self.settings,
            archive: choice.source.archive.as_deref(),
            now: self.now,
            reporter,
            entered: self.entered.as_ref(),
        }
    }

    /// Gives an image names.
    fn name(&self, image: &Image, tags: &[Reference]) -> Result<(), Failure> {
        for tag in tags {
            self.store
                .tag(tag, &image.manifest_digest(), image)
                .map_err(|error| {
                    Failure::user(format!("cannot name the base {tag}")).because(&error)
                })?;
        }
        Ok(())
    }
}

impl BaseNaming {
    /// The names.
    fn references(&self) -> Result<Vec<Reference>, Failure> {
        self.tags.iter().map(|tag| world::reference(tag)).collect()
    }

    /// How progress is shown.
    fn progress(&self, global: &Global) -> ProgressKind {
        if self.quiet {
            ProgressKind::Quiet
        } else {
            global.progress
        }
    }
}

/// A failure to assemble a base.
fn failure(title: &str, error: &BoxError) -> Failure {
    Failure::user(format!("cannot assemble {title}")).because(error.as_ref())
}

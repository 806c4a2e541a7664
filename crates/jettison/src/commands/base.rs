//! `jettison base`

mod build;
mod diff;
mod java;
mod list;
mod moves;
mod show;
mod update;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jettison_debian::Architecture;
use jettison_oci::Store;
use jettison_sandbox::Entered;
use jettison_slim::{
    DebianBase, DistrolessBase, DistrolessVariant, Levels, Recipes, Slice, debian_architecture,
};

use crate::cli::{BaseArgs, BaseChoice, BaseCommand, Global, PackageOrigin};
use crate::commands::world;
use crate::failure::Failure;
use crate::family::{Family, FamilyRequest, split_lock};
use crate::output::Output;
use crate::progress::Notes;
use crate::remote::Reach;
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

/// What the command line chose.
enum Target {
    Distroless(Chosen),
    Debian(DebianChosen),
}

/// A distroless base that was chosen.
struct Chosen {
    /// What it is called.
    title: String,
    levels: Levels,
    architecture: Architecture,
    keep: Vec<String>,
    lock: Option<PathBuf>,
}

/// A `debian://` base that was chosen.
struct DebianChosen {
    title: String,
    base: DebianBase,
    lock: Option<PathBuf>,
}

impl Target {
    fn new(choice: &BaseChoice, settings: &Settings) -> Result<Target, Failure> {
        let (name, lock) = address(&choice.base, settings)?;
        let lock = match (&choice.making.lock, lock) {
            (Some(said), Some(named)) if *said != named => {
                let text = format!(
                    "`{}` has the lock file {}, and --lock says {}",
                    choice.base,
                    named.display(),
                    said.display()
                );
                return Err(Failure::user(text));
            }
            (said, named) => said.clone().or(named),
        };
        if name.starts_with("debian://") {
            let base: DebianBase =
                name.parse()
                    .map_err(|error: jettison_slim::DebianBaseError| {
                        Failure::user(error.to_string())
                    })?;
            return Ok(Target::Debian(DebianChosen {
                title: base.to_string(),
                base,
                lock,
            }));
        }
        Chosen::of(&name, choice, lock).map(Target::Distroless)
    }
}

/// What a name on the command line means by the settings, and the lock file that this names.
fn address(text: &str, settings: &Settings) -> Result<(String, Option<PathBuf>), Failure> {
    let is_recipe = is_recipe_file(text) || text.parse::<DistrolessBase>().is_ok();
    let found = if is_recipe {
        text.to_string()
    } else {
        settings.base_address(text).into_owned()
    };
    split_lock(&found).map_err(Failure::user)
}

fn is_recipe_file(text: &str) -> bool {
    Path::new(text)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

impl Chosen {
    /// A distroless base, which the command `what` is about.
    fn new(choice: &BaseChoice, settings: &Settings, what: &str) -> Result<Chosen, Failure> {
        match Target::new(choice, settings)? {
            Target::Distroless(chosen) => Ok(chosen),
            Target::Debian(debian) => Err(Failure::user(format!(
                "`{}` is installed by dpkg, and {what} is about distroless bases",
                debian.title
            ))),
        }
    }

    fn of(name: &str, choice: &BaseChoice, lock: Option<PathBuf>) -> Result<Chosen, Failure> {
        let (recipes, base) = recipes_and_base(name, choice.debian)?;
        let levels = recipes
            .levels(&base)
            .map_err(|error| Failure::user(error.to_string()))?;
        let architecture = architecture(choice.making.platform.name.as_deref())?;
        let mut keep = choice.making.keep.clone();
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
            lock,
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

/// The recipes with the user's own, and which base of them `text` means.
fn recipes_and_base(text: &str, debian: Option<u8>) -> Result<(Recipes, DistrolessBase), Failure> {
    let recipes = Recipes::family();
    if !is_recipe_file(text) {
        let mut base: DistrolessBase =
            text.parse()
                .map_err(|error: jettison_slim::DistrolessNameError| {
                    Failure::user(error.to_string())
                })?;
        if let (Some(said), Some(asked)) = (base.release, debian)
            && said != asked
        {
            let text = format!("`{text}` is for Debian {said}, and --debian says {asked}");
            return Err(Failure::user(text));
        }
        base.release = base.release.or(debian);
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
        release: debian,
        packages: Vec::new(),
        variant: DistrolessVariant::default(),
    };
    Ok((recipes, base))
}

/// The settings of the working directory and of the user.
fn settings(surroundings: &Surroundings) -> Result<Settings, Failure> {
    Settings::read(Path::new("."), surroundings.user_settings().as_deref())
}

/// What the subcommands that assemble need.
struct Place {
    /// Where programs can be run, if the host lets us.
    entered: Option<Entered>,
    root: PathBuf,
    store: Store,
    settings: Settings,
    reach: Reach,
    now: u64,
    /// The archive that the command line names.
    archive: Option<String>,
}

impl Place {
    fn new(
        global: &Global,
        settings: Settings,
        origin: &PackageOrigin,
        surroundings: &Surroundings,
    ) -> Result<Place, Failure> {
        // Before any thread starts, and before anything below the root is opened.
        let entered = world::entered().ok();
        let root = world::root(global, surroundings)?;
        Ok(Place {
            entered,
            store: world::store(&root)?,
            root,
            reach: surroundings.reach(origin.ca.as_deref().or(settings.build.ca.as_deref())),
            settings,
            now: surroundings.now,
            archive: origin.archive.clone(),
        })
    }

    fn family<'a>(&'a self, reporter: &'a dyn Notes) -> Family<'a> {
        Family {
            store: &self.store,
            settings: &self.settings,
            archive: self.archive.as_deref(),
            reach: &self.reach,
            now: self.now,
            reporter,
            entered: self.entered.as_ref(),
        }
    }
}

/// A failure to assemble a base.
fn failure(title: &str, error: &BoxError) -> Failure {
    Failure::user(format!("cannot assemble {title}")).because(error.as_ref())
}

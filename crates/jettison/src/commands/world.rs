//! What commands share: the store, the engine's surroundings, inputs of a build.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jettison_build::{BuildContext, CacheUse, LowerRequest, RunHost};
use jettison_dockerfile::Platform;
use jettison_oci::{Reference, Store};
use jettison_sandbox::{EnterOptions, Entered, IdChoice, IdMapKind, enter};

use crate::bases::host_files;
use crate::cli::{Global, InputArgs};
use crate::commands::build_failure::build_failure;
use crate::commands::dockerfile::{Location, in_directory};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::settings::Settings;
use crate::source::Source;
use crate::surroundings::Surroundings;

/// The largest Dockerfile that is read.
pub(crate) const DOCKERFILE_LIMIT: u64 = 64 << 20;

/// The variable, and build argument, with the time of what is built.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// apt's own user does not exist where only one user ID is mapped.
const APT_SINGLE_ID: &str = "APT::Sandbox::User \"root\";\n";

/// The directory that everything is kept in.
pub(crate) fn root(global: &Global, surroundings: &Surroundings) -> Result<PathBuf, Failure> {
    let root = global
        .root
        .clone()
        .or_else(|| surroundings.default_root())
        .ok_or_else(|| {
            Failure::user("there is no place for images").hint("set HOME, or give --root DIR")
        })?;
    std::path::absolute(&root)
        .map_err(|error| Failure::user(format!("cannot use {}", root.display())).because(&error))
}

/// Makes the directory that everything is kept in.
pub(crate) fn create_root(root: &Path) -> Result<(), Failure> {
    fs::create_dir_all(root).map_err(|error| {
        Failure::user(format!("cannot create {}", root.display()))
            .because(&error)
            .hint("give another directory with --root")
    })
}

/// Opens the store.
pub(crate) fn store(root: &Path) -> Result<Store, Failure> {
    create_root(root)?;
    Store::open(root).map_err(|error| {
        Failure::user(format!("cannot open the store in {}", root.display())).because(&error)
    })
}

/// Becomes root of a user namespace. Must come before any thread starts.
pub(crate) fn entered() -> Result<Entered, Failure> {
    let options = EnterOptions {
        ids: IdChoice::Best,
    };
    enter(&options).map_err(|error| {
        let failure = Failure::host("this host does not let us build").because(&error);
        let failure = error.hint().into_iter().fold(failure, Failure::hint);
        failure.hint("`jettison doctor` says what is missing and what to do")
    })
}

/// Tells the user what is lost where only one user ID can be used.
pub(crate) fn note_single_id(entered: &Entered, output: &mut Output) {
    if entered.ids == IdMapKind::SingleId {
        let why = entered.limitation().unwrap_or("no further IDs are granted");
        let text = format!(
            "only one user ID can be used ({why}): all files belong to root in what is built; see `jettison doctor`"
        );
        output.note(Look::Note, &text);
    }
}

/// What commands get from the host.
pub(crate) fn run_host(
    root: &Path,
    entered: &Entered,
    build_args: &BTreeMap<String, String>,
) -> Result<RunHost, Failure> {
    let (resolv_conf, hosts) = host_files();
    let apt_settings = if entered.ids == IdMapKind::SingleId {
        let path = root.join("apt-single-user-id.conf");
        fs::write(&path, APT_SINGLE_ID).map_err(|error| {
            Failure::user(format!("cannot write {}", path.display())).because(&error)
        })?;
        Some(path)
    } else {
        None
    };
    Ok(RunHost {
        resolv_conf,
        hosts,
        apt_settings,
        proxies: jettison_build::proxies(build_args),
        resources: jettison_sandbox::Resources::UNLIMITED,
        certificates: None,
    })
}

/// The user's settings alone, for commands that are about no directory.
pub(crate) fn user_settings(surroundings: &Surroundings) -> Result<Settings, Failure> {
    Settings::of_user(surroundings.user_settings().as_deref())
}

/// The platform that the command line names, or this host's, as images have it.
pub(crate) fn oci_platform(text: Option<&str>) -> Result<jettison_oci::Platform, Failure> {
    let host = Surroundings::architecture();
    let platform = match text.filter(|text| !text.is_empty() && *text != "local") {
        None => Platform::new("linux", &host),
        Some(text) => Platform::parse(text, &host)
            .map_err(|error| Failure::user(format!("cannot use platform {text}")).because(&error))?
            .normalized(),
    };
    Ok(as_in_images(&platform))
}

/// A platform as images have it.
pub(crate) fn as_in_images(platform: &Platform) -> jettison_oci::Platform {
    jettison_oci::Platform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: Some(platform.variant.clone()).filter(|variant| !variant.is_empty()),
        extra: BTreeMap::new(),
    }
}

/// The repository of an image, without what is understood by itself.
pub(crate) fn familiar_repository(reference: &Reference) -> String {
    let familiar = reference.familiar();
    let name = familiar.split('@').next().unwrap_or_default();
    match reference.tag() {
        Some(tag) => name.strip_suffix(&format!(":{tag}")).unwrap_or(name),
        None => name,
    }
    .to_string()
}

/// A build's inputs, read.
pub(crate) struct Inputs {
    pub(crate) context: BuildContext,
    pub(crate) source: Source,
    pub(crate) settings: Settings,
    pub(crate) lower: LowerRequest,
    pub(crate) cache: CacheUse,
    pub(crate) created: Option<String>,
}

/// Reads what `args` name, which has to be a directory.
pub(crate) fn inputs(
    args: &InputArgs,
    surroundings: &Surroundings,
) -> Result<(Inputs, PathBuf), Failure> {
    if !args.context.is_dir() {
        let message = format!(
            "build context {} is not a directory",
            args.context.display()
        );
        return Err(Failure::user(message));
    }
    let dockerfile = match &args.file {
        Some(file) => file.clone(),
        None => in_directory(&args.context),
    };
    let location = Location {
        dockerfile: dockerfile.clone(),
        context: Some(args.context.clone()),
    };
    let source = location.read()?;
    let context = BuildContext::open(&args.context, &dockerfile)
        .map_err(|error| build_failure(&error, &source))?;
    let inputs = inputs_of(args, (context, source), &args.context, surroundings)?;
    Ok((inputs, dockerfile))
}

/// A build's inputs, from a context and a Dockerfile that have been read. Settings are in the directory `dir`.
pub(crate) fn inputs_of(
    args: &InputArgs,
    (context, source): (BuildContext, Source),
    dir: &Path,
    surroundings: &Surroundings,
) -> Result<Inputs, Failure> {
    let settings = Settings::read(dir, surroundings.user_settings().as_deref())?;
    let created = created(surroundings)?;
    let mut lower = LowerRequest::on(Platform::new("linux", &Surroundings::architecture()));
    lower.build_args = build_args(&args.build_args, surroundings);
    // buildx passes it on so, unless it is given otherwise (`toSolveOpt`, build/opt.go).
    if let Some(epoch) = surroundings.variables.get(SOURCE_DATE_EPOCH) {
        let given = lower.build_args.entry(SOURCE_DATE_EPOCH.to_string());
        given.or_insert_with(|| epoch.clone());
    }
    let cache = if args.no_cache {
        CacheUse::Ignore
    } else {
        CacheUse::Use
    };
    Ok(Inputs {
        context,
        source,
        settings,
        lower,
        cache,
        created,
    })
}

/// The values of `--build-arg NAME[=VALUE]`.
pub(super) fn build_args(
    arguments: &[String],
    surroundings: &Surroundings,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some((name, value)) => {
                values.insert(name.to_string(), value.to_string());
            }
            // As in docker, a name alone takes the value of the environment.
            None => {
                if let Some(value) = surroundings.variables.get(argument) {
                    values.insert(argument.clone(), value.clone());
                }
            }
        }
    }
    values
}

/// The time in `SOURCE_DATE_EPOCH`.
fn created(surroundings: &Surroundings) -> Result<Option<String>, Failure> {
    let Some(text) = surroundings.variables.get(SOURCE_DATE_EPOCH) else {
        return Ok(None);
    };
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Some(jettison_slim::timestamp(seconds))),
        Err(_) => Err(Failure::user(format!(
            "SOURCE_DATE_EPOCH is `{text}`, which is not a number of seconds"
        ))),
    }
}

/// A name for images of the directory `context`.
pub(crate) fn default_name(context: &Path) -> String {
    let name = fs::canonicalize(context)
        .ok()
        .and_then(|path| {
            path.file_name()
                .map(|name| name.to_string_lossy().to_lowercase())
        })
        .unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() {
        "image".to_string()
    } else {
        name.to_string()
    }
}

/// Reads an image's name.
pub(crate) fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse()
        .map_err(|error: jettison_oci::ReferenceParseError| {
            Failure::user(format!("`{text}` is not the name of an image")).because(&error)
        })
}

//! `jettison base diff`

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use jettison_debian::{Lock, LockedPackage, parse_lock, parse_status};
use jettison_oci::{ImageConfig, LayerError, RootfsFiles};
use jettison_slim::{DistrolessBase, Recipes};

use crate::cli::{BaseChoice, BaseDiffArgs, BaseMaking, Global};
use crate::commands::base::build::lock;
use crate::commands::base::moves::{Moves, Versions, versions};
use crate::commands::base::{
    BoxError, Chosen, DebianChosen, Place, Target, architecture, failure, is_recipe_file, settings,
};
use crate::commands::lookup::{find, look_up};
use crate::failure::Failure;
use crate::family::{Family, Locked, debian_wanted, locked};
use crate::output::{Look, Output};
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;
use crate::text_file;

/// The largest lock file that is read.
const LOCK_LIMIT: u64 = 16 << 20;
/// The largest list of packages that is read of an image.
const STATUS_LIMIT: u64 = 64 << 20;
/// Where dpkg's list of packages is.
const STATUS: &[u8] = b"var/lib/dpkg/status";
/// Where distroless images have theirs.
const STATUS_DIRECTORY: &[u8] = b"var/lib/dpkg/status.d";

pub(super) fn run(
    global: &Global,
    args: &BaseDiffArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let settings = settings(surroundings)?;
    let place = Place::new(global, settings, &args.origin, surroundings)?;
    let progress = Progress::new(global.progress, Reasons::Untold);
    let first = Side::new(&args.first, args, &place, &progress)?;
    let second = Side::new(&args.second, args, &place, &progress)?;
    let moves = Moves::between(&first.versions, &second.versions);
    let fixes = match &second.lock {
        Some((lock, packages)) => place
            .family(&progress)
            .fixes(lock, &moves.newer_of(packages))
            .map_err(|error: BoxError| failure(&args.second, &error))?,
        // An image has no changelogs.
        None => BTreeMap::new(),
    };
    drop(progress);
    let mut lines = moves.lines(&fixes);
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
    versions: Versions,
    /// What the versions were read from, if that says where packages are.
    lock: Option<(Lock, Vec<LockedPackage>)>,
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
        if Path::new(text).extension().is_some_and(|end| end == "lock") {
            let read = text_file::read(Path::new(text), LOCK_LIMIT)?;
            let lock = parse_lock(text, &read).map_err(|error| Failure::user(error.to_string()))?;
            return Side::of_lock(text, args, lock, BTreeMap::new());
        }
        if let Some(name) = text.strip_prefix("docker-image://") {
            return Side::of_image(name, place);
        }
        let base = text.parse::<DistrolessBase>();
        let is_recipe = is_recipe_file(text)
            || base.is_ok_and(|base| Recipes::family().find(&base.recipe).is_ok());
        if !is_recipe && look_up(&place.store, text)?.is_some() {
            return Side::of_image(text, place);
        }
        let choice = BaseChoice {
            base: text.to_string(),
            debian: None,
            making: BaseMaking {
                platform: args.platform.clone(),
                keep: Vec::new(),
                origin: args.origin.clone(),
                lock: None,
            },
        };
        let family = place.family(progress);
        let target = Target::new(&choice, &place.settings).map_err(|failure| {
            failure.hint("there is no image of that name in the store either")
        })?;
        match target {
            Target::Distroless(chosen) => {
                let lock = lock(&family, &chosen)?;
                Side::of_lock(text, args, lock, of_recipe(&chosen))
            }
            Target::Debian(debian) => {
                let lock = debian_lock(&family, args, &debian)?;
                Side::of_lock(text, args, lock, BTreeMap::new())
            }
        }
    }

    fn of_lock(
        text: &str,
        args: &BaseDiffArgs,
        lock: Lock,
        settings: BTreeMap<&'static str, String>,
    ) -> Result<Side, Failure> {
        let architecture = architecture(args.platform.name.as_deref())?;
        let packages = lock
            .packages(&architecture)
            .ok_or_else(|| Failure::user(format!("{text} has no packages for {architecture}")))?;
        let packages = packages.to_vec();
        let versions = versions(&packages);
        Ok(Side {
            settings: settings
                .into_iter()
                .map(|(key, value)| (key, with_versions(value, &versions)))
                .collect(),
            versions,
            lock: Some((lock, packages)),
        })
    }

    fn of_image(name: &str, place: &Place) -> Result<Side, Failure> {
        let image = find(&place.store, name)?.image;
        let failed = |error: LayerError| {
            Failure::user(format!("cannot read the files of image {name}")).because(&error)
        };
        let rootfs = RootfsFiles::read(&place.store, image.layers()).map_err(failed)?;
        let mut paths = vec![STATUS.to_vec()];
        let lists = rootfs.children(STATUS_DIRECTORY).into_iter();
        paths.extend(
            lists
                .filter(|path| !path.ends_with(b".md5sums"))
                .map(<[u8]>::to_vec),
        );
        let real: Vec<Vec<u8>> = paths
            .iter()
            .filter_map(|path| rootfs.resolve(path, true))
            .collect();
        let contents = rootfs.contents(&real, STATUS_LIMIT).map_err(failed)?;
        let mut versions = Versions::new();
        for text in contents.values() {
            let packages = parse_status(&String::from_utf8_lossy(text)).into_iter();
            let installed = packages.filter(jettison_debian::InstalledPackage::is_unpacked);
            versions.extend(installed.map(|package| (package.name, package.version)));
        }
        if versions.is_empty() {
            let text = format!("the image {name} lists no packages of Debian");
            return Err(Failure::user(text));
        }
        Ok(Side {
            versions,
            lock: None,
            settings: of_image(image.config()),
        })
    }

    /// A line for each setting that differs, where both are known.
    fn settings(&self, other: &Side) -> Vec<String> {
        if self.settings.is_empty() || other.settings.is_empty() {
            return Vec::new();
        }
        let keys: BTreeSet<_> = self.settings.keys().chain(other.settings.keys()).collect();
        let line = |key: &&'static str| {
            let of = |side: &Side| side.settings.get(key).cloned().unwrap_or_default();
            let (before, after) = (of(self), of(other));
            (before != after).then(|| format!("{key}: {before} -> {after}"))
        };
        keys.into_iter().filter_map(line).collect()
    }
}

/// The packages of the lock file, or the newest.
fn debian_lock(
    family: &Family<'_>,
    args: &BaseDiffArgs,
    debian: &DebianChosen,
) -> Result<Lock, Failure> {
    let architecture = architecture(args.platform.name.as_deref())?;
    let failed = |error: BoxError| failure(&debian.title, &error);
    let Some(path) = &debian.lock else {
        let newest = family.resolve_debian(&debian.base, &architecture);
        return newest.map_err(failed);
    };
    let wanted = debian_wanted(&debian.base, &debian.title, &architecture);
    match locked(&wanted, path).map_err(failed)? {
        Locked::Found(lock) => Ok(lock),
        Locked::Missing(_) | Locked::Stale(_) => {
            let text = format!("{} is not the lock of {}", path.display(), debian.title);
            Err(Failure::no(text).hint("`jettison base update` with the same name writes it anew"))
        }
    }
}

/// The configuration that a recipe says, by the names of its keys.
fn of_recipe(chosen: &Chosen) -> BTreeMap<&'static str, String> {
    let part = chosen.levels.whole();
    let words = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(" "));
    let env = part.env.iter();
    let env: Vec<String> = env.map(|(name, value)| format!("{name}={value}")).collect();
    named([
        words(&part.entrypoint),
        words(&part.cmd),
        part.user.clone(),
        part.workdir.clone(),
        Some(env.join(" ")),
    ])
}

/// The configuration of an image, by the names of a recipe's keys.
fn of_image(config: &ImageConfig) -> BTreeMap<&'static str, String> {
    let config = &config.config;
    let words = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(" "));
    let mut env = config.env.clone();
    env.sort();
    named([
        words(&config.entrypoint),
        words(&config.cmd),
        Some(config.user.clone()),
        Some(config.working_dir.clone()),
        Some(env.join(" ")),
    ])
}

fn named(values: [Option<String>; 5]) -> BTreeMap<&'static str, String> {
    let keys = ["entrypoint", "cmd", "user", "workdir", "env"];
    let said = |value: Option<String>| value.filter(|value| !value.is_empty());
    keys.into_iter()
        .zip(values)
        .map(|(key, value)| (key, said(value).unwrap_or_else(|| "none".to_string())))
        .collect()
}

/// The text with the versions that a recipe has in it, as authors count.
fn with_versions(text: String, versions: &Versions) -> String {
    let mut text = text;
    for (name, version) in versions {
        let name = format!("${{version:{name}}}");
        if text.contains(&name) {
            let version = version.as_str();
            let version = version.split_once(':').map_or(version, |(_, rest)| rest);
            let end = version.find(['+', '-', '~']).unwrap_or(version.len());
            text = text.replace(&name, &version[..end]);
        }
    }
    text
}

//! Distroless bases: from a name or a recipe to an image in the store.

mod debian;
mod locks;
mod made;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jettison_build::Event;
use jettison_debian::{
    Architecture, ArchiveError, Lock, LockedPackage, PackageFile, ReleaseError, Sha256, Supply,
    Universe, Version, load_universe,
};
use jettison_oci::{Image, KeptBlocks, Reference, Store};
use jettison_sandbox::Entered;
use jettison_slim::{
    DebianBase, DistrolessBase, DistrolessImage, DistrolessRequest, Downloads as _, Levels,
    LocalPackage, RecipeLink, Recipes, SecurityFixes, assemble_distroless, base_facts,
    base_reference, choose_packages, codename, distroless_reference, facts_json, security_fixes,
};

pub(crate) use crate::family::debian::debian_wanted;
pub(crate) use crate::family::locks::{
    LockFile, Locked, Pinning, Wanted, in_directory, lock_file, locked, split_lock, write_lock,
};

use crate::archives::{Archives, archives, credentials, host_sources};
use crate::index_cache::IndexFiles;
use crate::network::{DownloadCache, Gone, Http};
use crate::progress::Notes;
use crate::remote::Reach;
use crate::settings::Settings;

type BoxError = Box<dyn Error + Send + Sync>;

/// Who assembles bases.
pub(crate) struct Family<'a> {
    pub(crate) store: &'a Store,
    pub(crate) settings: &'a Settings,
    /// Where packages come from, if the command line says so.
    pub(crate) archive: Option<&'a str>,
    /// How servers are reached.
    pub(crate) reach: &'a Reach,
    /// The time, in Unix seconds.
    pub(crate) now: u64,
    pub(crate) reporter: &'a dyn Notes,
    /// Where programs can be run, for what is made with them.
    pub(crate) entered: Option<&'a Entered>,
}

/// What to assemble.
pub(crate) struct FamilyRequest<'a> {
    /// What the image is called in its history.
    pub(crate) title: String,
    pub(crate) levels: &'a Levels,
    pub(crate) architecture: Architecture,
    /// Slices that are not left out.
    pub(crate) keep: &'a [String],
}

impl FamilyRequest<'_> {
    /// What is to be locked.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            title: &self.title,
            request: digest(self.levels),
            architecture: &self.architecture,
        }
    }
}

/// How an image is made of packages, and what it is called in the store.
struct Making<'m, T> {
    wanted: Wanted<'m>,
    suite: &'m str,
    resolve: &'m dyn Fn() -> Result<Lock, BoxError>,
    /// The name of the image whose packages a text tells from others.
    reference: &'m dyn Fn(&str) -> Option<Reference>,
    assemble: &'m dyn Fn(&Lock) -> Result<T, BoxError>,
}

impl Family<'_> {
    /// The base `base` as it was assembled last by this program of the same packages; else it is assembled now.
    pub(crate) fn base(
        &self,
        base: &DistrolessBase,
        architecture: &Architecture,
        pinning: &Pinning,
    ) -> Result<Image, BoxError> {
        let levels = Recipes::family().levels(base)?;
        let request = FamilyRequest {
            title: base.to_string(),
            levels: &levels,
            architecture: architecture.clone(),
            keep: &[],
        };
        self.make(
            &Making {
                wanted: request.wanted(),
                suite: suite_of(&levels)?,
                resolve: &|| self.resolve(&request),
                reference: &|packages| distroless_reference(&levels, architecture, packages),
                assemble: &|lock| Ok(self.assemble(&request, lock)?.image),
            },
            pinning,
        )
    }

    /// An image of the store, or one that is made now and gets its name there.
    fn make(&self, making: &Making<'_, Image>, pinning: &Pinning) -> Result<Image, BoxError> {
        let Making { wanted, .. } = making;
        let sources = self.archives(making.suite).identity(&self.settings.debian);
        let named = |packages: &str| {
            let reference = (making.reference)(packages);
            reference.ok_or_else(|| format!("{} cannot be given a name", wanted.title))
        };
        let file = match pinning {
            Pinning::Known | Pinning::Newest => None,
            Pinning::File(file) => Some(file),
        };
        let mut lock = match file {
            Some(file) => Some(self.lock_of_file(wanted, file, making.resolve)?),
            None if *pinning == Pinning::Newest => None,
            None => self.last_lock(wanted, &sources),
        };
        let reference = match (&lock, file) {
            (Some(lock), Some(_)) => named(&lock.identity(wanted.architecture))?,
            _ => named(&sources)?,
        };
        if *pinning != Pinning::Newest
            && let Some(image) = self.store.find(&reference)?
        {
            return Ok(image);
        }
        self.reporter.note(&format!("assembling {}", wanted.title));
        let image = match &lock {
            Some(lock) => match (making.assemble)(lock) {
                // What was chosen last is nothing that anybody has asked for.
                Err(error) if file.is_none() && error.is::<Gone>() => None,
                other => Some(other?),
            },
            None => None,
        };
        let image = match image {
            Some(image) => image,
            None => (making.assemble)(lock.insert((making.resolve)()?))?,
        };
        if let (None, Some(lock)) = (file, &lock) {
            self.keep_lock(wanted, &sources, lock);
        }
        self.store
            .tag(&reference, &image.manifest_digest(), &image)?;
        Ok(image)
    }

    /// Who fetches indexes and packages.
    fn http(&self) -> Http {
        let credentials = credentials(self.settings, self.archive);
        Http::new(self.reach).with_credentials(credentials)
    }

    /// Where packages of Debian's `suite` come from.
    fn archives(&self, suite: &str) -> Archives {
        archives_of(suite, self.settings, self.archive)
    }

    /// The indexes of Debian's `suite` and of what goes with it.
    pub(crate) fn universe(
        &self,
        suite: &str,
        architecture: &Architecture,
    ) -> Result<Universe, BoxError> {
        let found = self.archives(suite);
        if let Some(missing) = &found.note {
            self.reporter.note(missing);
        }
        let http = self.http();
        let supply = Supply {
            fetch: &http,
            cache: &IndexFiles::new(self.store.root()),
            now: self.now,
        };
        let sources = found.sources(architecture.clone(), &self.settings.debian)?;
        self.task("load the package indexes", || {
            load_universe(&supply, &sources).map_err(|error| IndexFailure::of(error).into())
        })
    }

    /// The newest packages that make up the base.
    pub(crate) fn resolve(&self, request: &FamilyRequest<'_>) -> Result<Lock, BoxError> {
        let universe = self.universe(suite_of(request.levels)?, &request.architecture)?;
        let chosen = choose_packages(&universe.packages, request.levels)?;
        let packages: Vec<_> = chosen.iter().map(|chosen| chosen.package).collect();
        let lock = universe.lock(&packages);
        self.with_tools(request, lock.for_request(digest(request.levels)))
    }

    /// What the file at `path` says about the request.
    pub(crate) fn locked(request: &FamilyRequest<'_>, path: &Path) -> Result<Locked, BoxError> {
        locked(&request.wanted(), path)
    }

    /// Assembles the base of the lock's packages. What is in the cache is not fetched.
    pub(crate) fn assemble(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
    ) -> Result<DistrolessImage, BoxError> {
        // It may have been made on a host of another architecture.
        let lock = &self.with_tools(request, lock.clone())?;
        let packages = lock.packages(&request.architecture).unwrap_or_default();
        // What something is made with is fetched when that is to be made.
        let tools = request.levels.link().map(RecipeLink::tools_package);
        let wanted: Vec<LockedPackage> = packages
            .iter()
            .filter(|package| tools.as_ref() != Some(&package.name))
            .cloned()
            .collect();
        let packages = self.local(lock, &wanted)?;
        let linked = self.linked(request, lock)?;
        let compiled = self.compiled(request, lock)?;
        let built = self.task("put the base together", || {
            let request = DistrolessRequest {
                title: &request.title,
                levels: request.levels,
                packages: &packages,
                architecture: &request.architecture,
                keep: request.keep,
                unpacked: &self.unpacked(),
                blocks: &KeptBlocks::new(&self.store.root().join("downloads").join("blocks")),
                linked: linked.as_deref(),
                compiled: compiled.as_deref(),
            };
            Ok(assemble_distroless(self.store, &request)?)
        })?;
        // Without them the base is as good, but `why` cannot tell.
        let facts = facts_json(&base_facts(&built, &request.title));
        self.store
            .set_facts(&built.image.id(), &facts)
            .unwrap_or_default();
        Ok(built)
    }

    /// What the changelogs of `moved` say that was mended since the versions beside them.
    pub(crate) fn fixes(
        &self,
        lock: &Lock,
        moved: &[(&LockedPackage, Version)],
    ) -> Result<BTreeMap<String, SecurityFixes>, BoxError> {
        let wanted: Vec<LockedPackage> = moved
            .iter()
            .map(|(package, _)| (*package).clone())
            .collect();
        let packages = self.local(lock, &wanted)?;
        let mut fixes = BTreeMap::new();
        for (package, (_, since)) in packages.iter().zip(moved) {
            if let Some(found) = security_fixes(package, since, &self.unpacked())? {
                fixes.insert(package.name.clone(), found);
            }
        }
        Ok(fixes)
    }

    /// Where packages are kept that were taken apart.
    fn unpacked(&self) -> PathBuf {
        self.store.root().join("downloads").join("unpacked")
    }

    /// The files of `wanted`, which are of the lock; those that are not there are fetched.
    fn local(&self, lock: &Lock, wanted: &[LockedPackage]) -> Result<Vec<LocalPackage>, BoxError> {
        let files: Vec<PackageFile> = wanted
            .iter()
            .map(|package| {
                let file = match &self.settings.debian.snapshot {
                    Some(snapshots) => lock.file_kept(package, snapshots),
                    None => lock.file(package),
                };
                file.ok_or_else(|| format!("the lock has no archive for {}", package.name).into())
            })
            .collect::<Result<_, BoxError>>()?;
        let http = self.http();
        let downloads = DownloadCache::open(self.store.root(), &http, self.reporter)?;
        let title = format!("get {} packages", files.len());
        let paths = self.task(&title, || downloads.files(&files))?;
        Ok(local_packages(wanted, paths))
    }

    /// Reports `work` as a task.
    fn task<T>(
        &self,
        title: &str,
        work: impl FnOnce() -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        self.reporter.event(Event::TaskStarted { title });
        let start = std::time::Instant::now();
        let result = work()?;
        self.reporter.event(Event::TaskFinished {
            title,
            elapsed: start.elapsed(),
        });
        Ok(result)
    }
}

fn local_packages(wanted: &[LockedPackage], paths: Vec<PathBuf>) -> Vec<LocalPackage> {
    let local = |(package, path): (&LockedPackage, PathBuf)| LocalPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256,
        path,
    };
    wanted.iter().zip(paths).map(local).collect()
}

/// What tells requests for packages apart: a lock of one is not for another.
fn digest(levels: &Levels) -> Sha256 {
    let mut text = format!("Debian {}\n", levels.release);
    for (_, part) in &levels.levels {
        let (packages, ignore) = (part.packages.join(" "), part.ignore.join(" "));
        let _infallible = writeln!(text, "{packages}\nignore {ignore}");
    }
    Sha256::of(text.as_bytes())
}

/// The name that a base has in the store: the newest, or that of the lock file.
pub(crate) fn reference_of(
    base: &DistrolessBase,
    lock: Option<&Path>,
    settings: &Settings,
) -> Option<Reference> {
    let architecture = Architecture::of_rust(std::env::consts::ARCH)?;
    let levels = Recipes::family().levels(base).ok()?;
    let wanted = Wanted {
        title: "",
        request: digest(&levels),
        architecture: &architecture,
    };
    let packages = packages_of(&wanted, suite_of(&levels).ok()?, lock, settings)?;
    distroless_reference(&levels, &architecture, &packages)
}

/// The same of a `debian://` base.
pub(crate) fn debian_reference_of(
    base: &DebianBase,
    lock: Option<&Path>,
    settings: &Settings,
) -> Option<Reference> {
    let architecture = Architecture::of_rust(std::env::consts::ARCH)?;
    let wanted = debian_wanted(base, "", &architecture);
    let packages = packages_of(&wanted, &base.suite, lock, settings)?;
    base_reference(base, &architecture, &packages)
}

/// What tells the packages of a base from those of others; nothing, if there is no such lock.
fn packages_of(
    wanted: &Wanted<'_>,
    suite: &str,
    lock: Option<&Path>,
    settings: &Settings,
) -> Option<String> {
    let Some(path) = lock else {
        return Some(archives_of(suite, settings, None).identity(&settings.debian));
    };
    match locked(wanted, path).ok()? {
        Locked::Found(lock) => Some(lock.identity(wanted.architecture)),
        Locked::Missing(_) | Locked::Stale(_) => None,
    }
}

/// Where packages of `suite` come from; `chosen` is what the command line says.
pub(crate) fn archives_of(suite: &str, settings: &Settings, chosen: Option<&str>) -> Archives {
    archives(
        suite,
        chosen.or(settings.archive.as_deref()),
        settings.security_archive.as_deref(),
        &host_sources(Path::new("/")),
    )
}

/// Debian's suite of a base.
fn suite_of(levels: &Levels) -> Result<&'static str, String> {
    let release = levels.release;
    codename(release)
        .ok_or_else(|| format!("Debian {release} is not known: take one of 11, 12, 13"))
}

/// Why indexes could not be loaded, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot load Debian's package indexes{hint}")]
struct IndexFailure {
    hint: &'static str,
    source: ArchiveError,
}

impl IndexFailure {
    fn of(source: ArchiveError) -> IndexFailure {
        let hint = match &source {
            ArchiveError::Release {
                source: ReleaseError::Older { .. },
                ..
            } => {
                " (a mirror may be behind, or somebody takes updates back: another `archive`, or `allow-older = true` under [debian] in the settings)"
            }
            ArchiveError::Release {
                source: ReleaseError::Expired { .. },
                ..
            } => {
                " (archives of the past need `check-valid-until = false` under [debian] in the settings)"
            }
            _ => "",
        };
        IndexFailure { hint, source }
    }
}

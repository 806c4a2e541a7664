//! Distroless bases: from a name or a recipe to an image in the store.

mod made;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jettison_build::Event;
use jettison_debian::{
    Architecture, Lock, LockedPackage, PackageFile, Sha256, Supply, Universe, Version,
    load_universe, parse_lock,
};
use jettison_oci::{Digest, Reference, Store};
use jettison_sandbox::Entered;
use jettison_slim::{
    DistrolessBase, DistrolessImage, DistrolessRequest, Downloads as _, Levels, LocalPackage,
    Recipes, assemble_distroless, choose_packages, codename, security_fixes,
};

use crate::archives::{archives, host_sources};
use crate::index_cache::IndexFiles;
use crate::network::{DownloadCache, Http};
use crate::progress::Notes;
use crate::settings::Settings;

type BoxError = Box<dyn Error + Send + Sync>;

/// Who assembles bases.
pub(crate) struct Family<'a> {
    pub(crate) store: &'a Store,
    pub(crate) settings: &'a Settings,
    /// Where packages come from, if the command line says so.
    pub(crate) archive: Option<&'a str>,
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

/// What a lock file says about a request.
#[derive(Debug)]
pub(crate) enum Locked {
    /// There is no file, or it does not have the architecture.
    Missing(Option<Lock>),
    /// It is for something else.
    Stale(Lock),
    /// It has the packages.
    Found(Lock),
}

impl Family<'_> {
    /// The base `base` as it was assembled last with these recipes from these archives; else it is assembled now.
    pub(crate) fn base(
        &self,
        base: &DistrolessBase,
        architecture: &Architecture,
        pull: bool,
    ) -> Result<jettison_oci::Image, BoxError> {
        let levels = Recipes::family().levels(base)?;
        let reference = self.reference(&levels, architecture)?;
        if !pull && let Some(image) = self.store.find(&reference)? {
            return Ok(image);
        }
        self.reporter.note(&format!("assembling {base}"));
        let request = FamilyRequest {
            title: base.to_string(),
            levels: &levels,
            architecture: architecture.clone(),
            keep: &[],
        };
        let lock = self.resolve(&request)?;
        let assembled = self.assemble(&request, &lock)?;
        let image = assembled.image;
        self.store
            .tag(&reference, &image.manifest_digest(), &image)?;
        Ok(image)
    }

    /// The name that a base has in the store.
    pub(crate) fn reference(
        &self,
        levels: &Levels,
        architecture: &Architecture,
    ) -> Result<Reference, BoxError> {
        let mut text = format!("{levels:?}\n{architecture}\n");
        text += &self
            .archives(levels.release)?
            .identity(&self.settings.debian);
        let digest = Digest::of(text.as_bytes()).hex();
        // The name is for those who read lists; the digest tells bases apart.
        let mut names = levels.levels.iter().rev().map(|(name, _)| name.as_str());
        let name = names.find(|name| *name != "debug" && !name.starts_with('+'));
        let name = name.unwrap_or("base");
        let text = format!("localhost/distroless:{name}-{}", &digest[..12]);
        Ok(text.parse()?)
    }

    fn archives(&self, release: u8) -> Result<crate::archives::Archives, BoxError> {
        let suite = codename(release)
            .ok_or_else(|| format!("Debian {release} is not known: take one of 11, 12, 13"))?;
        let chosen = self.archive.or(self.settings.archive.as_deref());
        Ok(archives(
            suite,
            chosen,
            self.settings.security_archive.as_deref(),
            &host_sources(Path::new("/")),
        ))
    }

    /// The packages' indexes.
    pub(crate) fn universe(&self, request: &FamilyRequest<'_>) -> Result<Universe, BoxError> {
        let found = self.archives(request.levels.release)?;
        if let Some(missing) = &found.note {
            self.reporter.note(missing);
        }
        let http = Http::new();
        let supply = Supply {
            fetch: &http,
            cache: &IndexFiles::new(self.store.root()),
            now: self.now,
        };
        let sources = found.sources(request.architecture.clone(), &self.settings.debian)?;
        self.task("load the package indexes", || {
            Ok(load_universe(&supply, &sources)?)
        })
    }

    /// The newest packages that make up the base.
    pub(crate) fn resolve(&self, request: &FamilyRequest<'_>) -> Result<Lock, BoxError> {
        let universe = self.universe(request)?;
        let chosen = choose_packages(&universe.packages, request.levels)?;
        let packages: Vec<_> = chosen.iter().map(|chosen| chosen.package).collect();
        Ok(universe.lock(&packages).for_request(digest(request.levels)))
    }

    /// What the file at `path` says about the request.
    pub(crate) fn locked(request: &FamilyRequest<'_>, path: &Path) -> Result<Locked, BoxError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Locked::Missing(None));
            }
            Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
        };
        let lock = parse_lock(&path.display().to_string(), &text)?;
        if lock.request != Some(digest(request.levels)) {
            return Ok(Locked::Stale(lock));
        }
        Ok(match lock.packages(&request.architecture) {
            Some(_) => Locked::Found(lock),
            None => Locked::Missing(Some(lock)),
        })
    }

    /// The lock's packages. What is in the cache is not fetched.
    fn packages(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
    ) -> Result<Vec<LocalPackage>, BoxError> {
        let wanted = lock.packages(&request.architecture).unwrap_or_default();
        self.local(lock, wanted)
    }

    /// Assembles the base of the lock's packages. What is in the cache is not fetched.
    pub(crate) fn assemble(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
    ) -> Result<DistrolessImage, BoxError> {
        let packages = self.packages(request, lock)?;
        let linked = self.linked(request, &packages)?;
        let compiled = self.compiled(request, &packages)?;
        self.task("put the base together", || {
            let request = DistrolessRequest {
                title: &request.title,
                levels: request.levels,
                packages: &packages,
                architecture: &request.architecture,
                keep: request.keep,
                unpacked: &self.unpacked(),
                linked: linked.as_deref(),
                compiled: compiled.as_deref(),
            };
            Ok(assemble_distroless(self.store, &request)?)
        })
    }

    /// What the changelogs of `moved` say that was mended since the versions beside them.
    pub(crate) fn fixes(
        &self,
        lock: &Lock,
        moved: &[(&LockedPackage, Version)],
    ) -> Result<BTreeMap<String, Vec<String>>, BoxError> {
        let wanted: Vec<LockedPackage> = moved
            .iter()
            .map(|(package, _)| (*package).clone())
            .collect();
        let packages = self.local(lock, &wanted)?;
        let mut fixes = BTreeMap::new();
        for (package, (_, since)) in packages.iter().zip(moved) {
            if let Some(names) = security_fixes(package, since, &self.unpacked())? {
                fixes.insert(package.name.clone(), names);
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
                lock.file(package)
                    .ok_or_else(|| format!("the lock has no archive for {}", package.name).into())
            })
            .collect::<Result<_, BoxError>>()?;
        let http = Http::new();
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

/// Writes a lock file; it appears whole or not at all.
pub(crate) fn write_lock(path: &Path, lock: &Lock) -> Result<(), BoxError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&new, lock.to_string())
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

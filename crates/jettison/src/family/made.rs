//! What programs make for bases: Java runtimes that are linked, modules of Python that are compiled.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jettison_debian::{Architecture, Lock};
use jettison_sandbox::Entered;
use jettison_slim::{
    ByteCodeRequest, LinkRequest, Making, NeededModules, Workshop, debian_architecture, host_tools,
    needed_modules,
};

use crate::family::{BoxError, Family, FamilyRequest, suite_of};
use crate::network::DownloadCache;
use crate::surroundings::Surroundings;

impl Family<'_> {
    /// The lock with the packages of those programs that the base is made with here, if it is for another architecture
    /// than this host's and they are missing.
    pub(crate) fn with_tools(
        &self,
        request: &FamilyRequest<'_>,
        lock: Lock,
    ) -> Result<Lock, BoxError> {
        let keep = kept(request);
        let making = Making::of(request.levels, &keep);
        let host = host()?;
        let packages = lock.packages(&request.architecture).unwrap_or_default();
        let known = lock.tools(&request.architecture, &host).unwrap_or_default();
        if host == request.architecture || making.is_served_by(known, packages) {
            return Ok(lock);
        }
        let universe = self.universe(suite_of(request.levels)?, &host)?;
        let tools = host_tools(&universe.packages, &making, packages)?;
        let tools = universe.lock(&tools);
        Ok(lock.with_tools(&request.architecture, tools))
    }

    /// The key of the Java runtime that is linked for the base, if one is; it is linked now, unless that was done.
    pub(super) fn linked(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
    ) -> Result<Option<String>, BoxError> {
        let keep = kept(request);
        let Some(link) = Making::of(request.levels, &keep).link else {
            return Ok(None);
        };
        self.in_workshop(request, lock, |workshop| {
            let linking = LinkRequest {
                link,
                keep: &keep,
                workshop,
            };
            if !linking.is_linked()? {
                let entered = self.runnable("Java", "java-modules")?;
                let title = format!("link Java {} of {} modules", link.java, link.modules.len());
                self.task(&title, || Ok(linking.run(entered)?))?;
            }
            Ok(Some(linking.key()?))
        })
    }

    /// The key of Python's compiled modules, if the base has any; they are compiled now, unless that was done.
    pub(super) fn compiled(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
    ) -> Result<Option<String>, BoxError> {
        if !Making::of(request.levels, &kept(request)).byte_code {
            return Ok(None);
        }
        self.in_workshop(request, lock, |workshop| {
            let compiling = ByteCodeRequest { workshop };
            if !compiling.is_compiled()? {
                let entered = self.runnable("Python", "python-plain")?;
                self.task("compile Python's modules", || Ok(compiling.run(entered)?))?;
            }
            Ok(compiling.key()?)
        })
    }

    /// Where programs can be run. `slice` is what goes without.
    fn runnable(&self, program: &str, slice: &str) -> Result<&Entered, BoxError> {
        self.entered.ok_or_else(|| {
            format!("this host does not let us run {program}: `jettison doctor` says why; --keep {slice} takes the package's files as they are").into()
        })
    }

    /// Does `work` where programs of the lock's packages can be run.
    fn in_workshop<T>(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
        work: impl FnOnce(Workshop<'_>) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let http = self.http();
        work(Workshop {
            lock,
            architecture: &request.architecture,
            host: &host()?,
            downloads: &DownloadCache::open(self.store.root(), &http, self.reporter)?,
            snapshots: self.settings.debian.snapshot.as_ref(),
            unpacked: &self.unpacked(),
        })
    }

    /// The modules of Java that programs in `jars` need, and those that were asked for.
    pub(crate) fn needed_modules(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
        (jars, asked): (&[PathBuf], &BTreeSet<String>),
    ) -> Result<NeededModules, BoxError> {
        let link = request.levels.link().ok_or("the recipe links no Java")?;
        let entered = self.runnable("Java", "java-modules")?;
        self.in_workshop(request, lock, |workshop| {
            let linking = LinkRequest {
                link,
                keep: &BTreeSet::new(),
                workshop,
            };
            let title = format!("look into {} jars", jars.len());
            self.task(&title, || {
                Ok(needed_modules(&linking, jars, asked, entered)?)
            })
        })
    }
}

/// Debian's name of this host's architecture.
fn host() -> Result<Architecture, BoxError> {
    let name = Surroundings::architecture();
    debian_architecture(&name, None)
        .ok_or_else(|| format!("Debian has no packages for this host, which is {name}").into())
}

/// The slices that are kept, by the command line or by a recipe.
fn kept(request: &FamilyRequest<'_>) -> BTreeSet<String> {
    let of_recipes = request
        .levels
        .levels
        .iter()
        .flat_map(|(_, part)| &part.keep);
    request.keep.iter().chain(of_recipes).cloned().collect()
}

//! What programs make for bases: Java runtimes that are linked, modules of Python that are compiled.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jettison_debian::Lock;
use jettison_sandbox::Entered;
use jettison_slim::{
    ByteCodeRequest, Generator, LinkRequest, LocalPackage, NeededModules, debian_architecture,
    needed_modules,
};

use crate::family::{BoxError, Family, FamilyRequest};
use crate::surroundings::Surroundings;

impl Family<'_> {
    /// The key of the Java runtime that is linked for the base, if one is; it is linked now, unless that was done.
    pub(super) fn linked(
        &self,
        request: &FamilyRequest<'_>,
        packages: &[LocalPackage],
    ) -> Result<Option<String>, BoxError> {
        let keep = kept(request);
        let Some(link) = request.levels.link() else {
            return Ok(None);
        };
        if keep.contains("java-modules") {
            return Ok(None);
        }
        let unpacked = self.unpacked();
        let linking = LinkRequest {
            link,
            packages,
            architecture: &request.architecture,
            keep: &keep,
            unpacked: &unpacked,
        };
        if !linking.is_linked()? {
            let entered = self.entered(request)?;
            let title = format!("link Java {} of {} modules", link.java, link.modules.len());
            self.task(&title, || Ok(linking.run(entered)?))?;
        }
        Ok(Some(linking.key()?))
    }

    /// The key of Python's compiled modules, if the base has any; they are compiled now, unless that was done.
    pub(super) fn compiled(
        &self,
        request: &FamilyRequest<'_>,
        packages: &[LocalPackage],
    ) -> Result<Option<String>, BoxError> {
        let parts = request.levels.levels.iter();
        let is_asked = parts
            .flat_map(|(_, part)| &part.generate)
            .any(|generator| *generator == Generator::ByteCode);
        if !is_asked || kept(request).contains("python-plain") {
            return Ok(None);
        }
        let unpacked = self.unpacked();
        let compiling = ByteCodeRequest {
            packages,
            unpacked: &unpacked,
        };
        if !compiling.is_compiled() {
            let entered = self.runnable(request, "Python", "python-plain")?;
            self.task("compile Python's modules", || Ok(compiling.run(entered)?))?;
        }
        Ok(compiling.key())
    }

    /// Where the JDK of the base's architecture can be run.
    fn entered(&self, request: &FamilyRequest<'_>) -> Result<&Entered, BoxError> {
        self.runnable(request, "Java", "java-modules")
    }

    /// Where programs of the base's architecture can be run. `slice` is what goes without.
    fn runnable(
        &self,
        request: &FamilyRequest<'_>,
        program: &str,
        slice: &str,
    ) -> Result<&Entered, BoxError> {
        let host = debian_architecture(&Surroundings::architecture(), None);
        if host.as_ref() != Some(&request.architecture) {
            return Err(format!(
                "{program} for {} can be run on a host of that architecture alone: --keep {slice} takes the package's files as they are",
                request.architecture
            )
            .into());
        }
        self.entered.ok_or_else(|| {
            format!("this host does not let us run {program}: `jettison doctor` says why; --keep {slice} takes the package's files as they are").into()
        })
    }

    /// The modules of Java that programs in `jars` need.
    pub(crate) fn needed_modules(
        &self,
        request: &FamilyRequest<'_>,
        lock: &Lock,
        jars: &[PathBuf],
    ) -> Result<NeededModules, BoxError> {
        let link = request.levels.link().ok_or("the recipe links no Java")?;
        let packages = self.packages(request, lock)?;
        let linking = LinkRequest {
            link,
            packages: &packages,
            architecture: &request.architecture,
            keep: &BTreeSet::new(),
            unpacked: &self.unpacked(),
        };
        let entered = self.entered(request)?;
        let title = format!("look into {} jars", jars.len());
        self.task(&title, || Ok(needed_modules(&linking, jars, entered)?))
    }
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

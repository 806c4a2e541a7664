//! Java runtimes that are linked for bases.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jettison_debian::Lock;
use jettison_sandbox::Entered;
use jettison_slim::{
    LinkRequest, LocalPackage, NeededModules, debian_architecture, needed_modules,
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
        let keep: BTreeSet<String> = request.keep.iter().cloned().collect();
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

    /// Where the JDK of the base's architecture can be run.
    fn entered(&self, request: &FamilyRequest<'_>) -> Result<&Entered, BoxError> {
        let host = debian_architecture(&Surroundings::architecture(), None);
        if host.as_ref() != Some(&request.architecture) {
            return Err(format!(
                "Java for {} can be linked on a host of that architecture alone: --keep java-modules takes the package's runtime as it is",
                request.architecture
            )
            .into());
        }
        self.entered.ok_or_else(|| {
            "this host does not let us run the program that links Java: `jettison doctor` says why; --keep java-modules takes the package's runtime as it is".into()
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

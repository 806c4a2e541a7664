//! `debian://` bases: root filesystems that dpkg installs.

use jettison_build::Engine;
use jettison_debian::{Architecture, Lock};
use jettison_oci::Image;
use jettison_slim::{
    AssembleRequest, DebianBase, assemble, base_reference, base_request, choose_base,
};

use crate::family::{BoxError, Family, Making, Pinning, Wanted};

impl Family<'_> {
    /// The base as it was assembled last by this program of the same packages; else it is assembled now.
    pub(crate) fn debian(
        &self,
        engine: &Engine<'_>,
        base: &DebianBase,
        pinning: &Pinning,
    ) -> Result<Image, BoxError> {
        let architecture = &Architecture::of_rust(std::env::consts::ARCH)
            .ok_or("Debian has no packages for this host's processor")?;
        let title = base.to_string();
        self.make(
            &Making {
                wanted: debian_wanted(base, &title, architecture),
                suite: &base.suite,
                resolve: &|| self.resolve_debian(base, architecture),
                reference: &|packages| base_reference(base, architecture, packages),
                assemble: &|lock| self.install(engine, base, architecture, lock),
            },
            pinning,
        )
    }

    /// The newest packages of the base.
    pub(crate) fn resolve_debian(
        &self,
        base: &DebianBase,
        architecture: &Architecture,
    ) -> Result<Lock, BoxError> {
        let universe = self.universe(&base.suite, architecture)?;
        Ok(choose_base(&universe, base)?)
    }

    fn install(
        &self,
        engine: &Engine<'_>,
        base: &DebianBase,
        architecture: &Architecture,
        lock: &Lock,
    ) -> Result<Image, BoxError> {
        let wanted = lock.packages(architecture).unwrap_or_default();
        let local = self.local(lock, wanted)?;
        let files: Vec<_> = local.into_iter().map(|package| package.path).collect();
        let request = AssembleRequest {
            base,
            lock,
            architecture,
            files: &files,
        };
        Ok(assemble(engine, &request, self.reporter)?.image)
    }
}

/// What is to be locked for a base that is called `title`.
pub(crate) fn debian_wanted<'w>(
    base: &DebianBase,
    title: &'w str,
    architecture: &'w Architecture,
) -> Wanted<'w> {
    Wanted {
        title,
        request: base_request(base),
        architecture,
    }
}

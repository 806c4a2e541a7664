//! An image that is used here: from the store, or from its registry.

use jettison_dockerfile::Platform;
use jettison_oci::{Image, LayerNeed, Naming, PlatformNeed, PullRequest, Reference, Store};

use crate::cli::{ImageArgs, ProgressKind, PullWhen};
use crate::commands::load::is_for;
use crate::commands::{layers, lookup, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::progress::{Progress, Reasons};
use crate::registry::{PARALLEL, Registries, registry_failure};
use crate::surroundings::Surroundings;

/// The image that is asked for.
pub(super) struct Wanted<'w> {
    pub(super) name: &'w str,
    pub(super) args: &'w ImageArgs,
    pub(super) progress: ProgressKind,
}

impl Wanted<'_> {
    /// The image with all of its layers: that of the store, or it is pulled, as the command line says.
    pub(super) fn get(
        &self,
        store: &Store,
        surroundings: &Surroundings,
        output: &mut Output,
    ) -> Result<Image, Failure> {
        let found = match self.args.pull {
            PullWhen::Always => None,
            PullWhen::Missing | PullWhen::Never => self.find(store)?,
        };
        if let Some(image) = found {
            return layers::complete(store, &image, self.name, (self.kind(), surroundings));
        }
        // What is no name is the beginning of an ID at most, which no registry knows.
        let reference: Option<Reference> = self.name.parse().ok();
        match (self.args.pull, reference) {
            (PullWhen::Always | PullWhen::Missing, Some(reference)) => {
                self.pull(store, &reference, surroundings, output)
            }
            (PullWhen::Never, _) | (_, None) => Err(lookup::no_such_image(self.name)),
        }
    }

    /// How it is shown what is fetched.
    fn kind(&self) -> ProgressKind {
        if self.args.quiet {
            ProgressKind::Quiet
        } else {
            self.progress
        }
    }

    /// The image of the store, if it is for the platform that was said.
    fn find(&self, store: &Store) -> Result<Option<Image>, Failure> {
        let found = lookup::look_up(store, self.name)?.map(|found| found.image);
        let said = self.args.platform.platform.as_deref();
        let Some(platform) = said.filter(|text| !text.is_empty() && *text != "local") else {
            return Ok(found);
        };
        let platform = Platform::parse(platform, &Surroundings::architecture())
            .map_err(|error| {
                Failure::user(format!("cannot use platform {platform}")).because(&error)
            })?
            .normalized();
        Ok(found.filter(|image| is_for(image, &platform)))
    }

    fn pull(
        &self,
        store: &Store,
        reference: &Reference,
        surroundings: &Surroundings,
        output: &mut Output,
    ) -> Result<Image, Failure> {
        let kind = self.kind();
        let platform = world::oci_platform(self.args.platform.platform.as_deref())?;
        let settings = world::user_settings(surroundings)?;
        let registries = Registries::new(&settings.registries, surroundings, PARALLEL);
        let client = registries.client();
        let name = reference.familiar();
        let shows = match kind {
            ProgressKind::Auto | ProgressKind::Tty | ProgressKind::Plain => true,
            ProgressKind::Quiet | ProgressKind::None | ProgressKind::Rawjson => false,
        };
        // Docker's words (docker/cli: `createContainer`, cli/command/container/create.go).
        if shows && self.args.pull == PullWhen::Missing {
            let text = format!("Unable to find image '{name}' locally");
            output.note(Look::Plain, &text);
        }
        let request = PullRequest {
            reference,
            platform: &platform,
            platform_need: match self.args.platform.platform {
                Some(_) => PlatformNeed::Exact,
                None => PlatformNeed::Preferred,
            },
            naming: Naming::Named,
            layers: LayerNeed::Now,
        };
        let progress = Progress::new(kind, Reasons::Untold);
        let pulled = client.pull(store, &request, &progress);
        drop(progress);
        let pulled = pulled.map_err(|error| {
            registry_failure(format!("cannot pull {name}"), &error)
                .hint("`jettison images` lists the images that are here")
        })?;
        if shows {
            output.note(Look::Plain, &format!("Digest: {}", pulled.digest));
        }
        Ok(pulled.image)
    }
}

//! What a build is made of that is not on the command line itself: its context, secrets, and what is remote.

use std::io;
use std::path::{Path, PathBuf};

use jettison_build::Secrets;
use jettison_oci::Owners;
use jettison_sandbox::{Entered, IdMapKind};

use crate::cli::BuildArgs;
use crate::commands::world;
use crate::failure::Failure;
use crate::remote::{ContextRequest, ContextSources, HostRemotes, OpenedContext, Reach, open};
use crate::secrets::HostSecrets;
use crate::surroundings::Surroundings;

/// Everything that lasts as long as the build.
pub(super) struct Sources {
    reach: Reach,
    secrets: HostSecrets,
    root: PathBuf,
}

impl Sources {
    /// Reads the options about secrets and the network.
    pub(super) fn of(
        args: &BuildArgs,
        surroundings: &Surroundings,
        root: &Path,
    ) -> Result<Sources, Failure> {
        let mut variables = surroundings.variables.clone();
        // A proxy that is given to the build is one for the build.
        let build_args = world::build_args(&args.input.build_args, surroundings);
        variables.extend(jettison_build::proxies(&build_args));
        let ca = args.commands.ca.as_ref().filter(|ca| *ca != "host");
        let secrets = HostSecrets::of(
            &args.commands.secrets,
            &args.commands.ssh,
            &surroundings.variables,
            root,
        )?;
        Ok(Sources {
            reach: Reach {
                variables,
                ca: ca.map(PathBuf::from),
            },
            secrets,
            root: root.to_path_buf(),
        })
    }

    /// What is fetched for the build.
    pub(super) fn remotes(&self) -> HostRemotes<'_> {
        HostRemotes::new(&self.root, &self.reach, &self.secrets)
    }

    pub(super) fn secrets(&self) -> &dyn Secrets {
        &self.secrets
    }

    /// Opens the context, to whose archives `entered` gives owners.
    pub(super) fn context(
        &self,
        args: &BuildArgs,
        remotes: &HostRemotes<'_>,
        entered: Option<&Entered>,
    ) -> Result<OpenedContext, Failure> {
        let owners = match entered.map(|entered| entered.ids) {
            Some(IdMapKind::SingleId) | None => Owners::Squash,
            Some(_) => Owners::Preserve,
        };
        let context = args.input.context.to_string_lossy();
        let file = args.input.file.as_ref().map(|file| file.to_string_lossy());
        let request = ContextRequest {
            context: &context,
            file: file.as_deref(),
            keep_git_dir: keeps_git_dir(&args.input.build_args),
            owners,
        };
        let mut sources = ContextSources {
            remotes,
            stdin: &mut io::stdin(),
            root: &self.root,
        };
        open(&request, &mut sources)
    }
}

/// Whether the context has to be fetched or unpacked.
pub(super) fn is_made(args: &BuildArgs) -> bool {
    !args.input.context.is_dir()
}

/// BuildKit: `keyContextKeepGitDirArg`, dockerui/config.go.
fn keeps_git_dir(build_args: &[String]) -> bool {
    build_args
        .iter()
        .rev()
        .find_map(|argument| argument.strip_prefix("BUILDKIT_CONTEXT_KEEP_GIT_DIR="))
        .is_some_and(|value| ["1", "t", "T", "TRUE", "true", "True"].contains(&value))
}

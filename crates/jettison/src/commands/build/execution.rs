//! A build itself: everything read, given to the engine.

use jettison_build::{BuildRequest, Built, Engine};
use jettison_dockerfile::Platform;
use jettison_oci::RegistryClient;

use crate::bases::{Outside, SettingsBases};
use crate::cli::{BuildArgs, ProgressKind};
use crate::commands::build::named::Named;
use crate::commands::build::results::Results;
use crate::commands::build::{caches, options, outside};
use crate::commands::build_failure::build_failure;
use crate::commands::call;
use crate::commands::world::{self, Inputs};
use crate::failure::Failure;
use crate::progress::{Progress, Reasons};
use crate::registry::{LayerSupplier, Registries};
use crate::remote::{HostRemotes, OpenedContext};
use crate::secrets::HostSecrets;
use crate::surroundings::Surroundings;

/// A context that has been opened, and what was read in it.
pub(super) struct Prepared {
    pub(super) inputs: Inputs,
    pub(super) n_warnings: usize,
    /// What was unpacked for the build lasts as long as it.
    pub(super) opened: OpenedContext,
}

/// Reads what an opened context has, and says what is wrong with it.
pub(super) fn prepare(
    args: &BuildArgs,
    results: &Results<'_>,
    opened: OpenedContext,
    surroundings: &Surroundings,
) -> Result<Prepared, Failure> {
    let location = outside::location(&opened);
    results.check(&location.dockerfile)?;
    let context = opened
        .build_context()
        .map_err(|error| build_failure(&error, &opened.source))?;
    let read = (context, opened.source.clone());
    let mut inputs = world::inputs_of(&args.input, read, &opened.root, surroundings)?;
    options::add(args, &mut inputs.lower);
    let n_warnings = call::warnings_before_build(&location, &inputs.source, args, surroundings)?;
    Ok(Prepared {
        inputs,
        n_warnings,
        opened,
    })
}

/// What a build has.
pub(super) struct Build<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) inputs: &'a Inputs,
    pub(super) opened: &'a OpenedContext,
    pub(super) args: &'a BuildArgs,
    pub(super) progress: ProgressKind,
    pub(super) named: &'a Named,
    pub(super) remotes: &'a HostRemotes<'a>,
    pub(super) secrets: &'a HostSecrets,
    pub(super) registries: &'a Registries,
    pub(super) client: &'a RegistryClient<'a>,
    pub(super) supplier: &'a LayerSupplier<'a>,
    pub(super) outside: Outside,
}

impl Build<'_> {
    /// Builds for each platform, or for none in particular.
    pub(super) fn all(&self, platforms: &[Platform]) -> Result<Vec<Built>, Failure> {
        if platforms.is_empty() {
            return Ok(vec![self.one(None)?]);
        }
        let platforms = platforms.iter().cloned().map(Some);
        platforms.map(|platform| self.one(platform)).collect()
    }

    fn one(&self, platform: Option<Platform>) -> Result<Built, Failure> {
        let Build { inputs, args, .. } = self;
        let reasons = if args.cache.explain {
            Reasons::Told
        } else {
            Reasons::Untold
        };
        // What changes on a terminal by itself would disturb the shell.
        let kind = match self.progress {
            ProgressKind::Auto | ProgressKind::Tty if args.commands.shell_on_failure => {
                ProgressKind::Plain
            }
            other => other,
        };
        let progress = Progress::new(kind, reasons);
        self.supplier.tell(progress.transfers());
        let bases = SettingsBases::new(
            self.engine,
            &progress,
            &inputs.settings,
            &args.input,
            self.outside.clone(),
        )
        .with_registries(self.registries)
        .with_layouts(self.named.layouts())
        .with_times(self.opened.time, self.remotes);
        let imports = caches::open(&args.cache.cache_from, self.client, &progress);
        let settings = inputs.settings.build.jobs.map(u16::from);
        let jobs = args.commands.jobs.or(settings);
        let mut lower = inputs.lower.clone();
        lower.target_platform = platform;
        let request = BuildRequest {
            place: outside::place(args, self.opened),
            named: self.named.directories(),
            remotes: self.remotes,
            secrets: self.secrets,
            cache_from: imports.steps(),
            mounts_from: imports.mounts(),
            keep: caches::keep(&args.cache.cache_to),
            cache: inputs.cache,
            created: inputs.created.clone(),
            jobs: jobs.map(usize::from),
            shell_on_failure: args.commands.shell_on_failure,
            ..BuildRequest::new(&inputs.source.text, &inputs.context, lower)
        };
        self.engine
            .build(&request, &bases, &progress)
            .map_err(|error| {
                progress.fail();
                let failure = build_failure(&error, &inputs.source);
                if self.remotes.lacks_git() {
                    failure.of_host().hint("install git")
                } else {
                    failure
                }
            })
    }
}

//! What a build takes from outside: its context, the network, secrets.

use std::io;
use std::path::{Path, PathBuf};

use jettison_build::{Certificates, CertificatesError};
use jettison_dockerfile::GitReference;
use jettison_oci::Owners;
use jettison_sandbox::{Entered, IdMapKind};

use crate::bases::Outside;
use crate::cli::BuildArgs;
use crate::commands::dockerfile::Location;
use crate::commands::world;
use crate::failure::Failure;
use crate::remote::{
    ContextKind, ContextRequest, ContextSources, HOST_CERTIFICATES, HostRemotes, OpenedContext,
    Reach, open,
};
use crate::secrets::HostSecrets;
use crate::settings::Settings;
use crate::source::STDIN;
use crate::surroundings::Surroundings;
use crate::text_file;

/// The build argument that keeps a repository's `.git` in the context.
const KEEP_GIT_DIR: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";

/// The largest file of certificates that is read.
const CERTIFICATES_LIMIT: u64 = 10 << 20;

/// The secrets and agents that the command line names.
pub(in crate::commands) fn secrets(
    args: &BuildArgs,
    surroundings: &Surroundings,
    root: &Path,
) -> Result<HostSecrets, Failure> {
    let mut agents = args.commands.ssh.clone();
    // A context that is fetched by SSH needs the agent (buildx: `IsGitSSH`, util/buildflags).
    let context = args.input.context.to_string_lossy();
    let needs_agent = context.starts_with("git@") || context.starts_with("ssh://");
    if agents.is_empty() && needs_agent && surroundings.variables.contains_key("SSH_AUTH_SOCK") {
        agents.push("default".to_string());
    }
    HostSecrets::of(
        &args.commands.secrets,
        &agents,
        &surroundings.variables,
        root,
    )
}

/// How servers are reached: by the proxies of the environment, or those that build arguments name.
pub(in crate::commands) fn reach(args: &BuildArgs, surroundings: &Surroundings) -> Reach {
    let mut variables = surroundings.variables.clone();
    let build_args = world::build_args(&args.input.build_args, surroundings);
    variables.extend(jettison_build::proxies(&build_args));
    let reach = Reach {
        variables,
        ca: None,
    };
    reach.or_ca(args.commands.ca.as_deref())
}

/// What bases from packages need: servers are reached as others are, and by what the settings trust.
pub(in crate::commands) fn of_packages(
    reach: &Reach,
    settings: &Settings,
    surroundings: &Surroundings,
) -> Outside {
    Outside {
        now: surroundings.now,
        reach: reach.clone().or_ca(settings.build.ca.as_deref()),
    }
}

/// The certificates that commands trust besides those of their images.
pub(in crate::commands) fn certificates(
    ca: Option<&str>,
    reach: &Reach,
) -> Result<Option<Certificates>, Failure> {
    let Some(ca) = ca else {
        return Ok(None);
    };
    let path = match ca {
        HOST_CERTIFICATES => reach.host_bundle().ok_or_else(|| {
            Failure::host("this host has no file of certificates")
                .hint("install ca-certificates, or give a file: --ca FILE")
        })?,
        file => PathBuf::from(file),
    };
    let text = text_file::read(&path, CERTIFICATES_LIMIT)?;
    text.parse().map(Some).map_err(|error: CertificatesError| {
        Failure::user(format!("cannot use the certificates in {}", path.display())).because(&error)
    })
}

/// Says whether the context is one that has to be fetched or unpacked.
pub(in crate::commands) fn is_elsewhere(args: &BuildArgs) -> bool {
    let path = &args.input.context;
    let text = path.to_string_lossy();
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    !path.is_dir()
        && (text == STDIN || is_url || path.is_file() || GitReference::parse(&text).is_some())
}

/// Opens the context and reads the Dockerfile.
pub(in crate::commands) fn context(
    args: &BuildArgs,
    remotes: &HostRemotes<'_>,
    root: &Path,
    owners: Owners,
) -> Result<OpenedContext, Failure> {
    if is_elsewhere(args) {
        world::create_root(root)?;
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let context = text(&args.input.context);
    let file = args.input.file.as_deref().map(text);
    let keeps = args.input.build_args.iter().find_map(|argument| {
        let value = argument.strip_prefix(KEEP_GIT_DIR)?.strip_prefix('=')?;
        crate::cli::switch(value).ok()
    });
    let request = ContextRequest {
        context: &context,
        file: file.as_deref(),
        keep_git_dir: keeps.unwrap_or(false),
        owners,
    };
    let mut stdin = io::stdin().lock();
    let mut sources = ContextSources {
        remotes,
        stdin: &mut stdin,
        root,
    };
    open(&request, &mut sources)
}

/// What a context is called that is unpacked somewhere else in each build; `None` for a directory.
pub(super) fn place(args: &BuildArgs, opened: &OpenedContext) -> Option<String> {
    let context = &args.input.context;
    let is_file = || context.is_file();
    (opened.kind != ContextKind::Directory).then(|| {
        let path = Some(context).filter(|_| is_file());
        let path = path.and_then(|path| std::path::absolute(path).ok());
        path.as_ref().unwrap_or(context).display().to_string()
    })
}

/// Whose the files of an archive become.
pub(in crate::commands) fn owners(entered: &Entered) -> Owners {
    match entered.ids {
        IdMapKind::SingleId => Owners::Squash,
        IdMapKind::Root => Owners::Preserve,
        // An archive can name IDs that nobody was given.
        IdMapKind::SubordinateIds { .. } => Owners::WhereMapped,
    }
}

/// Where the Dockerfile and its ignore file are.
pub(in crate::commands) fn location(opened: &OpenedContext) -> Location {
    let is_directory = opened.kind == ContextKind::Directory;
    Location {
        dockerfile: opened
            .dockerfile
            .clone()
            .unwrap_or_else(|| PathBuf::from(&opened.source.path)),
        context: is_directory.then(|| opened.root.clone()),
    }
}

//! The build context and the Dockerfile that a command line names (buildx: `loadInputs`, build/opt.go; BuildKit:
//! `initContext`, dockerui/context.go).

mod dockerfile;

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use jettison_build::{
    BuildContext, BuildError, FileRequest, GitMtime, GitRequest, RemoteError, RemoteFile, Remotes,
};
use jettison_dockerfile::GitReference;
use jettison_oci::Owners;

use crate::failure::Failure;
use crate::remote::archive::{HEADER, is_archive, unpack};
use crate::remote::context::dockerfile::DockerfileAt;
use crate::remote::hosts::is_hosts_fault;
use crate::remote::temporary::TemporaryDir;
use crate::source::{STDIN, Source};

/// The name that a downloaded file has in its context, as BuildKit calls it.
pub(crate) const DOWNLOADED: &str = "context";

/// What the command line says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContextRequest<'a> {
    /// A directory, the address of a repository or a file, an archive, or `-`.
    pub(crate) context: &'a str,
    /// `-f`: a path, a URL or `-`.
    pub(crate) file: Option<&'a str>,
    /// Whether a repository's `.git` is part of the context (`BUILDKIT_CONTEXT_KEEP_GIT_DIR`).
    pub(crate) keep_git_dir: bool,
    /// Whose the files of archives become.
    pub(crate) owners: Owners,
}

/// What contexts are taken from.
pub(crate) struct ContextSources<'a> {
    pub(crate) remotes: &'a dyn Remotes,
    pub(crate) stdin: &'a mut dyn Read,
    /// The directory for everything.
    pub(crate) root: &'a Path,
}

/// A context that can be built in. What was unpacked for it is removed with it.
#[derive(Debug)]
pub(crate) struct OpenedContext {
    /// The directory.
    pub(crate) root: PathBuf,
    /// What it was made of.
    pub(crate) kind: ContextKind,
    /// The time of it as a whole, in Unix seconds: of the commit, or the download.
    pub(crate) time: Option<i64>,
    /// The Dockerfile.
    pub(crate) source: Source,
    /// Where the Dockerfile is, if it is a file of the host that can have an ignore file beside it.
    pub(crate) dockerfile: Option<PathBuf>,
    _temporary: Option<TemporaryDir>,
}

/// What a context was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContextKind {
    /// A directory of the host. Its files count as root's, and it has an ignore file.
    Directory,
    /// Nothing: it is empty.
    Nothing,
    /// An archive. Its files belong to whom it says.
    Archive,
    /// A commit of a repository.
    Repository,
    /// One file, called `context`, which is the Dockerfile as well.
    File,
}

impl OpenedContext {
    /// The context as the engine takes it.
    pub(crate) fn build_context(&self) -> Result<BuildContext, BuildError> {
        match (self.kind, &self.dockerfile) {
            (ContextKind::Directory, Some(dockerfile)) => {
                BuildContext::open(&self.root, dockerfile)
            }
            (ContextKind::Directory, None) => BuildContext::named(&self.root),
            (ContextKind::Archive, _) => BuildContext::unpacked(&self.root),
            (ContextKind::Nothing | ContextKind::Repository | ContextKind::File, _) => {
                BuildContext::unfiltered(&self.root)
            }
        }
    }
}

/// A context whose Dockerfile has not been looked for.
struct Found {
    root: PathBuf,
    kind: ContextKind,
    time: Option<i64>,
    temporary: Option<TemporaryDir>,
    /// Where the Dockerfile is if nobody says something else.
    usual: DockerfileAt,
}

/// Opens what the command line names.
pub(crate) fn open(
    request: &ContextRequest<'_>,
    sources: &mut ContextSources<'_>,
) -> Result<OpenedContext, Failure> {
    let found = find(request, sources)?;
    let at = match (&found.kind, request.file) {
        (_, Some(STDIN)) => DockerfileAt::Stdin,
        (_, Some(url)) if is_url(url) => DockerfileAt::Url(url.to_owned()),
        (ContextKind::Directory, Some(path)) => DockerfileAt::Host(PathBuf::from(path)),
        // A path that goes for the host alone.
        (ContextKind::Repository | ContextKind::File, Some(path)) if path.starts_with('/') => {
            DockerfileAt::Host(PathBuf::from(path))
        }
        (ContextKind::Repository | ContextKind::Archive, Some(path)) => {
            DockerfileAt::Inside(PathBuf::from(path))
        }
        (ContextKind::File | ContextKind::Nothing, Some(_)) | (_, None) => found.usual,
    };
    let (source, dockerfile) = at.read(&found.root, request.context, sources)?;
    Ok(OpenedContext {
        root: found.root,
        kind: found.kind,
        time: found.time,
        source,
        dockerfile,
        _temporary: found.temporary,
    })
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn find(request: &ContextRequest<'_>, sources: &mut ContextSources<'_>) -> Result<Found, Failure> {
    let context = request.context;
    if context == STDIN {
        return find_in_stdin(request, sources);
    }
    let path = Path::new(context);
    if path.is_dir() {
        return Ok(Found {
            root: path.to_path_buf(),
            kind: ContextKind::Directory,
            time: None,
            temporary: None,
            usual: DockerfileAt::Default,
        });
    }
    match GitReference::parse(context) {
        Some(Ok(reference)) => return find_in_repository(&reference, request, sources),
        Some(Err(error)) => {
            return Err(Failure::user(format!(
                "cannot use the build context {context}: {error}"
            )));
        }
        None => {}
    }
    if is_url(context) {
        return find_at_url(context, request.owners, sources);
    }
    if path.is_file() {
        return find_in_file(path, request.owners, sources);
    }
    Err(Failure::user(format!(
        "unable to prepare context: path {context:?} not found"
    )))
}

fn find_in_stdin(
    request: &ContextRequest<'_>,
    sources: &mut ContextSources<'_>,
) -> Result<Found, Failure> {
    if request.file == Some(STDIN) {
        let text = "invalid argument: can't use stdin for both build context and dockerfile";
        return Err(Failure::user(text));
    }
    let (header, is_archive) = peek(sources.stdin)
        .map_err(|error| Failure::user("cannot read standard input").because(&error))?;
    let temporary = temporary(sources.root)?;
    let root = temporary.path().join("context");
    if !is_archive {
        if header.is_empty() {
            return Err(Failure::user("standard input is empty")
                .hint("give a Dockerfile on it, or an archive with one in it"));
        }
        if request.file.is_some() {
            return Err(Failure::user(
                "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles",
            ));
        }
        make_dir(&root)?;
        return Ok(Found {
            root,
            kind: ContextKind::Nothing,
            time: None,
            temporary: Some(temporary),
            usual: DockerfileAt::StdinAfter(header),
        });
    }
    let reader = Cursor::new(header).chain(&mut *sources.stdin);
    unpack_to(reader, &root, request.owners, "standard input")?;
    Ok(archive(root, temporary, None))
}

fn find_in_file(
    path: &Path,
    owners: Owners,
    sources: &ContextSources<'_>,
) -> Result<Found, Failure> {
    let name = path.display().to_string();
    let fail = |error: &std::io::Error| Failure::user(format!("cannot read {name}")).because(error);
    let mut file = File::open(path).map_err(|error| fail(&error))?;
    let (header, is_archive) = peek(&mut file).map_err(|error| fail(&error))?;
    if !is_archive {
        return Err(Failure::user(format!(
            "the build context {name} is neither a directory nor an archive"
        ))
        .hint(format!(
            "to build a Dockerfile of another name: -f {name} DIRECTORY"
        )));
    }
    let temporary = temporary(sources.root)?;
    let root = temporary.path().join("context");
    unpack_to(Cursor::new(header).chain(file), &root, owners, &name)?;
    Ok(archive(root, temporary, None))
}

fn find_at_url(url: &str, owners: Owners, sources: &ContextSources<'_>) -> Result<Found, Failure> {
    let request = FileRequest {
        url: url.to_owned(),
        checksum: None,
    };
    let downloaded = sources
        .remotes
        .file(&request)
        .map_err(|error| of_remote("cannot get the build context", &error))?;
    let name = downloaded.path.display();
    let fail = |error: &std::io::Error| Failure::user(format!("cannot read {name}")).because(error);
    let mut file = File::open(&downloaded.path).map_err(|error| fail(&error))?;
    let (header, is_archive) = peek(&mut file).map_err(|error| fail(&error))?;
    let temporary = temporary(sources.root)?;
    let root = temporary.path().join("context");
    if is_archive {
        let shown = crate::remote::address::redacted(url);
        unpack_to(Cursor::new(header).chain(file), &root, owners, &shown)?;
        return Ok(archive(root, temporary, downloaded.last_modified));
    }
    copy_of_download(&downloaded, &root, DOWNLOADED)?;
    Ok(Found {
        root,
        kind: ContextKind::File,
        time: downloaded.last_modified,
        temporary: Some(temporary),
        usual: DockerfileAt::Inside(PathBuf::from(DOWNLOADED)),
    })
}

fn find_in_repository(
    reference: &GitReference,
    request: &ContextRequest<'_>,
    sources: &ContextSources<'_>,
) -> Result<Found, Failure> {
    let mut wanted = GitRequest::of(reference);
    wanted.keep_git_dir |= request.keep_git_dir;
    wanted.mtime = reference.mtime.unwrap_or(GitMtime::Commit);
    let checkout = sources
        .remotes
        .git(&wanted)
        .map_err(|error| of_remote("cannot get the build context", &error))?;
    Ok(Found {
        root: checkout.dir,
        kind: ContextKind::Repository,
        time: Some(checkout.commit_time),
        temporary: None,
        usual: DockerfileAt::InsideDefault,
    })
}

/// Makes `dir` with a copy of a downloaded file in it.
pub(crate) fn copy_of_download(
    downloaded: &RemoteFile,
    dir: &Path,
    name: &str,
) -> Result<(), Failure> {
    make_dir(dir)?;
    let path = dir.join(name);
    let time = u64::try_from(downloaded.last_modified.unwrap_or_default()).unwrap_or_default();
    let time = UNIX_EPOCH + Duration::from_secs(time);
    // BuildKit: `save`, source/http.
    fs::copy(&downloaded.path, &path)
        .and_then(|_| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
        .and_then(|()| File::options().write(true).open(&path)?.set_modified(time))
        .map_err(|error| Failure::user(format!("cannot write {}", path.display())).because(&error))
}

fn archive(root: PathBuf, temporary: TemporaryDir, time: Option<i64>) -> Found {
    Found {
        root,
        kind: ContextKind::Archive,
        time,
        temporary: Some(temporary),
        usual: DockerfileAt::InsideDefault,
    }
}

/// The first bytes, and whether they are those of an archive.
fn peek(reader: &mut dyn Read) -> std::io::Result<(Vec<u8>, bool)> {
    let mut header = Vec::new();
    reader.take(HEADER as u64).read_to_end(&mut header)?;
    let is_archive = is_archive(&header);
    Ok((header, is_archive))
}

fn temporary(root: &Path) -> Result<TemporaryDir, Failure> {
    TemporaryDir::create(root).map_err(|error| {
        Failure::user(format!(
            "cannot make a temporary directory in {}",
            root.display()
        ))
        .because(&error)
    })
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::create_dir(dir)
        .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)))
        .map_err(|error| Failure::user(format!("cannot create {}", dir.display())).because(&error))
}

fn unpack_to(reader: impl Read, dir: &Path, owners: Owners, name: &str) -> Result<(), Failure> {
    make_dir(dir)?;
    unpack(reader, dir, owners)
        .map_err(|error| Failure::user(format!("cannot unpack {name}")).because(&error))
}

/// Why something remote could not be had.
pub(crate) fn of_remote(message: &str, error: &RemoteError) -> Failure {
    if is_hosts_fault(error.as_ref()) {
        Failure::host(message)
            .because(error.as_ref())
            .hint("install git, or check the repository out and give its directory")
    } else {
        Failure::user(message).because(error.as_ref())
    }
}

#[cfg(test)]
mod tests;

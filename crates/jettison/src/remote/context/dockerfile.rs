//! Where a Dockerfile is, and what is in it.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use jettison_build::{BuildContext, ContextTree, FileRequest};

use crate::commands::{DOCKERFILE_LIMIT, in_directory};
use crate::failure::Failure;
use crate::remote::address::redacted;
use crate::remote::context::{ContextSources, of_remote};
use crate::source::{STDIN, Source};
use crate::text_file;

/// Where a Dockerfile is.
#[derive(Debug)]
pub(super) enum DockerfileAt {
    /// On standard input.
    Stdin,
    /// On standard input, after some bytes that have been read.
    StdinAfter(Vec<u8>),
    Url(String),
    /// A path of the host.
    Host(PathBuf),
    /// `Dockerfile` in a directory of the host.
    Default,
    /// A path in a context that came from elsewhere.
    Inside(PathBuf),
    /// `Dockerfile` in such a context.
    InsideDefault,
}

impl DockerfileAt {
    /// Reads the Dockerfile of the context `root`, which the user calls `context`. Returns also where it is, if it is a
    /// file of the host.
    pub(super) fn read(
        self,
        root: &Path,
        context: &str,
        sources: &mut ContextSources<'_>,
    ) -> Result<(Source, Option<PathBuf>), Failure> {
        match self {
            DockerfileAt::Stdin => Ok((read_stdin(&mut *sources.stdin)?, None)),
            DockerfileAt::StdinAfter(header) => Ok((
                read_stdin(Cursor::new(header).chain(&mut *sources.stdin))?,
                None,
            )),
            DockerfileAt::Url(url) => Ok((download(url, sources)?, None)),
            DockerfileAt::Host(path) => {
                let path = with_either_name(path);
                let text = text_file::read(&path, DOCKERFILE_LIMIT)?;
                Ok((Source::new(path.display().to_string(), text), Some(path)))
            }
            DockerfileAt::Default => {
                let path = in_directory(root);
                let text = text_file::read(&path, DOCKERFILE_LIMIT)?;
                Ok((Source::new(path.display().to_string(), text), Some(path)))
            }
            DockerfileAt::Inside(path) => {
                let names = [path.clone(), lower(&path)];
                Ok((read_inside(root, context, &names)?, None))
            }
            DockerfileAt::InsideDefault => {
                let names = [PathBuf::from("Dockerfile"), PathBuf::from("dockerfile")];
                Ok((read_inside(root, context, &names)?, None))
            }
        }
    }
}

/// `Dockerfile` may be written small where it is.
fn with_either_name(path: PathBuf) -> PathBuf {
    let small = lower(&path);
    if !path.exists() && small.exists() {
        small
    } else {
        path
    }
}

/// The same path with `dockerfile` for `Dockerfile`.
fn lower(path: &Path) -> PathBuf {
    if path.file_name().is_some_and(|name| name == "Dockerfile") {
        path.with_file_name("dockerfile")
    } else {
        path.to_path_buf()
    }
}

fn read_stdin(reader: impl Read) -> Result<Source, Failure> {
    let text = text_file::read_from(reader, DOCKERFILE_LIMIT)?;
    Ok(Source::new(STDIN.to_owned(), text))
}

fn download(url: String, sources: &ContextSources<'_>) -> Result<Source, Failure> {
    let shown = redacted(&url);
    let request = FileRequest {
        url,
        checksum: None,
    };
    let file = sources
        .remotes
        .file(&request)
        .map_err(|error| of_remote("cannot get the Dockerfile", &error))?;
    let text = text_file::read(&file.path, DOCKERFILE_LIMIT)?;
    Ok(Source::new(shown, text))
}

/// Reads the first of some files that is there. Nothing leads out of `root`.
fn read_inside(root: &Path, context: &str, names: &[PathBuf]) -> Result<Source, Failure> {
    let name = names.first().map(|name| name.display().to_string());
    let name = name.unwrap_or_default();
    let fail = || {
        Failure::user(format!(
            "failed to read dockerfile: the build context {} has no file {name}",
            redacted(context)
        ))
    };
    let all = BuildContext::unfiltered(root).map_err(|error| fail().because(&error))?;
    let tree = ContextTree::open(&all).map_err(|error| fail().because(&error))?;
    let path = names
        .iter()
        .find_map(|name| tree.real(name).ok())
        .ok_or_else(fail)?;
    let text = text_file::read(&root.join(&path), DOCKERFILE_LIMIT)?;
    Ok(Source::new(path.display().to_string(), text))
}

//! What a build takes from other machines: files by URL and Git repositories. The network itself is the caller's.

use std::error::Error;
use std::path::PathBuf;

pub use jettison_dockerfile::GitMtime;
use jettison_dockerfile::GitReference;
use jettison_oci::Digest;

/// Why something remote could not be had.
pub type RemoteError = Box<dyn Error + Send + Sync>;

/// Fetches what a Dockerfile names by address. Called from any thread.
pub trait Remotes: Sync {
    /// The file at a URL. One that has not changed since it was last fetched costs one request; one whose digest is
    /// asked for and that is here already costs none.
    fn file(&self, request: &FileRequest) -> Result<RemoteFile, RemoteError>;

    /// The commit that a request stands for, without its files: what a cache key needs. The same value gives the
    /// same commit for the same request as long as it lives, so that a key and a checkout agree.
    fn commit(&self, request: &GitRequest) -> Result<GitCommit, RemoteError>;

    /// The files of a commit.
    fn git(&self, request: &GitRequest) -> Result<Checkout, RemoteError>;
}

/// A file to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// An `http` or `https` URL, as written. Credentials in it are never shown.
    pub url: String,
    /// What its bytes must hash to.
    pub checksum: Option<Digest>,
}

/// A file that has been downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it is. It does not change and is not to be changed.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The server's `Last-Modified`, in Unix seconds. BuildKit gives the copy this time, or 0 if there is none, and
    /// keeps it out of the cache key.
    pub last_modified: Option<i64>,
}

/// Files of a repository to check out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitRequest {
    /// The repository's address, as `git` takes it.
    pub remote: String,
    /// A branch, a tag, a full name such as `refs/heads/main`, or a commit; the default branch if absent.
    pub reference: Option<String>,
    /// The commit that it must be, or the beginning of it.
    pub checksum: Option<String>,
    /// Whether `checksum` is fetched as it is, without asking what the reference stands for.
    pub fetch_by_commit: bool,
    /// The directory of the repository whose files are wanted; all of them if absent.
    pub subdir: Option<String>,
    /// Whether `.git` comes along.
    pub keep_git_dir: bool,
    /// Whether submodules are checked out.
    pub submodules: Submodules,
    /// The modification times of the files.
    pub mtime: GitMtime,
}

/// What becomes of a repository's submodules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Submodules {
    /// They are checked out, and theirs.
    CheckOut,
    /// Their directories stay empty.
    Skip,
}

impl GitRequest {
    /// What `reference` asks for where nothing else is said. As builds are reproducible here, files have the time of
    /// their commit unless the reference asks for that of the checkout (BuildKit's default is the latter).
    pub fn of(reference: &GitReference) -> GitRequest {
        GitRequest {
            remote: reference.remote.clone(),
            reference: reference.reference.clone(),
            checksum: reference.checksum.clone(),
            fetch_by_commit: reference.fetch_by_commit,
            subdir: reference.subdir.clone(),
            keep_git_dir: reference.keep_git_dir.unwrap_or(false),
            submodules: match reference.submodules {
                Some(false) => Submodules::Skip,
                Some(true) | None => Submodules::CheckOut,
            },
            mtime: reference.mtime.unwrap_or(GitMtime::Commit),
        }
    }
}

/// What a request stands for at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitCommit {
    /// The full name of the branch or tag, such as `refs/heads/main`, or the commit if it was asked for by itself.
    pub reference: String,
    /// The commit; for an annotated tag whose `.git` is kept, the tag.
    pub commit: String,
}

/// Files of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The directory of the files: those of the wanted directory are right in it. Files have mode 0644 or 0755 and
    /// belong to whoever runs the build; they stand for files of root. It is not to be changed.
    pub dir: PathBuf,
    /// The commit.
    pub commit: String,
    /// When it was committed, in Unix seconds.
    pub commit_time: i64,
}

/// No remotes: everything is refused. For builds that must not leave the machine, and for tests.
#[derive(Clone, Copy, Debug)]
pub struct NoRemotes;

impl NoRemotes {
    fn refuse<T>(address: &str) -> Result<T, RemoteError> {
        Err(format!("{address} is remote, and this build fetches nothing").into())
    }
}

impl Remotes for NoRemotes {
    fn file(&self, request: &FileRequest) -> Result<RemoteFile, RemoteError> {
        NoRemotes::refuse(&request.url)
    }

    fn commit(&self, request: &GitRequest) -> Result<GitCommit, RemoteError> {
        NoRemotes::refuse(&request.remote)
    }

    fn git(&self, request: &GitRequest) -> Result<Checkout, RemoteError> {
        NoRemotes::refuse(&request.remote)
    }
}

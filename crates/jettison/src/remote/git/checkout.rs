//! The files of a commit.
//!
//! ```text
//! git/checkouts/<key>/files     the files; they appear by rename and do not change
//! git/checkouts/<key>/commit    the commit and its time
//! git/checkouts/<key>.new       one that is being made; its lock is held
//! git/checkouts/<key>.lock      held by whoever makes it
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use jettison_build::{Checkout, GitMtime, GitRequest, Submodules};
use jettison_oci::Digest;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

use crate::remote::address::redacted;
use crate::remote::git::GitError;
use crate::remote::git::mirror::{Mirror, format_of};
use crate::remote::git::program::{Place, Program};
use crate::remote::git::resolve::Resolved;
use crate::remote::lock::lock;

/// A name for all that a request and its commit say about the files.
pub(crate) fn key(request: &GitRequest, resolved: &Resolved) -> String {
    let GitRequest {
        remote,
        reference: _,
        checksum: _,
        fetch_by_commit: _,
        subdir,
        keep_git_dir,
        submodules,
        mtime,
    } = request;
    // Submodules can be relative to the remote, and `.git` names it.
    let reference = if *keep_git_dir {
        &resolved.reference
    } else {
        ""
    };
    let said = (remote, &resolved.object, reference, subdir, keep_git_dir);
    Digest::of(format!("{said:?} {submodules:?} {mtime:?}").as_bytes()).hex()
}

/// A checkout that is there already.
pub(crate) fn known(dir: &Path) -> Option<Checkout> {
    let text = fs::read_to_string(dir.join("commit")).ok()?;
    let (commit, time) = text.trim_end().split_once(' ')?;
    Some(Checkout {
        dir: dir.join("files"),
        commit: commit.to_owned(),
        commit_time: time.parse().ok()?,
    })
}

/// Notes that a checkout was used, for those who remove what nobody uses.
pub(crate) fn touch(dir: &Path) {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    // It is only older than it could be if that fails.
    utimensat(CWD, dir, &times, AtFlags::empty()).unwrap_or_default();
}

/// Where a checkout is made.
pub(crate) struct Making<'a> {
    pub(crate) program: &'a Program<'a>,
    pub(crate) mirror: &'a Mirror,
    pub(crate) request: &'a GitRequest,
    pub(crate) resolved: &'a Resolved,
}

/// Makes the checkout that is to be at `dir`, unless somebody else has.
pub(crate) fn make(making: &Making<'_>, dir: &Path) -> Result<Checkout, GitError> {
    let _lock = lock(&dir.with_extension("lock"))?;
    if let Some(checkout) = known(dir) {
        return Ok(checkout);
    }
    let new = dir.with_extension("new");
    for leftover in [&new, dir] {
        match fs::remove_dir_all(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(GitError::io("remove", leftover)(error));
            }
            _ => {}
        }
    }
    let made = making.make_in(&new);
    if made.is_err() {
        // It is of no use, and the next one who comes by removes what is left.
        fs::remove_dir_all(&new).unwrap_or_default();
    }
    made?;
    fs::rename(&new, dir).map_err(GitError::io("write", dir))?;
    known(dir).ok_or_else(|| GitError::Reference(format!("{} is not whole", dir.display())))
}

impl Making<'_> {
    fn make_in(&self, new: &Path) -> Result<(), GitError> {
        let files = new.join("files");
        fs::create_dir_all(&files).map_err(GitError::io("create", &files))?;
        let keeps = self.request.keep_git_dir && self.subdir().as_os_str().is_empty();
        let git = if keeps {
            files.join(".git")
        } else {
            new.join("git")
        };
        let place = Place::Tree {
            git: &git,
            files: &files,
        };
        if keeps {
            self.clone(place, &git)?;
        } else {
            self.borrow(place, &git)?;
        }
        if self.request.submodules == Submodules::CheckOut && files.join(".gitmodules").exists() {
            self.submodules(place)?;
        }
        let (commit, time) = self.commit()?;
        if !keeps {
            fs::remove_dir_all(&git).map_err(GitError::io("remove", &git))?;
            // Those of submodules lead to where this was made. No commit has such a name in it.
            remove_named(&files, ".git").map_err(GitError::io("clean", &files))?;
        }
        self.take_subdir(new, &files)?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&files, mode).map_err(GitError::io("change", &files))?;
        if self.request.mtime == GitMtime::Commit {
            set_times(&files, time).map_err(GitError::io("change", &files))?;
        }
        let text = new.join("commit");
        fs::write(&text, format!("{commit} {time}\n")).map_err(GitError::io("write", &text))
    }

    /// Checks files out of the mirror itself.
    fn borrow(&self, place: Place<'_>, git: &Path) -> Result<(), GitError> {
        self.init(place, &["--template="])?;
        let alternates = git.join("objects/info/alternates");
        let objects = format!("{}\n", self.mirror.dir.join("objects").display());
        fs::create_dir_all(git.join("objects/info"))
            .and_then(|()| fs::write(&alternates, objects))
            .map_err(GitError::io("write", &alternates))?;
        let shallow = self.mirror.dir.join("shallow");
        if shallow.exists() {
            fs::copy(&shallow, git.join("shallow")).map_err(GitError::io("copy", &shallow))?;
        }
        self.near(
            place,
            &["config", "remote.origin.url", &self.request.remote],
        )?;
        self.check_out(place)
    }

    /// Makes a repository of the one commit (BuildKit: `checkout`, source/git/source.go).
    fn clone(&self, place: Place<'_>, git: &Path) -> Result<(), GitError> {
        self.init(place, &[])?;
        let origin = format!("file://{}", self.mirror.dir.display());
        self.near(place, &["remote", "add", "origin", &origin])?;
        let Resolved {
            reference, object, ..
        } = self.resolved;
        let what = if reference.starts_with("refs/") {
            format!("{object}:{reference}")
        } else {
            object.clone()
        };
        self.near(
            place,
            &[
                "fetch",
                "--quiet",
                "--no-tags",
                "-u",
                "--depth=1",
                "--",
                "origin",
                &what,
            ],
        )?;
        self.check_out(place)?;
        let shown = redacted(&self.request.remote);
        self.near(place, &["remote", "set-url", "origin", &shown])?;
        for name in ["FETCH_HEAD", "ORIG_HEAD"] {
            fs::remove_file(git.join(name)).unwrap_or_default();
        }
        Ok(())
    }

    fn init(&self, place: Place<'_>, more: &[&str]) -> Result<(), GitError> {
        let mut arguments = vec!["init", "--quiet"];
        arguments.extend(more);
        arguments.extend(format_of(&self.resolved.object));
        self.near(place, &arguments)
    }

    fn check_out(&self, place: Place<'_>) -> Result<(), GitError> {
        let commit = format!("{}^{{commit}}", self.resolved.object);
        self.near(
            place,
            &["checkout", "--quiet", "--force", "--detach", &commit],
        )
    }

    fn near(&self, place: Place<'_>, arguments: &[&str]) -> Result<(), GitError> {
        let result = self.program.near(place, arguments);
        result
            .map(drop)
            .map_err(|source| GitError::program("check out", &self.request.remote, source))
    }

    fn submodules(&self, place: Place<'_>) -> Result<(), GitError> {
        let update = |depth: &[&str]| {
            let mut arguments = vec!["submodule", "--quiet", "update", "--init", "--recursive"];
            arguments.extend(depth);
            self.program.far(place, &arguments).map(drop)
        };
        let result = match update(&["--depth=1"]) {
            Err(error) if error.says(&["--depth", "shallow"]) => update(&[]),
            result => result,
        };
        let action = "update the submodules of";
        result.map_err(|source| GitError::program(action, &self.request.remote, source))
    }

    /// The commit and its time in Unix seconds.
    fn commit(&self) -> Result<(String, i64), GitError> {
        let commit = format!("{}^{{commit}}", self.resolved.object);
        let arguments = ["show", "--no-patch", "--format=%H %ct", &commit];
        let text = self
            .program
            .near(self.mirror.place(), &arguments)
            .map_err(|source| GitError::program("read", &self.request.remote, source))?;
        text.trim()
            .split_once(' ')
            .and_then(|(commit, time)| Some((commit.to_owned(), time.parse().ok()?)))
            .ok_or_else(|| GitError::Reference(format!("cannot read the commit {commit}")))
    }

    /// The wanted directory, relative; empty for all of it.
    fn subdir(&self) -> PathBuf {
        let mut cleaned = PathBuf::new();
        for component in Path::new(self.request.subdir.as_deref().unwrap_or_default()).components()
        {
            match component {
                Component::Normal(name) => cleaned.push(name),
                Component::ParentDir => {
                    cleaned.pop();
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        cleaned
    }

    /// Makes the wanted directory all that there is (BuildKit: `validateDirsOnly`).
    fn take_subdir(&self, new: &Path, files: &Path) -> Result<(), GitError> {
        let subdir = self.subdir();
        if subdir.as_os_str().is_empty() {
            return Ok(());
        }
        let mut path = files.to_path_buf();
        for component in subdir.components() {
            path.push(component);
            let problem = match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => continue,
                Ok(_) => "is not a directory",
                Err(_) => "does not exist",
            };
            let relative = path.strip_prefix(files).unwrap_or(&path);
            return Err(GitError::Reference(format!(
                "invalid subdir {}: {} {problem} in commit {}",
                subdir.display(),
                relative.display(),
                self.resolved.object
            )));
        }
        let all = new.join("all");
        fs::rename(files, &all)
            .and_then(|()| fs::rename(all.join(&subdir), files))
            .and_then(|()| fs::remove_dir_all(&all))
            .map_err(GitError::io("move", &all))
    }
}

/// Removes everything of one name.
fn remove_named(dir: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_dir = entry.file_type()?.is_dir();
        match (entry.file_name() == name, is_dir) {
            (true, true) => fs::remove_dir_all(entry.path())?,
            (true, false) => fs::remove_file(entry.path())?,
            (false, true) => remove_named(&entry.path(), name)?,
            (false, false) => {}
        }
    }
    Ok(())
}

/// Gives everything below and including `path` one time.
fn set_times(path: &Path, seconds: i64) -> io::Result<()> {
    let metadata = path.symlink_metadata()?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            set_times(&entry?.path(), seconds)?;
        }
    }
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

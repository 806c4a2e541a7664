//! What a RUN asks to be mounted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jettison_sandbox::{MemoryFile, Mount, MountKind, Upper, mount_overlay};

use crate::cache_mounts::{CacheDirectory, Seed};
use crate::error::BuildError;
use crate::exec::Merged;
use crate::exec::files::{Lookup as _, resolve};
use crate::exec::run::agent::Agent;
use crate::exec::run::command::{RunError, RunSurroundings};
use crate::plan::{
    CacheSharing, Input, MountAttributes, RunDefinition, RunMount, RunMountKind, RunScriptFile,
};
use crate::snapshot::{Active, Snapshot};

/// Where a here-document with a `#!` line of its own is (BuildKit: `dispatchRun`, dockerfile2llb/convert.go).
const SCRIPTS: &str = "/dev/pipes/";

/// What is mounted for a command, and what keeps it there.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// In the order in which they are mounted.
    pub(super) mounts: Vec<Mount>,
    /// Variables that come with them.
    pub(super) env: Vec<(String, String)>,
    /// What the first agent's socket is called.
    pub(super) agent: Option<String>,
    caches: BTreeMap<String, CacheDirectory>,
    agents: Vec<Agent>,
    /// Where changes go that nobody wants.
    scratch: Vec<Snapshot<Active>>,
}

impl Prepared {
    /// Throws away what was written where nobody wants it.
    pub(super) fn finish(self, surroundings: &RunSurroundings<'_>) -> Result<(), BuildError> {
        drop((self.agents, self.caches));
        self.scratch
            .into_iter()
            .try_for_each(|scratch| surroundings.snapshots.discard(scratch))
    }
}

/// Prepares everything that `definition` mounts. Waits for cache directories that others have locked.
pub(super) fn prepare(
    surroundings: &RunSurroundings<'_>,
    definition: &RunDefinition,
) -> Result<Prepared, RunError> {
    let mut prepared = Prepared {
        caches: take_caches(surroundings, &definition.mounts)?,
        ..Prepared::default()
    };
    let mut mounts: Vec<(String, MountKind)> = Vec::new();
    for mount in &definition.mounts {
        mounts.extend(prepare_one(surroundings, &mut prepared, mount)?);
    }
    if let Some(script) = &definition.script {
        mounts.push((SCRIPTS.to_owned(), script_files(script)));
    }
    prepared.mounts = in_order(mounts);
    Ok(prepared)
}

/// Sorted by target, so that what is below another is mounted after it; of those at one place the last one counts
/// (BuildKit: `PrepareMounts`, frontend/gateway/container, and `dedupMounts`, executor/oci/mounts.go).
fn in_order(mut mounts: Vec<(String, MountKind)>) -> Vec<Mount> {
    mounts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut ordered: Vec<Mount> = Vec::new();
    for (target, kind) in mounts {
        let target = PathBuf::from(target);
        if let Some(last) = ordered.last_mut()
            && last.target.as_os_str() == target.as_os_str()
        {
            last.kind = kind;
        } else {
            ordered.push(Mount { target, kind });
        }
    }
    ordered
}

fn script_files(script: &RunScriptFile) -> MountKind {
    let file = MemoryFile {
        content: script.text.clone().into_bytes(),
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    MountKind::Files(vec![(script.name.clone(), file)])
}

fn prepare_one(
    surroundings: &RunSurroundings<'_>,
    prepared: &mut Prepared,
    mount: &RunMount,
) -> Result<Option<(String, MountKind)>, RunError> {
    let kind = match &mount.kind {
        RunMountKind::Bind {
            from,
            source,
            is_writable,
        } => {
            let upper = if *is_writable {
                let scratch = surroundings.snapshots.prepare().map_err(RunError::Build)?;
                let upper = Upper {
                    dir: scratch.fs(),
                    work: scratch.work(),
                };
                prepared.scratch.push(scratch);
                Some(upper)
            } else {
                None
            };
            let lowers = (surroundings.lowers_of)(*from).map_err(RunError::Build)?;
            if source != "/" {
                exists(&lowers, Path::new(source))?;
            }
            MountKind::Layers {
                lowers,
                path: PathBuf::from(source),
                upper,
            }
        }
        RunMountKind::Cache {
            is_read_only,
            from,
            source,
            ..
        } => {
            let cache = Cache::of(surroundings, &mount.kind)?;
            let directory = cache.and_then(|cache| prepared.caches.get(&cache.key));
            let Some(directory) = directory else {
                return Err(RunError::Build(BuildError::Internal(
                    "a cache mount was not prepared",
                )));
            };
            let path = if *from == Input::Scratch {
                part_of(directory.path(), Path::new(source))?
            } else {
                directory.path().to_path_buf()
            };
            MountKind::Bind {
                source: path,
                read_only: *is_read_only,
            }
        }
        // As the kernel makes one by itself.
        RunMountKind::Tmpfs { size } => MountKind::Tmpfs {
            size: *size,
            mode: 0o1777,
        },
        RunMountKind::Secret { .. } => return secret(surroundings, prepared, mount),
        RunMountKind::Ssh { .. } => return agent(surroundings, prepared, mount),
    };
    Ok(mount.target.clone().map(|target| (target, kind)))
}

/// Says so if there is no `source` in the files of a stage.
fn exists(lowers: &[PathBuf], source: &Path) -> Result<(), RunError> {
    let found = Merged::open(lowers).and_then(|files| {
        let real = resolve(&files, source)?;
        Ok((files.node(&real)?.is_some(), real))
    });
    match found {
        Ok((false, real)) => {
            let message = format!("open /{}: no such file or directory", real.display());
            Err(RunError::Missing(message))
        }
        // The sandbox says what is wrong.
        Ok((true, _)) | Err(_) => Ok(()),
    }
}

/// The directory that `source` is in a cache; links do not lead out of it.
fn part_of(cache: &Path, source: &Path) -> Result<PathBuf, RunError> {
    let found = Merged::open(&[cache.to_path_buf()]).and_then(|files| resolve(&files, source));
    let real = found.map_err(|error| {
        let path = source.display();
        RunError::Refused(format!("the cache's {path} cannot be mounted: {error}"))
    })?;
    let part = cache.join(real.strip_prefix("/").unwrap_or(&real));
    if part.symlink_metadata().is_err() {
        let message = format!("open /{}: no such file or directory", real.display());
        return Err(RunError::Missing(message));
    }
    Ok(part)
}

fn secret(
    surroundings: &RunSurroundings<'_>,
    prepared: &mut Prepared,
    mount: &RunMount,
) -> Result<Option<(String, MountKind)>, RunError> {
    let RunMountKind::Secret {
        id,
        env,
        is_required,
        attributes,
    } = &mount.kind
    else {
        return Ok(None);
    };
    let found = surroundings
        .secrets
        .secret(id)
        .map_err(|error| RunError::Refused(format!("secret {id}: {error}")))?;
    if found.is_none() && *is_required {
        return Err(RunError::Refused(format!("secret {id}: not found")));
    }
    if let Some(name) = env {
        // One that is not there is an empty variable (BuildKit: `loadSecretEnv`, solver/llbsolver/ops/exec.go).
        let value = String::from_utf8(found.clone().unwrap_or_default())
            .map_err(|_| RunError::Refused(format!("secret {id}: not text, and so no variable")))?;
        prepared.env.push((name.clone(), value));
    }
    Ok(mount.target.clone().zip(found).map(|(target, content)| {
        let file = MemoryFile {
            content,
            mode: attributes.mode & 0o777,
            uid: attributes.uid,
            gid: attributes.gid,
        };
        (target, MountKind::File(file))
    }))
}

fn agent(
    surroundings: &RunSurroundings<'_>,
    prepared: &mut Prepared,
    mount: &RunMount,
) -> Result<Option<(String, MountKind)>, RunError> {
    let (
        RunMountKind::Ssh {
            id,
            is_required,
            attributes,
        },
        Some(target),
    ) = (&mount.kind, &mount.target)
    else {
        return Ok(None);
    };
    // Set even if there is no agent (BuildKit: `ExecOp.Marshal`, client/llb/exec.go).
    prepared.agent.get_or_insert_with(|| target.clone());
    let found = surroundings
        .secrets
        .ssh_agent(id)
        .map_err(|error| RunError::Refused(format!("SSH agent {id}: {error}")))?;
    let Some(socket) = found else {
        if *is_required {
            // BuildKit names no key if the instruction names none.
            let id = if id == "default" { "" } else { id };
            let message = format!("no SSH key \"{id}\" forwarded from the client");
            return Err(RunError::Refused(message));
        }
        return Ok(None);
    };
    let scratch = surroundings.snapshots.prepare().map_err(RunError::Build)?;
    let path = scratch.fs().join("agent");
    prepared.scratch.push(scratch);
    let agent = Agent::start(&path, socket, *attributes)
        .map_err(|source| RunError::Build(BuildError::io("listen at", &path, source)))?;
    prepared.agents.push(agent);
    let kind = MountKind::Bind {
        source: path,
        read_only: false,
    };
    Ok(Some((target.clone(), kind)))
}

/// A cache directory that a mount asks for.
struct Cache<'a> {
    /// Different for caches that must not be mixed.
    key: String,
    sharing: CacheSharing,
    /// The layers that a new one is copied from, and the path in them.
    from: Option<(Vec<PathBuf>, &'a str)>,
    attributes: MountAttributes,
}

const PLAIN: MountAttributes = MountAttributes {
    mode: 0o755,
    uid: 0,
    gid: 0,
};

impl<'a> Cache<'a> {
    fn of(
        surroundings: &RunSurroundings<'_>,
        kind: &'a RunMountKind,
    ) -> Result<Option<Cache<'a>>, RunError> {
        let RunMountKind::Cache {
            id: _,
            sharing,
            is_read_only: _,
            from,
            source,
            attributes,
        } = kind
        else {
            return Ok(None);
        };
        let Some(key) = cache_mount_key(kind, surroundings.key_of) else {
            return Ok(None);
        };
        let from = if starts_empty(*from, source, *attributes) {
            None
        } else {
            let lowers = (surroundings.lowers_of)(*from).map_err(RunError::Build)?;
            Some((lowers, source.as_str()))
        };
        Ok(Some(Cache {
            key,
            sharing: *sharing,
            from,
            attributes: *attributes,
        }))
    }
}

/// Whether a new cache directory starts with nothing: an owner or a mode makes it from nothing (BuildKit:
/// `setCacheUIDGID`, `dockerfile2llb/convert_runmount.go`).
fn starts_empty(from: Input, source: &str, attributes: MountAttributes) -> bool {
    from == Input::Scratch || (source == "/" && attributes != PLAIN)
}

/// The key of the cache directory that a mount asks for, if it is a cache mount; it is the same on every machine.
///
/// What a cache was made from belongs to its name (BuildKit: `getRefCacheDir`, solver/llbsolver/mounts/mount.go); `key_of`
/// says how file systems are called in keys.
pub(crate) fn cache_mount_key(
    kind: &RunMountKind,
    key_of: &dyn Fn(Input) -> String,
) -> Option<String> {
    let RunMountKind::Cache {
        id,
        sharing: _,
        is_read_only: _,
        from,
        source,
        attributes,
    } = kind
    else {
        return None;
    };
    let mut key = id.clone();
    // Writing to a string cannot fail.
    if !starts_empty(*from, source, *attributes) {
        let _ok = write!(key, "\nfrom {}\nsource {source}", key_of(*from));
    } else if *attributes != PLAIN {
        let MountAttributes { mode, uid, gid } = attributes;
        let _ok = write!(key, "\nmode {mode:o} {uid}:{gid}");
    }
    Some(key)
}

/// Takes all cache directories, in the order of their keys: were the order that of the mounts, two commands could wait
/// for each other. One that is mounted twice is taken once.
fn take_caches(
    surroundings: &RunSurroundings<'_>,
    mounts: &[RunMount],
) -> Result<BTreeMap<String, CacheDirectory>, RunError> {
    let mut caches = BTreeMap::new();
    for mount in mounts {
        if let Some(cache) = Cache::of(surroundings, &mount.kind)? {
            caches.entry(cache.key.clone()).or_insert(cache);
        }
    }
    let mut taken = BTreeMap::new();
    for (key, cache) in caches {
        let take = |seed: &Seed<'_>| {
            surroundings
                .cache_mounts
                .take(&key, cache.sharing, seed, &surroundings.mount_imports)
                .map_err(RunError::Build)
        };
        let directory = match &cache.from {
            None => take(&Seed::Empty(cache.attributes))?,
            Some((lowers, source)) => {
                let root = mount_overlay(surroundings.entered, lowers, None)
                    .map_err(|error| RunError::Build(BuildError::Mount(error)))?;
                let source = Path::new(source);
                let real = Merged::open(lowers).and_then(|files| resolve(&files, source));
                let real =
                    real.map_err(|error| RunError::Build(BuildError::io("find", source, error)))?;
                let real = real.strip_prefix("/").unwrap_or(&real);
                take(&Seed::Copy(&root.path().join(real)))?
            }
        };
        taken.insert(key, directory);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_sorted_and_the_last_at_a_place_counts() {
        let tmpfs = |mode| MountKind::Tmpfs { size: None, mode };
        let mounts = [("/b", 1), ("/a/b", 2), ("/a", 3), ("/b", 4), ("/a-b", 5)];
        let mounts = mounts.map(|(target, mode)| (target.to_owned(), tmpfs(mode)));
        let ordered: Vec<String> = in_order(mounts.to_vec())
            .iter()
            .map(|mount| match mount.kind {
                MountKind::Tmpfs { mode, .. } => format!("{} {mode}", mount.target.display()),
                _ => String::new(),
            })
            .collect();
        assert_eq!(ordered, ["/a 3", "/a-b 5", "/a/b 2", "/b 4"]);
    }
}

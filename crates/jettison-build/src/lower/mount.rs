//! `RUN --mount` (BuildKit: `dispatchRunMounts`, `dispatchSecret` and `dispatchSSH`, dockerfile2llb).

use jettison_dockerfile::{
    MountKind, MountSharing, MountValues, RunInstruction, SourceName, mount_values,
};

use crate::lower::path;
use crate::lower::{Files, LowerError, Lowering, Place, StageState};
use crate::plan::{CacheSharing, CopyFrom, Input, MountAttributes, RunMount, RunMountKind};

const CACHE_ATTRIBUTES: MountAttributes = MountAttributes {
    mode: 0o755,
    uid: 0,
    gid: 0,
};

impl Lowering<'_> {
    pub(super) fn mounts(
        &mut self,
        state: &StageState,
        run: &RunInstruction,
        place: Place<'_>,
    ) -> Result<Vec<RunMount>, LowerError> {
        // All of them are read before any is looked at.
        let mut all = Vec::new();
        for written in &run.mounts {
            let values = mount_values(written, &|word| self.expand_word(state, word))
                .map_err(|message| self.error(place, &message))?;
            all.push(values);
        }
        let mut mounts = Vec::new();
        let mut n_agents = 0;
        for (values, written) in all.iter().zip(&run.mounts) {
            mounts.push(match values.kind {
                MountKind::Secret => secret(values),
                MountKind::Ssh => {
                    n_agents += 1;
                    self.agent(values, n_agents - 1, place)?
                }
                MountKind::Bind | MountKind::Cache | MountKind::Tmpfs => {
                    let files = self.mount_source(&state.files, values, written, place)?;
                    self.files(state, values, files, place)?
                }
            });
        }
        Ok(mounts)
    }

    /// What a mount names to mount from; nothing for the build context.
    fn mount_source(
        &mut self,
        own: &Files,
        values: &MountValues,
        written: &str,
        place: Place<'_>,
    ) -> Result<Option<Files>, LowerError> {
        if values.from.is_none() && values.kind != MountKind::Cache {
            return Ok(None);
        }
        let Some(name) = SourceName::of_mount(written) else {
            return Ok(None);
        };
        let name = name.mounted_at(&values.target);
        self.source(&name, own, place).map(Some)
    }

    fn files(
        &mut self,
        state: &StageState,
        values: &MountValues,
        files: Option<Files>,
        place: Place<'_>,
    ) -> Result<RunMount, LowerError> {
        let target = if values.target.starts_with('/') {
            values.target.clone()
        } else {
            path::clean(&format!("{}/{}", state.working_dir(), values.target))
        };
        if target == "/" {
            return Err(self.error(place, "invalid mount target \"/\""));
        }
        let source = path::clean(&values.source);
        let kind = match values.kind {
            MountKind::Tmpfs => RunMountKind::Tmpfs { size: values.size },
            MountKind::Cache => {
                let is_whole = source == "/";
                RunMountKind::Cache {
                    id: self.cache_id(values),
                    sharing: sharing(values.sharing),
                    is_read_only: values.is_read_only,
                    from: self.mounted(files, &source, place),
                    source,
                    // A directory that is taken from elsewhere has its own.
                    attributes: if is_whole {
                        of_cache(values)
                    } else {
                        CACHE_ATTRIBUTES
                    },
                }
            }
            MountKind::Bind | MountKind::Secret | MountKind::Ssh => RunMountKind::Bind {
                from: self.mounted(files, &source, place),
                source,
                is_writable: !values.is_read_only,
            },
        };
        Ok(RunMount {
            target: Some(target),
            kind,
        })
    }

    /// The file system that `source` is in. Of a directory on the host only that is taken.
    fn mounted(&mut self, files: Option<Files>, source: &str, place: Place<'_>) -> Input {
        match files {
            Some(Files::Input(input)) => input,
            Some(Files::Directory(name)) => self.copied_input(CopyFrom::Named(name), source, place),
            None => self.copied_input(CopyFrom::Context, source, place),
        }
    }

    /// Which cache a mount means: all builds with one namespace share it.
    fn cache_id(&self, values: &MountValues) -> String {
        let namespace = self.request.build_args.get("BUILDKIT_CACHE_MOUNT_NS");
        let namespace = namespace.map_or("", String::as_str);
        if !values.id.is_empty() {
            return format!("{namespace}/{}", values.id);
        }
        let target = &values.target;
        let cleaned = path::clean(target);
        let id = match cleaned.strip_prefix('/') {
            Some("") if !target.starts_with('/') => ".",
            Some(relative) if !target.starts_with('/') => relative,
            Some(_) | None => &cleaned,
        };
        format!("{namespace}/{id}")
    }

    fn agent(
        &self,
        values: &MountValues,
        number: usize,
        place: Place<'_>,
    ) -> Result<RunMount, LowerError> {
        if !values.source.is_empty() {
            return Err(self.error(place, "ssh does not support source"));
        }
        let target = match values.target.as_str() {
            "" => format!("/run/buildkit/ssh_agent.{number}"),
            target => path::clean(target),
        };
        let id = match values.id.as_str() {
            "" => "default",
            id => id,
        };
        Ok(RunMount {
            target: Some(target),
            kind: RunMountKind::Ssh {
                id: id.to_owned(),
                is_required: values.is_required,
                attributes: attributes(values, 0o600),
            },
        })
    }
}

fn secret(values: &MountValues) -> RunMount {
    let base = |path: &str| {
        let name = path.trim_end_matches('/').rsplit('/').next();
        name.unwrap_or_default().to_owned()
    };
    let id = match (values.source.as_str(), values.id.as_str()) {
        ("", "") => base(&values.target),
        ("", id) => id.to_owned(),
        (source, _) => source.to_owned(),
    };
    let target = match values.target.as_str() {
        "" if values.env.is_some() => None,
        "" => Some(format!("/run/secrets/{}", base(&id))),
        target => Some(path::clean(target)),
    };
    RunMount {
        target,
        kind: RunMountKind::Secret {
            id,
            env: values.env.clone(),
            is_required: values.is_required,
            attributes: attributes(values, 0o400),
        },
    }
}

fn attributes(values: &MountValues, mode: u32) -> MountAttributes {
    MountAttributes {
        mode: values.mode.unwrap_or(mode),
        uid: values.uid.unwrap_or(0),
        gid: values.gid.unwrap_or(0),
    }
}

/// BuildKit makes the directory with a file operation, which leaves special bits out (`setCacheUIDGID`).
fn of_cache(values: &MountValues) -> MountAttributes {
    let attributes = attributes(values, CACHE_ATTRIBUTES.mode);
    MountAttributes {
        mode: attributes.mode & 0o777,
        ..attributes
    }
}

fn sharing(sharing: MountSharing) -> CacheSharing {
    match sharing {
        MountSharing::Shared => CacheSharing::Shared,
        MountSharing::Private => CacheSharing::Private,
        MountSharing::Locked => CacheSharing::Locked,
    }
}

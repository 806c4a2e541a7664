//! What the command line, and the image's VOLUMEs, mount into a program's files.

use std::fs;
use std::path::{Component, Path, PathBuf};

use jettison_build::{VolumeSeed, Volumes, is_volume_name};
use jettison_oci::ImageConfig;
use jettison_sandbox::{Entered, Mount, MountKind, Sandbox, Upper};

use crate::cli::{Field, FileArgs, fields, size, switch};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::remote::TemporaryDir;

/// The permissions of an empty filesystem in memory (docker: `--tmpfs`).
const TMPFS_MODE: u32 = 0o1777;

/// Where a program runs.
pub(super) struct Place<'p> {
    pub(super) config: &'p ImageConfig,
    /// The store's.
    pub(super) root: &'p Path,
    pub(super) entered: &'p Entered,
}

/// Adds all mounts. What is returned has to live as long as the program.
pub(super) fn add(
    sandbox: &mut Sandbox,
    args: &FileArgs,
    place: &Place<'_>,
    output: &mut Output,
) -> Result<Option<TemporaryDir>, Failure> {
    let mut mounts = Vec::new();
    for text in &args.tmpfs {
        mounts.push(tmpfs(text)?);
    }
    let mut asked = Vec::new();
    for text in &args.mounts {
        asked.push(mount(text)?);
    }
    for text in &args.volumes {
        asked.push(volume(text, output)?);
    }
    let mut anonymous: Vec<String> = place.config.config.volumes.iter().cloned().collect();
    for volume in asked {
        match volume {
            Volume::Mount(mount) => mounts.push(mount),
            Volume::Anonymous(target) => anonymous.push(target),
            Volume::Named(named) => mounts.push(named.mount(&sandbox.rootfs.lowers, place)?),
        }
    }
    // A mount below another must come after it.
    mounts.sort_by_key(|mount| mount.target.components().count());
    anonymous.retain(|target| !mounts.iter().any(|mount| mount.target == Path::new(target)));
    let kept = volumes(sandbox, &anonymous, place.root)?;
    // A target that the program gets anyway, such as /etc/hosts, is the user's.
    sandbox
        .mounts
        .retain(|known| !mounts.iter().any(|mount| mount.target == known.target));
    sandbox.mounts.append(&mut mounts);
    Ok(kept)
}

/// What the program writes is thrown away, so a volume is a directory like any other, unless all others are read-only.
fn volumes(
    sandbox: &mut Sandbox,
    targets: &[String],
    root: &Path,
) -> Result<Option<TemporaryDir>, Failure> {
    if !sandbox.read_only || targets.is_empty() {
        return Ok(None);
    }
    let failed = |error: std::io::Error| {
        Failure::user("cannot make a directory for the image's volumes").because(&error)
    };
    let kept = TemporaryDir::create(root).map_err(failed)?;
    for (index, target) in targets.iter().enumerate() {
        let relative = target.trim_start_matches('/');
        let lowers = &sandbox.rootfs.lowers;
        let is_there = lowers.iter().any(|lower| lower.join(relative).is_dir());
        let kind = if is_there {
            let upper = Upper {
                dir: kept.path().join(format!("{index}/upper")),
                work: kept.path().join(format!("{index}/work")),
            };
            fs::create_dir_all(&upper.dir).map_err(failed)?;
            fs::create_dir_all(&upper.work).map_err(failed)?;
            MountKind::Layers {
                lowers: lowers.clone(),
                path: PathBuf::from(target),
                upper: Some(upper),
            }
        } else {
            MountKind::Tmpfs {
                size: None,
                mode: TMPFS_MODE,
            }
        };
        sandbox.mounts.push(Mount {
            target: PathBuf::from(target),
            kind,
        });
    }
    Ok(Some(kept))
}

/// What `-v` asks for.
#[derive(Debug)]
enum Volume {
    Mount(Mount),
    /// A directory that goes away with the program.
    Anonymous(String),
    /// One that stays.
    Named(NamedVolume),
}

/// A volume with a name.
#[derive(Debug)]
struct NamedVolume {
    name: String,
    target: PathBuf,
    read_only: bool,
    /// Whether it begins with what the image has there.
    is_filled: bool,
}

impl NamedVolume {
    /// Makes the volume, unless it is there.
    fn mount(self, lowers: &[PathBuf], place: &Place<'_>) -> Result<Mount, Failure> {
        let seed = VolumeSeed {
            lowers,
            path: &self.target,
        };
        let seed = self.is_filled.then_some(seed);
        let source = Volumes::new(place.root)
            .directory(place.entered, &self.name, seed)
            .map_err(|error| {
                Failure::user(format!("cannot use the volume {}", self.name)).because(&error)
            })?;
        Ok(Mount {
            kind: MountKind::Bind {
                source,
                read_only: self.read_only,
            },
            target: self.target,
        })
    }
}

/// Reads `[SOURCE:]TARGET[:OPTIONS]`. A source that is missing is made, as docker does it.
fn volume(text: &str, output: &mut Output) -> Result<Volume, Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(wrong(text, "it has too many colons").hint("--mount takes any path")),
    };
    let target = absolute_target(text, target)?;
    let Some(source) = source else {
        return Ok(Volume::Anonymous(target.display().to_string()));
    };
    let (mut read_only, mut is_filled) = (false, true);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" | "readonly" => read_only = true,
            // SELinux labels, and what only matters between machines.
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "private" | "rprivate" => {}
            "nocopy" => is_filled = false,
            _ => return Err(wrong(text, &format!("`{option}` is not supported"))),
        }
    }
    if !source.starts_with(['/', '.']) {
        return Ok(Volume::Named(NamedVolume {
            name: volume_name(text, source)?,
            target,
            read_only,
            is_filled,
        }));
    }
    let source = real_source(source)?;
    if !source.exists() {
        fs::create_dir_all(&source).map_err(|error| {
            Failure::user(format!("cannot create {}", source.display())).because(&error)
        })?;
        let text = format!(
            "created the directory {}, which was not there",
            source.display()
        );
        output.note(Look::Note, &text);
    }
    Ok(Volume::Mount(Mount {
        target,
        kind: MountKind::Bind { source, read_only },
    }))
}

fn volume_name(text: &str, name: &str) -> Result<String, Failure> {
    if is_volume_name(name) {
        return Ok(name.to_owned());
    }
    let hint = if name.starts_with(['/', '.']) {
        "a directory of this machine is mounted with type=bind".to_owned()
    } else {
        format!("a directory of this machine is ./{name}")
    };
    Err(wrong(text, &format!("`{name}` is not the name of a volume")).hint(hint))
}

/// Reads `TARGET[:OPTIONS]`.
fn tmpfs(text: &str) -> Result<Mount, Failure> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let (mut bytes, mut mode) = (None, TMPFS_MODE);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => bytes = size_of(text, value)?,
            Some(("mode", value)) => mode = mode_of(text, value)?,
            // What always holds, or does not matter in memory.
            _ if ["rw", "nosuid", "nodev", "noatime", "exec"].contains(&option) => {}
            _ => return Err(wrong(text, &format!("`{option}` is not supported"))),
        }
    }
    Ok(Mount {
        target: absolute_target(text, target)?,
        kind: MountKind::Tmpfs { size: bytes, mode },
    })
}

/// Reads `type=bind,source=…,target=…,readonly`, `type=tmpfs,target=…` and `type=volume,…`, which is what it is without a type
/// (docker/cli: opts/mount.go).
fn mount(text: &str) -> Result<Volume, Failure> {
    let (mut kind, mut source, mut target) = ("volume".to_string(), None, None);
    let (mut read_only, mut bytes, mut mode) = (false, None, TMPFS_MODE);
    let mut is_filled = true;
    let parts = fields(text).map_err(|problem| wrong(text, &problem))?;
    for Field { key, value } in parts {
        match (key.as_str(), value) {
            ("type", Some(value)) => kind = value,
            ("source" | "src", Some(value)) => source = Some(value),
            ("target" | "dst" | "destination", Some(value)) => target = Some(value),
            ("readonly" | "ro", None) => read_only = true,
            ("readonly" | "ro", Some(value)) => {
                read_only = switch(&value).map_err(|problem| wrong(text, &problem))?;
            }
            ("tmpfs-size", Some(value)) => bytes = size_of(text, &value)?,
            ("tmpfs-mode", Some(value)) => mode = mode_of(text, &value)?,
            ("volume-nocopy", None) => is_filled = false,
            ("volume-nocopy", Some(value)) => {
                is_filled = !switch(&value).map_err(|problem| wrong(text, &problem))?;
            }
            ("bind-propagation", Some(value))
                if ["private", "rprivate"].contains(&value.as_str()) => {}
            (key, _) => return Err(wrong(text, &format!("`{key}` is not supported"))),
        }
    }
    let target = target.ok_or_else(|| wrong(text, "it has no target"))?;
    let target = absolute_target(text, &target)?;
    let kind = match (kind.as_str(), source) {
        ("bind", Some(source)) => {
            let source = real_source(&source)?;
            if !source.exists() {
                let message = format!("there is no {} to be mounted", source.display());
                return Err(Failure::user(message).hint("--mount makes no directories; -v does"));
            }
            MountKind::Bind { source, read_only }
        }
        ("bind", None) => return Err(wrong(text, "it has no source")),
        ("tmpfs", None) => MountKind::Tmpfs { size: bytes, mode },
        ("tmpfs", Some(_)) => return Err(wrong(text, "a tmpfs has no source")),
        ("volume", None) => return Ok(Volume::Anonymous(target.display().to_string())),
        ("volume", Some(source)) => {
            return Ok(Volume::Named(NamedVolume {
                name: volume_name(text, &source)?,
                target,
                read_only,
                is_filled,
            }));
        }
        (kind, _) => {
            return Err(wrong(text, &format!("type={kind} is not supported")).hint(
                "there are type=bind, with a directory of this machine, type=volume and type=tmpfs",
            ));
        }
    };
    Ok(Volume::Mount(Mount { target, kind }))
}

fn size_of(text: &str, value: &str) -> Result<Option<u64>, Failure> {
    size(value)
        .map(Some)
        .map_err(|problem| wrong(text, &problem))
}

fn mode_of(text: &str, value: &str) -> Result<u32, Failure> {
    let mode = u32::from_str_radix(value, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| wrong(text, &format!("`{value}` is not a mode such as 1777")))
}

fn wrong(text: &str, what: &str) -> Failure {
    Failure::user(format!("cannot mount `{text}`: {what}"))
}

/// A path of this machine, from the root.
fn real_source(source: &str) -> Result<PathBuf, Failure> {
    std::path::absolute(source)
        .map_err(|error| Failure::user(format!("cannot mount {source}")).because(&error))
}

/// A path in the program's files.
fn absolute_target(text: &str, target: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(target);
    let is_root = path.components().all(|part| part == Component::RootDir);
    if !path.is_absolute() {
        return Err(wrong(
            text,
            &format!("the target `{target}` does not begin with a slash"),
        ));
    }
    if is_root {
        return Err(wrong(text, "the target must not be the root directory"));
    }
    Ok(path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(mount: Result<Mount, Failure>, expected: Expect) {
        expected.assert_eq(&match mount {
            Ok(mount) => format!("{} {:?}", mount.target.display(), mount.kind),
            Err(failure) => failure.lines()[0].1.to_string(),
        });
    }

    /// What a mount or a volume is, as a mount; another one is told as an error.
    fn told(volume: Result<Volume, Failure>) -> Result<Mount, Failure> {
        let other = match volume? {
            Volume::Mount(mount) => return Ok(mount),
            Volume::Anonymous(target) => format!("anonymous {target}"),
            Volume::Named(named) => format!("{named:?}"),
        };
        Err(Failure::user(other))
    }

    #[test]
    fn mounts_are_read_as_docker_reads_them() {
        check(
            told(mount("type=bind,src=/usr,dst=/host,ro")),
            expect![[r#"/host Bind { source: "/usr", read_only: true }"#]],
        );
        check(
            told(mount("type=bind,source=/usr,target=/host,readonly=false")),
            expect![[r#"/host Bind { source: "/usr", read_only: false }"#]],
        );
        check(
            told(mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700")),
            expect!["/t Tmpfs { size: Some(1048576), mode: 448 }"],
        );
        check(
            told(mount("type=volume,src=data,dst=/d")),
            expect![[
                r#"NamedVolume { name: "data", target: "/d", read_only: false, is_filled: true }"#
            ]],
        );
        check(
            told(mount("type=bind,dst=/d")),
            expect!["cannot mount `type=bind,dst=/d`: it has no source"],
        );
        check(
            told(mount("type=tmpfs")),
            expect!["cannot mount `type=tmpfs`: it has no target"],
        );
        check(
            told(mount("type=tmpfs,dst=d")),
            expect!["cannot mount `type=tmpfs,dst=d`: the target `d` does not begin with a slash"],
        );
    }

    #[test]
    fn filesystems_in_memory_have_sizes_and_modes() {
        check(
            tmpfs("/run"),
            expect!["/run Tmpfs { size: None, mode: 1023 }"],
        );
        check(
            tmpfs("/run/:size=64k,mode=755,rw"),
            expect!["/run Tmpfs { size: Some(65536), mode: 493 }"],
        );
        check(
            tmpfs("/run:uid=5"),
            expect!["cannot mount `/run:uid=5`: `uid=5` is not supported"],
        );
        check(
            tmpfs("/"),
            expect!["cannot mount `/`: the target must not be the root directory"],
        );
    }

    #[test]
    fn volumes_are_directories_of_this_machine_or_have_names() {
        let mut output = Output::new();
        let mut mount = |text: &str| volume(text, &mut output);
        check(
            told(mount("/usr:/host:ro,z")),
            expect![[r#"/host Bind { source: "/usr", read_only: true }"#]],
        );
        check(told(mount("/data")), expect!["anonymous /data"]);
        check(
            told(mount("data:/data")),
            expect![[
                r#"NamedVolume { name: "data", target: "/data", read_only: false, is_filled: true }"#
            ]],
        );
        check(
            told(mount("data:/data:ro,nocopy")),
            expect![[
                r#"NamedVolume { name: "data", target: "/data", read_only: true, is_filled: false }"#
            ]],
        );
        check(
            told(mount("a/b:/data")),
            expect!["cannot mount `a/b:/data`: `a/b` is not the name of a volume"],
        );
        check(
            told(mount("/a:/b:x")),
            expect!["cannot mount `/a:/b:x`: `x` is not supported"],
        );
    }
}

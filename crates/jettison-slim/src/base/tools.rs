//! Programs of Debian's packages that make something for an image, run in the sandbox; what they make is kept.
//!
//! ```text
//! /         the packages with the programs, for this host's architecture
//! /target   the packages that they read, for the image's architecture, which may be another
//! /out      what they make
//! ```
//!
//! The name under which a result is kept is a digest of all that goes into it, this text included.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use jettison_debian::{Architecture, Lock, LockedPackage, PackageFile, Sha256, SnapshotArchive};
use jettison_sandbox::{Entered, Mount, MountKind, OutputMode, Rootfs, SandboxError, Status};

use crate::base::assemble::Downloads;
use crate::base::distroless::DistrolessError;
use crate::base::program::{Program, last_lines};
use crate::base::unpacked::{StoredFile, Unpacked, UnpackedKind, UnpackedPackages};

/// How many lines of a program's output an error shows.
const SHOWN: usize = 20;

/// Where a file of a package belongs; nowhere, if it is not wanted.
pub(super) type Wanted = fn(&str) -> Option<String>;

/// Where programs and what they read come from, and where what they make is kept.
#[expect(
    missing_debug_implementations,
    reason = "the network behind it has nothing to show"
)]
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// The packages of the image and of the programs.
    pub lock: &'a Lock,
    /// The image's architecture.
    pub architecture: &'a Architecture,
    /// This host's architecture, whose programs are run.
    pub host: &'a Architecture,
    /// Where packages come from.
    pub downloads: &'a dyn Downloads,
    /// Where those are that their archive has no more, if that is known.
    pub snapshots: Option<&'a SnapshotArchive>,
    /// Where packages are kept that were taken apart.
    pub unpacked: &'a Path,
}

/// Why something could not be made with programs of packages.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The lock lacks a package.
    #[error("the lock has no package {name}: `jettison base update` writes it anew")]
    Missing {
        /// The package.
        name: String,
    },
    /// The lock lacks a package for this host.
    #[error(
        "the lock has no package {name} for {host}, where what {architecture} gets is to be made: `jettison base update` writes it anew"
    )]
    MissingTool {
        /// The package.
        name: String,
        /// This host's architecture.
        host: Architecture,
        /// The image's architecture.
        architecture: Architecture,
    },
    /// The program is not the one that belongs to what it would read.
    #[error(
        "{name} is of version {tool} for {host} and of version {target} for {architecture}, which do not go together: `jettison base update` takes newer ones"
    )]
    Versions {
        /// The package.
        name: String,
        /// The version of its source for this host.
        tool: String,
        /// This host's architecture.
        host: Architecture,
        /// The version of its source for the image.
        target: String,
        /// The image's architecture.
        architecture: Architecture,
    },
    /// Packages could not be downloaded.
    #[error("cannot download the packages that programs are taken from")]
    Download(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The packages cannot be read.
    #[error("cannot read the packages that programs are taken from")]
    Packages(#[source] Box<DistrolessError>),
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {program}")]
    Sandbox {
        /// The program.
        program: String,
        /// Why not.
        source: SandboxError,
    },
    /// A program failed.
    #[error("{program} failed ({outcome}): {output}")]
    Program {
        /// The program.
        program: String,
        /// How it ended.
        outcome: String,
        /// The end of what it said.
        output: String,
    },
}

impl<'a> Workshop<'a> {
    /// A package of the image.
    pub(super) fn package(&self, name: &str) -> Result<&'a LockedPackage, ToolError> {
        let packages = self.lock.packages(self.architecture).unwrap_or_default();
        find(packages, name).ok_or_else(|| ToolError::Missing {
            name: name.to_string(),
        })
    }

    /// The image's packages.
    pub(super) fn packages(&self) -> &'a [LockedPackage] {
        self.lock.packages(self.architecture).unwrap_or_default()
    }

    /// The packages `same`, which must be as the image's are, and those of `libraries` that there are.
    pub(super) fn tools(
        &self,
        same: &[String],
        libraries: &[&str],
    ) -> Result<Vec<&'a LockedPackage>, ToolError> {
        let tools = self.lock.tools(self.architecture, self.host);
        let tools = tools.unwrap_or_default();
        let mut found = Vec::new();
        for name in same {
            let target = self.package(name)?;
            let tool = find(tools, name).ok_or_else(|| ToolError::MissingTool {
                name: name.clone(),
                host: self.host.clone(),
                architecture: self.architecture.clone(),
            })?;
            if tool.source_version != target.source_version {
                return Err(ToolError::Versions {
                    name: name.clone(),
                    tool: tool.source_version.to_string(),
                    host: self.host.clone(),
                    target: target.source_version.to_string(),
                    architecture: self.architecture.clone(),
                });
            }
            found.push(tool);
        }
        found.extend(libraries.iter().filter_map(|name| find(tools, name)));
        Ok(found)
    }

    pub(super) fn kept(&self) -> UnpackedPackages<'a> {
        UnpackedPackages { dir: self.unpacked }
    }

    /// The packages taken apart, which are fetched if need be.
    pub(super) fn unpack(&self, packages: &[&LockedPackage]) -> Result<Vec<Unpacked>, ToolError> {
        let files: Vec<PackageFile> = packages
            .iter()
            .map(|package| {
                let file = match self.snapshots {
                    Some(snapshots) => self.lock.file_kept(package, snapshots),
                    None => self.lock.file(package),
                };
                file.ok_or_else(|| ToolError::Missing {
                    name: package.name.clone(),
                })
            })
            .collect::<Result<_, _>>()?;
        let paths = self.downloads.files(&files).map_err(ToolError::Download)?;
        let pairs = packages.iter().zip(paths);
        pairs
            .map(|(package, path)| {
                let unpacked = self.kept().get(&path, package.sha256);
                unpacked.map_err(|error| ToolError::Packages(Box::new(error)))
            })
            .collect()
    }
}

fn find<'p>(packages: &'p [LockedPackage], name: &str) -> Option<&'p LockedPackage> {
    packages.iter().find(|package| package.name == name)
}

/// Something to be made. All of it is what the result depends on.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// What it is about, in a word.
    pub(super) kind: &'static str,
    /// The packages with the programs.
    pub(super) tools: Vec<&'a LockedPackage>,
    /// The packages that they read.
    pub(super) inputs: Vec<&'a LockedPackage>,
    /// The programs, each with its arguments.
    pub(super) commands: Vec<Vec<String>>,
    /// The text of our own code that does the rest: which files are laid out, and what becomes of those that are made.
    pub(super) code: &'static [&'static str],
}

/// Which files of packages are laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Of those with programs.
    pub(super) tools: Wanted,
    /// Of those that they read.
    pub(super) inputs: Wanted,
}

impl Job<'_> {
    /// Under which name the result is kept: a digest of all that goes into it.
    pub(super) fn key(&self) -> String {
        let Job {
            kind,
            tools,
            inputs,
            commands,
            code,
        } = self;
        let packages = |packages: &[&LockedPackage]| -> Vec<String> {
            let line = |package: &&LockedPackage| format!("{} {}", package.name, package.sha256);
            packages.iter().map(line).collect()
        };
        let parts = format!(
            "{:?}\n{:?}\n{commands:?}\n{code:?}\n{:?}",
            packages(tools),
            packages(inputs),
            [include_str!("tools.rs"), include_str!("program.rs")],
        );
        let key = Sha256::of(parts.as_bytes()).to_string();
        format!("{kind}-{}", key.trim_start_matches("sha256:"))
    }
}

/// Programs that are ready to run, in a directory that goes away.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    entered: &'a Entered,
    dir: PathBuf,
}

impl<'a> Tools<'a> {
    /// Lays out what programs of `job` need.
    pub(super) fn lay_out(
        workshop: &Workshop<'_>,
        job: &Job<'_>,
        layout: Layout,
        entered: &'a Entered,
    ) -> Result<Tools<'a>, ToolError> {
        let name = format!(".{}-{}", job.kind, std::process::id());
        let dir = workshop.unpacked.join(name);
        let _gone = fs::remove_dir_all(&dir);
        let tools = Tools { entered, dir };
        let root = tools.dir.join("root");
        let target = root.join("target");
        for name in [
            "root/usr/bin",
            "root/usr/lib",
            "root/target",
            "root/tmp",
            "root/out",
            "out",
        ] {
            let path = tools.dir.join(name);
            fs::create_dir_all(&path).map_err(at("create", &path))?;
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            let (link, target) = (root.join(name), format!("usr/{name}"));
            symlink(&target, &link).map_err(at("create", &link))?;
        }
        let all: Vec<&LockedPackage> = job.tools.iter().chain(&job.inputs).copied().collect();
        let unpacked = workshop.unpack(&all)?;
        let (programs, inputs) = unpacked.split_at(job.tools.len());
        for package in programs {
            lay_out(package, &root, layout.tools)?;
        }
        for package in inputs {
            lay_out(package, &target, layout.inputs)?;
        }
        Ok(tools)
    }

    /// Where programs write: their `/out`.
    pub(super) fn out(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// Runs a program to its end, and returns what it said.
    pub(super) fn run(&self, command: &[String]) -> Result<String, ToolError> {
        let path = command.first().map_or("", String::as_str);
        let program = path.rsplit('/').next().unwrap_or(path);
        let failed = |source| ToolError::Sandbox {
            program: program.to_string(),
            source,
        };
        let run = Program {
            rootfs: Rootfs {
                lowers: vec![self.dir.join("root")],
                upper: None,
            },
            mounts: vec![Mount {
                target: PathBuf::from("/out"),
                kind: MountKind::Bind {
                    source: self.out(),
                    read_only: false,
                },
            }],
            argv: command.to_vec(),
            env: &[
                ("PATH", "/usr/bin"),
                ("LC_ALL", "C"),
                ("HOME", "/tmp"),
                ("PYTHONHASHSEED", "0"),
            ],
            cwd: "/out",
            output: OutputMode::Piped,
        };
        let output = run.run(self.entered).map_err(failed)?;
        if output.exit.status != Status::Code(0) {
            let said = [output.stdout, output.stderr].concat();
            return Err(ToolError::Program {
                program: program.to_string(),
                outcome: format!("{:?}", output.exit.status),
                output: last_lines(&said, SHOWN),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Tools<'_> {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

/// Writes what is wanted of a package.
fn lay_out(package: &Unpacked, root: &Path, wanted: Wanted) -> Result<(), ToolError> {
    for entry in &package.entries {
        let Some(path) = wanted(&merged(&entry.path)) else {
            continue;
        };
        let path = root.join(path);
        let done = match &entry.kind {
            UnpackedKind::Directory => fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&path),
            UnpackedKind::Symlink(target) => match path.symlink_metadata() {
                Ok(_) => Ok(()),
                Err(_) => parent(&path).and_then(|()| symlink(target, &path)),
            },
            UnpackedKind::File(facts) => parent(&path).and_then(|()| {
                let mut file = File::options()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(entry.mode & 0o777)
                    .open(&path)?;
                io::copy(&mut StoredFile::open(&package.data, facts), &mut file).map(drop)
            }),
            // No package that is needed here has one.
            UnpackedKind::HardLink(_) => Ok(()),
        };
        done.map_err(at("write", &path))?;
    }
    Ok(())
}

/// Where a library is in a system whose `/usr` is merged.
fn merged(path: &str) -> String {
    match path.split_once('/') {
        Some(("lib" | "lib64", _)) => format!("usr/{path}"),
        _ => path.to_string(),
    }
}

/// Whether a file below `/usr/lib` is nothing that a program looks at to run.
pub(super) fn is_idle(path: &str) -> bool {
    path.contains("/gconv/") || path.starts_with("usr/lib/debug")
}

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ToolError {
    let path = path.to_path_buf();
    move |source| ToolError::Io {
        action,
        path,
        source,
    }
}

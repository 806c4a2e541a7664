//! A root filesystem with a JDK or an interpreter, and its programs run in the sandbox.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use jettison_sandbox::{
    Entered, Input, KernelDirectories, MissingCwd, Mount, MountKind, Network, OutputMode,
    Resources, Rootfs, Sandbox, Security, Status, Terminal, Tracing, User,
};

use crate::base::link::{LinkError, LinkRequest, at};
use crate::base::unpacked::{StoredFile, Unpacked, UnpackedKind};

/// How many lines of a program's output an error shows.
const SHOWN: usize = 20;

/// Where a file of a package belongs; nowhere, if it is not wanted.
pub(in crate::base) type Wanted = fn(&str) -> Option<String>;

/// Programs that are ready to run, in a directory that goes away.
#[derive(Debug)]
pub(in crate::base) struct Tools<'a> {
    entered: &'a Entered,
    dir: PathBuf,
    bin: String,
}

impl<'a> Tools<'a> {
    /// Lays out what the JDK's programs need of the packages.
    pub(super) fn lay_out(
        request: &LinkRequest<'_>,
        entered: &'a Entered,
    ) -> Result<Tools<'a>, LinkError> {
        let place = request
            .unpacked
            .join(format!(".link-{}", std::process::id()));
        let packages = request
            .packages
            .iter()
            .map(|package| request.unpack(&package.name))
            .collect::<Result<Vec<_>, LinkError>>()?;
        let bin = format!("/{}/bin", request.home());
        Tools::new(place, bin, entered, (&packages, wanted))
    }

    /// Lays out below `dir` what is wanted of packages. Programs are those in `bin`.
    pub(in crate::base) fn new(
        dir: PathBuf,
        bin: String,
        entered: &'a Entered,
        (packages, wanted): (&[Unpacked], Wanted),
    ) -> Result<Tools<'a>, LinkError> {
        let tools = Tools { entered, dir, bin };
        let root = tools.dir.join("root");
        for name in [
            "root/usr/bin",
            "root/usr/lib",
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
        for package in packages {
            lay_out(package, &root, wanted)?;
        }
        Ok(tools)
    }

    /// Where programs write: their `/out`.
    pub(in crate::base) fn out(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// The text of a file.
    #[expect(
        clippy::unused_self,
        reason = "only what the tools have made is read so"
    )]
    pub(super) fn read(&self, path: &Path) -> Result<String, LinkError> {
        fs::read_to_string(path).map_err(at("read", path))
    }

    /// Runs a program to its end, and returns what it said.
    pub(in crate::base) fn run(
        &self,
        program: &str,
        arguments: &[&str],
    ) -> Result<String, LinkError> {
        self.run_in(program, arguments, "/out", Vec::new())
    }

    /// The same in a directory, with files of the host.
    pub(super) fn run_in(
        &self,
        program: &str,
        arguments: &[&str],
        cwd: &str,
        mut mounts: Vec<Mount>,
    ) -> Result<String, LinkError> {
        mounts.push(Mount {
            target: PathBuf::from("/out"),
            kind: MountKind::Bind {
                source: self.out(),
                read_only: false,
            },
        });
        let mut argv = vec![format!("{}/{program}", self.bin)];
        argv.extend(arguments.iter().map(ToString::to_string));
        let variables = [
            ("PATH", "/usr/bin"),
            ("LC_ALL", "C"),
            ("HOME", "/tmp"),
            ("PYTHONHASHSEED", "0"),
        ];
        let sandbox = Sandbox {
            rootfs: Rootfs {
                lowers: vec![self.dir.join("root")],
                upper: None,
            },
            mounts,
            argv,
            env: variables
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .to_vec(),
            cwd: PathBuf::from(cwd),
            missing_cwd: MissingCwd::Refused,
            user: User {
                uid: 0,
                gid: 0,
                groups: Vec::new(),
            },
            hostname: "debian".to_string(),
            network: Network::None,
            stdin: Input::Null,
            output: OutputMode::Piped,
            terminal: Terminal::None,
            time_limit: None,
            read_only: false,
            security: Security::Confined,
            ulimits: Vec::new(),
            shm_size: None,
            resources: Resources::UNLIMITED,
            kernel_directories: KernelDirectories::Removed,
            tracing: Tracing::Off,
        };
        let failed = |source| LinkError::Sandbox {
            program: program.to_string(),
            source,
        };
        let child = sandbox.spawn(self.entered).map_err(failed)?;
        let output = child.wait_with_output().map_err(failed)?;
        if output.exit.status != Status::Code(0) {
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said += &String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said.lines().collect();
            return Err(LinkError::Program {
                program: program.to_string(),
                outcome: format!("{:?}", output.exit.status),
                output: lines[lines.len().saturating_sub(SHOWN)..].join("\n"),
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
fn lay_out(package: &Unpacked, root: &Path, wanted: Wanted) -> Result<(), LinkError> {
    for entry in &package.entries {
        let Some(path) = wanted(&entry.path) else {
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

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Where a file belongs that the JDK's programs need, in a system whose `/usr` is merged.
fn wanted(path: &str) -> Option<String> {
    let path = match path.split_once('/') {
        Some(("lib" | "lib64", _)) => format!("usr/{path}"),
        _ => path.to_string(),
    };
    let is_needed = path.starts_with("usr/lib") || path.starts_with("etc/java");
    let is_large = path.contains("/gconv/")
        || path.starts_with("usr/lib/debug")
        || ["lib/ct.sym", "lib/src.zip", ".jsa"]
            .iter()
            .any(|end| path.ends_with(end));
    (is_needed && !is_large).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_java_are_needed_to_run_it() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(wanted(path).as_deref(), expected, "{path}");
        };
        check(
            "lib/x86_64-linux-gnu/libc.so.6",
            Some("usr/lib/x86_64-linux-gnu/libc.so.6"),
        );
        check(
            "lib64/ld-linux-x86-64.so.2",
            Some("usr/lib64/ld-linux-x86-64.so.2"),
        );
        check(
            "etc/java-21-openjdk/jvm-amd64.cfg",
            Some("etc/java-21-openjdk/jvm-amd64.cfg"),
        );
        check("etc/passwd", None);
        check("usr/share/doc/libc6/copyright", None);
        check("usr/lib/x86_64-linux-gnu/gconv/EUC-JP.so", None);
        check("usr/lib/jvm/java-21-openjdk-amd64/lib/ct.sym", None);
    }
}

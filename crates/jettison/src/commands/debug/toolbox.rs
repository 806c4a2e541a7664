//! The tools that are put beside an image's files.
//!
//! ```text
//! /.jettison/
//! ├── bin/busybox, bin/sh, …    busybox, which needs no libraries, and a link for each of its commands
//! ├── tools/strace, …           a link to `run` for each other program of the toolbox
//! ├── run                       starts such a program with the libraries of the toolbox
//! └── toolbox/                  the files of the toolbox, read-only
//! ```
//!
//! A program of the toolbox is started through the toolbox's own dynamic linker, so that it runs in an image that has
//! none, or another, and sees the image's files under `/`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jettison_sandbox::{
    Entered, Input, KernelDirectories, MissingCwd, Mount, MountKind, Network, OutputMode,
    Resources, Rootfs, Sandbox, Security, Status, Terminal, Tracing, User,
};
use jettison_slim::Elf;

use crate::failure::Failure;
use crate::remote::TemporaryDir;

/// Where all of it is.
const HOME: &str = "/.jettison";
/// Where busybox's commands are.
pub(super) const BIN: &str = "/.jettison/bin";
/// Where the toolbox's other programs are.
pub(super) const TOOLS: &str = "/.jettison/tools";

/// The directories of programs.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];

/// Tools, ready to be mounted. They go away with this value.
#[derive(Debug)]
pub(super) struct Toolbox {
    dir: TemporaryDir,
    lowers: Vec<PathBuf>,
    /// The files of the toolbox, if they are nowhere else.
    _files: Option<TemporaryDir>,
}

impl Toolbox {
    /// Lays out the tools of an image, whose layers are `lowers`, top first.
    pub(super) fn open(
        lowers: Vec<PathBuf>,
        root: &Path,
        entered: &Entered,
    ) -> Result<Toolbox, Failure> {
        let busybox = find(&lowers, "busybox").ok_or_else(|| {
            Failure::user("the toolbox has no busybox")
                .hint("take one that has: debian://bookworm?include=busybox-static")
        })?;
        let failed = |error: io::Error| Failure::user("cannot lay out the toolbox").because(&error);
        let content = fs::read(&busybox).map_err(failed)?;
        let is_static = Elf::parse(&content).is_ok_and(|elf| elf.interpreter.is_none());
        if !is_static {
            return Err(Failure::user(
                "the toolbox's busybox needs libraries that the image may not have",
            )
            .hint("take the package busybox-static instead of busybox"));
        }
        let dir = TemporaryDir::create(root).map_err(failed)?;
        let toolbox = Toolbox {
            dir,
            lowers,
            _files: None,
        };
        toolbox.lay_out(&busybox).map_err(failed)?;
        let commands = toolbox.commands(entered)?;
        toolbox.link(&commands).map_err(failed)?;
        Ok(toolbox)
    }

    /// Lays out the busybox of this machine.
    pub(super) fn of_host(root: &Path, entered: &Entered) -> Result<Toolbox, Failure> {
        let found = PROGRAMS
            .iter()
            .map(|directory| Path::new("/").join(directory).join("busybox"));
        let busybox = found
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Failure::user("this machine has no busybox")
                    .hint("install the package busybox-static")
            })?;
        let failed = |error: io::Error| Failure::user("cannot lay out the toolbox").because(&error);
        let files = TemporaryDir::create(root).map_err(failed)?;
        fs::create_dir(files.path().join("bin")).map_err(failed)?;
        fs::copy(busybox, files.path().join("bin/busybox")).map_err(failed)?;
        let lowers = vec![files.path().to_path_buf()];
        let toolbox = Toolbox::open(lowers, root, entered)?;
        Ok(Toolbox {
            _files: Some(files),
            ..toolbox
        })
    }

    /// What has to be mounted.
    pub(super) fn mounts(&self) -> [Mount; 2] {
        let home = Mount {
            target: PathBuf::from(HOME),
            kind: MountKind::Bind {
                source: self.dir.path().to_path_buf(),
                read_only: true,
            },
        };
        let files = Mount {
            target: Path::new(HOME).join("toolbox"),
            kind: MountKind::Layers {
                lowers: self.lowers.clone(),
                path: PathBuf::from("/"),
                upper: None,
            },
        };
        [home, files]
    }

    fn lay_out(&self, busybox: &Path) -> io::Result<()> {
        let dir = self.dir.path();
        // Users of the image may look, too.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        for name in ["bin", "tools", "toolbox"] {
            fs::create_dir(dir.join(name))?;
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755))?;
        }
        let copy = dir.join("bin/busybox");
        fs::copy(busybox, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        let run = dir.join("run");
        fs::write(&run, script(&self.lowers))?;
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755))
    }

    /// The commands that busybox has.
    fn commands(&self, entered: &Entered) -> Result<Vec<String>, Failure> {
        let sandbox = Sandbox {
            rootfs: Rootfs {
                lowers: vec![self.dir.path().to_path_buf()],
                upper: None,
            },
            mounts: Vec::new(),
            argv: vec!["/bin/busybox".to_string(), "--list".to_string()],
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            missing_cwd: MissingCwd::Refused,
            user: User::default(),
            hostname: "toolbox".to_string(),
            network: Network::None,
            stdin: Input::Null,
            output: OutputMode::Piped,
            terminal: Terminal::None,
            time_limit: None,
            read_only: true,
            security: Security::Confined,
            ulimits: Vec::new(),
            shm_size: None,
            resources: Resources::UNLIMITED,
            kernel_directories: KernelDirectories::Removed,
            tracing: Tracing::Off,
        };
        let listed = sandbox
            .spawn(entered)
            .and_then(jettison_sandbox::Child::wait_with_output)
            .map_err(|error| Failure::host("cannot start the toolbox's busybox").because(&error))?;
        if listed.exit.status != Status::Code(0) {
            return Err(Failure::user("the toolbox's busybox does not run here"));
        }
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let is_name = |name: &&str| !name.is_empty() && !name.contains('/') && *name != "busybox";
        Ok(text.lines().filter(is_name).map(str::to_string).collect())
    }

    fn link(&self, commands: &[String]) -> io::Result<()> {
        let dir = self.dir.path();
        for command in commands {
            symlink("busybox", dir.join("bin").join(command))?;
        }
        for name in programs(&self.lowers)? {
            if name != "busybox" {
                symlink("../run", dir.join("tools").join(name))?;
            }
        }
        Ok(())
    }
}

/// The script that starts a program of the toolbox, which it is called like.
fn script(lowers: &[PathBuf]) -> String {
    let libraries = library_directories(lowers);
    let loader = libraries
        .iter()
        .flat_map(|directory| lowers.iter().map(move |lower| lower.join(directory)))
        .flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| name.starts_with("ld-linux") || name.starts_with("ld-musl"))
        .unwrap_or_default();
    let box_root = format!("{HOME}/toolbox");
    let path: Vec<String> = libraries
        .iter()
        .map(|directory| format!("{box_root}/{directory}"))
        .collect();
    format!(
        "#!{BIN}/sh\n\
         # Starts a program of the toolbox with the toolbox's libraries.\n\
         name=\"${{0##*/}}\"\n\
         for dir in {programs}; do\n\
         \tfile={box_root}/$dir/$name\n\
         \t[ -x \"$file\" ] || continue\n\
         \tfor libraries in {libraries}; do\n\
         \t\t[ -x \"$libraries/{loader}\" ] &&\n\
         \t\t\texec \"$libraries/{loader}\" --library-path {path} --argv0 \"$name\" \"$file\" \"$@\"\n\
         \tdone\n\
         done\n\
         echo \"$name: the toolbox has no dynamic linker that could start it\" >&2\n\
         exit 127\n",
        programs = PROGRAMS.join(" "),
        libraries = path.join(" "),
        path = path.join(":"),
    )
}

/// Where the toolbox has libraries, below its root.
fn library_directories(lowers: &[PathBuf]) -> Vec<String> {
    let mut directories = BTreeSet::new();
    for base in ["usr/lib", "lib"] {
        for lower in lowers {
            let entries = fs::read_dir(lower.join(base))
                .into_iter()
                .flatten()
                .flatten();
            for entry in entries {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with("-linux-gnu") {
                    directories.insert(format!("{base}/{name}"));
                }
            }
            if lower.join(base).is_dir() {
                directories.insert(base.to_string());
            }
        }
    }
    // Those of one processor before those of all, and each once where one is a link to the other.
    let mut directories: Vec<String> = directories.into_iter().collect();
    directories.sort_by_key(|directory| !directory.ends_with("-linux-gnu"));
    directories
}

/// The topmost file of a program that is called `name`.
fn find(lowers: &[PathBuf], name: &str) -> Option<PathBuf> {
    let paths = PROGRAMS
        .iter()
        .map(|directory| format!("{directory}/{name}"));
    let candidates = paths.flat_map(|path| lowers.iter().map(move |lower| lower.join(&path)));
    candidates
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok_and(|found| found.is_file()))
}

/// The names of the toolbox's programs that are linked dynamically, sorted.
fn programs(lowers: &[PathBuf]) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for directory in PROGRAMS {
        for lower in lowers {
            let entries = match fs::read_dir(lower.join(directory)) {
                Ok(entries) => entries,
                // Not every layer has it, and where it is a link it is read elsewhere.
                Err(_not_there) => continue,
            };
            for entry in entries {
                let entry = entry?;
                let is_file = entry.file_type()?.is_file();
                if is_file && is_dynamic(&entry.path()) {
                    names.insert(entry.file_name());
                }
            }
        }
    }
    Ok(names)
}

fn is_dynamic(path: &Path) -> bool {
    let content = fs::read(path).unwrap_or_default();
    Elf::parse(&content).is_ok_and(|elf| elf.interpreter.is_some())
}

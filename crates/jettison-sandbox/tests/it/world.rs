//! A way of having entered, and scenes to run programs in.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jettison_sandbox::{
    EnterOptions, Entered, IdChoice, IdMapKind, Input, KernelDirectories, MissingCwd, Mount,
    MountKind, Network, Output, OutputMode, Resources, Rootfs, Sandbox, Security, Terminal,
    Tracing, Upper, User, enter,
};

/// This process, inside.
pub(crate) struct World {
    pub(crate) entered: Entered,
}

impl World {
    /// Enters, or says why that cannot be tried here.
    pub(crate) fn enter(name: &str) -> Result<World, String> {
        let ids = if name == "single" {
            IdChoice::Single
        } else {
            IdChoice::Best
        };
        let entered =
            enter(&EnterOptions { ids }).map_err(|error| format!("{error}: {error:?}"))?;
        let is_as_named = match entered.ids {
            IdMapKind::Root | IdMapKind::SubordinateIds { .. } => name != "single",
            IdMapKind::SingleId => name == "single",
        };
        if is_as_named {
            Ok(World { entered })
        } else {
            Err(entered.limitation().unwrap_or("another ID map").to_owned())
        }
    }

    /// Whether files can be given to others.
    pub(crate) fn has_other_ids(&self) -> bool {
        self.entered.ids != IdMapKind::SingleId
    }

    /// Skips the test where files cannot be given to others.
    pub(crate) fn needs_other_ids(&self) {
        if !self.has_other_ids() {
            std::panic::resume_unwind(Box::new(NeedsOtherIds));
        }
    }
}

/// Unwinds out of a test that cannot be tried.
pub(crate) struct NeedsOtherIds;

/// Directories for one test: a lower layer with little in it, and an empty upper one.
pub(crate) struct Scene {
    base: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let scene = Scene {
            base: tempfile::tempdir().unwrap(),
        };
        for name in [
            "upper",
            "work",
            "lower/usr",
            "lower/etc",
            "lower/tmp",
            "lower/old/sub",
        ] {
            fs::create_dir_all(scene.path(name)).unwrap();
        }
        for name in LINKED {
            if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
                symlink(target, scene.path("lower").join(name)).unwrap();
            }
        }
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    pub(crate) fn upper(&self, name: &str) -> PathBuf {
        self.path("upper").join(name)
    }

    /// Every path in the upper directory, sorted.
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![self.path("upper")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let path = entry.path();
                found.push(
                    path.strip_prefix(self.path("upper"))
                        .unwrap()
                        .display()
                        .to_string(),
                );
                if entry.file_type().unwrap().is_dir() {
                    directories.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// A sandbox that runs `script` with the programs of the host.
    pub(crate) fn sandbox(&self, script: &str) -> Sandbox {
        let directories = LINKED
            .iter()
            .chain(&["usr"])
            .map(|name| Path::new("/").join(name));
        let mounts = directories
            .filter(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()))
            .map(|path| bind(&path, &path))
            .chain([bind(Path::new("/proc/self/exe"), Path::new("/it"))])
            .collect();
        Sandbox {
            rootfs: Rootfs {
                lowers: vec![self.path("lower")],
                upper: Some(Upper {
                    dir: self.path("upper"),
                    work: self.path("work"),
                }),
            },
            mounts,
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
            cwd: PathBuf::from("/"),
            missing_cwd: MissingCwd::Refused,
            user: User::default(),
            hostname: "scene".to_owned(),
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
        }
    }
}

const LINKED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// A read-only bind mount.
pub(crate) fn bind(source: &Path, target: &Path) -> Mount {
    let source = fs::canonicalize(source).unwrap();
    Mount {
        target: target.to_owned(),
        kind: MountKind::Bind {
            source,
            read_only: true,
        },
    }
}

/// Runs to the end.
#[track_caller]
pub(crate) fn run(world: &World, sandbox: &Sandbox) -> Output {
    sandbox
        .spawn(&world.entered)
        .unwrap()
        .wait_with_output()
        .unwrap()
}

/// Runs `script` in a new scene; gives what it wrote to its standard output.
#[track_caller]
pub(crate) fn say(world: &World, script: &str) -> String {
    text(&run(world, &Scene::new().sandbox(script)))
}

/// The standard output of a program that must have succeeded in silence.
#[track_caller]
pub(crate) fn text(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (&*errors, output.exit.status),
        ("", jettison_sandbox::Status::Code(0))
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

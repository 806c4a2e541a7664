//! `docker build` with the BuildKit of a daemon: one of the test's own, or the one of `DOCKER_HOST`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jettison_testkit::Scratch;
use serde_json::{Value, json};

use super::buildah::tagged;
use super::{PeerPlace, last_line, sid_tree};
use crate::PROGRAM;
use crate::conformance::builder::{Left, options, set_environment};
use crate::conformance::case::Case;
use crate::conformance::image::{write_archive, write_image};
use crate::conformance::scene::Scene;

/// Another program of that name may come first in `PATH`.
const CLIENT: &str = "/usr/bin/docker";

/// A daemon.
pub(super) struct Docker {
    /// The images of a case have names that other cases give to other images, and a case may end the daemon: one
    /// after the other.
    daemon: Mutex<Daemon>,
}

/// Where a daemon listens.
struct Daemon {
    place: PeerPlace,
    address: String,
    /// Its process and directory, if it is the test's own.
    own: Option<(Child, Scratch)>,
    /// How many images were built.
    built: usize,
}

impl Docker {
    /// The daemon of `DOCKER_HOST`, or a new one.
    pub(super) fn start(place: &PeerPlace) -> Docker {
        let (address, own) = match std::env::var("DOCKER_HOST") {
            Ok(address) => (address, None),
            Err(_) => start_daemon(place),
        };
        let daemon = Daemon {
            place: place.clone(),
            address,
            own,
            built: 0,
        };
        daemon.prepare();
        Docker {
            daemon: Mutex::new(daemon),
        }
    }

    pub(super) fn version(&self) -> String {
        self.turn().version()
    }

    fn turn(&self) -> MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn build(&self, case: &Case, scene: &Scene) -> Left {
        let mut daemon = self.turn();
        let left = daemon.build(case, scene);
        if matches!(left, Left::Error { .. }) && !daemon.answers() {
            daemon.restart();
            let text = "the daemon crashes".to_owned();
            return Left::Error { line: None, text };
        }
        left
    }
}

impl Daemon {
    /// Waits for the daemon and gives it the image on which nearly every case is built.
    fn prepare(&self) {
        if !(0..100).any(|_| self.answers()) {
            let log = self.own.as_ref().map(|(_, scratch)| scratch.read("log"));
            panic!(
                "nobody answers at {}\n{}",
                self.address,
                log.unwrap_or_default()
            );
        }
        let scratch = Scratch::new(PROGRAM);
        let layout = scratch.dir().join("layout");
        write_image(&layout, "", &[]);
        self.load(&scratch, &layout, "busybox");
    }

    /// Whether the daemon answers at once or after a moment.
    fn answers(&self) -> bool {
        let scratch = Scratch::new(PROGRAM);
        let mut command = self.client(&scratch);
        let is_there = scratch.outcome(command.arg("version")).code == 0;
        if !is_there {
            thread::sleep(Duration::from_millis(100));
        }
        is_there
    }

    fn restart(&mut self) {
        assert!(
            self.own.is_some(),
            "{} does not answer any more",
            self.address
        );
        self.end();
        (self.address, self.own) = start_daemon(&self.place);
        self.prepare();
    }

    fn version(&self) -> String {
        let scratch = Scratch::new(PROGRAM);
        let mut command = self.client(&scratch);
        command.args(["version", "--format", "{{.Server.Version}}"]);
        scratch.outcome(&mut command).succeeded().stdout
    }

    fn client(&self, scratch: &Scratch) -> Command {
        let mut command = self.place.tool(scratch, CLIENT);
        command
            .args(["-H", &self.address])
            .env("DOCKER_BUILDKIT", "1");
        command
    }

    fn load(&self, scratch: &Scratch, layout: &Path, name: &str) {
        write_archive(&scratch.dir().join("image.tar"), layout, &tagged(name));
        let mut load = self.client(scratch);
        load.args(["load", "-q", "-i", "image.tar"]);
        scratch.outcome(&mut load).succeeded();
    }

    fn remove(&self, scratch: &Scratch, name: &str) {
        let mut command = self.client(scratch);
        // One that is not there is as good.
        drop(scratch.outcome(command.args(["rmi", "-f", name])));
    }

    fn build(&mut self, case: &Case, scene: &Scene) -> Left {
        let images = scene.images.iter();
        let own: Vec<_> = images.filter(|image| image.name != "busybox").collect();
        for image in &own {
            self.load(&scene.scratch, &image.directory, &image.name);
        }
        self.built += 1;
        let tag = format!("jettison-case-{}-{}", std::process::id(), self.built);
        let left = self.build_tagged(case, scene, &tag);
        for image in own {
            self.remove(&scene.scratch, &image.name);
        }
        if self.own.is_none() {
            self.remove(&scene.scratch, &tag);
        }
        left
    }

    fn build_tagged(&self, case: &Case, scene: &Scene, tag: &str) -> Left {
        let scratch = &scene.scratch;
        let mut command = self.client(scratch);
        command
            .args(["build", "--progress", "plain", "--no-cache", "--tag", tag])
            // The daemon has no network but the machine's.
            .args(["--network", "host"])
            .args(options(case, scene))
            .arg("context");
        set_environment(&mut command, case);
        let outcome = scratch.outcome(&mut command);
        if outcome.code != 0 {
            let text = scene.without_places(&last_line(&outcome.stderr));
            return Left::Error { line: None, text };
        }
        let mut save = self.client(scratch);
        let saved = scratch.outcome(save.args(["save", "-o", "out/image.tar", tag]));
        if saved.stderr.contains("empty export") {
            return Left::Empty(self.inspect(scratch, tag));
        }
        saved.succeeded();
        Left::Archive(scene.dir().join("out/image.tar"))
    }

    /// The configuration of an image without layers, which old daemons do not save.
    fn inspect(&self, scratch: &Scratch, tag: &str) -> Value {
        let mut inspect = self.client(scratch);
        inspect.args(["inspect", "--format", "{{json .}}", tag]);
        let said = scratch.outcome(&mut inspect).succeeded().stdout;
        let found: Value = serde_json::from_str(&said).unwrap();
        let mut history = self.client(scratch);
        history.args(["history", "--no-trunc", "--format", "{{json .}}", tag]);
        let said = scratch.outcome(&mut history).succeeded().stdout;
        let mut entries: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .map(|entry: Value| {
                json!({
                    "created_by": entry["CreatedBy"],
                    "comment": entry["Comment"],
                    "empty_layer": true,
                })
            })
            .collect();
        entries.reverse();
        json!({
            "architecture": found["Architecture"],
            "os": found["Os"],
            "os.version": found["OsVersion"],
            "variant": found["Variant"],
            "author": found["Author"],
            "config": found["Config"],
            "history": entries,
        })
    }

    /// Ends the daemon, if it is the test's own.
    fn end(&mut self) {
        if let Some((process, _)) = &mut self.own {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a daemon whose data are in a directory of its own.
///
/// It is the first process of a PID namespace, so that nothing that it started outlives it, and what it mounts is
/// in a mount namespace.
fn start_daemon(place: &PeerPlace) -> (String, Option<(Child, Scratch)>) {
    let scratch = Scratch::new(PROGRAM);
    let path = |name: &str| scratch.dir().join(name);
    let log = fs::File::create(path("log")).unwrap();
    let mut command = scratch.tool("unshare", &["--pid", "--fork", "--kill-child"]);
    match &place.tree {
        Some(tree) => command.arg(sid_tree()).arg(tree),
        None => command.arg("--mount-proc"),
    };
    let address = format!("unix://{}", path("docker.sock").display());
    command
        .args([
            "dockerd",
            "--storage-driver",
            "overlay2",
            "--bridge",
            "none",
        ])
        .args(["--iptables=false", "--ip6tables=false", "-H", &address])
        .arg("--data-root")
        .arg(path("data"))
        .arg("--exec-root")
        .arg(path("exec"))
        .arg("--pidfile")
        .arg(path("pid"))
        .stdout(Stdio::from(log.try_clone().unwrap()))
        .stderr(Stdio::from(log));
    let process = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start dockerd: {error}"));
    (address, Some((process, scratch)))
}

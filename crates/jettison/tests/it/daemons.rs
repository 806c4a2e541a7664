//! Images go into running daemons, Docker's and Podman's, through their sockets, and come back.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use jettison_testkit::{Outcome, RegistryDemands, Scratch, skip};
use serde_json::Value;

use crate::PROGRAM;
use crate::everyday::stdout;
use crate::peers::{check_loaded, chosen, files, identity, images, sorted_listing};
use crate::registries::registry;
use crate::running;
use crate::shared::{installed, runs_as_root};

/// A daemon with a directory of its own, which is ended with this.
struct Daemon {
    process: Child,
    socket: String,
}

impl Daemon {
    /// Waits until somebody listens at `sock`; says why there is none, if there is none.
    fn wait(scratch: &Scratch, command: &mut Command, name: &str) -> Option<Daemon> {
        let path = scratch.dir().join("sock");
        let log = std::fs::File::create(scratch.dir().join("daemon.log")).unwrap();
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let daemon = Daemon {
            process,
            socket: format!("unix://{}", path.display()),
        };
        for _ in 0..200 {
            if UnixStream::connect(&path).is_ok() {
                return Some(daemon);
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = scratch.read("daemon.log");
        let last = log.lines().last().unwrap_or_default();
        skip(&format!("{name} does not start here: {last}"));
        None
    }

    fn docker_itself(scratch: &Scratch) -> Option<Daemon> {
        if !installed(&["dockerd", "docker", "runc"]) || !runs_as_root() {
            return None;
        }
        let path = |name: &str| scratch.dir().join(name).display().to_string();
        let mut command = scratch.tool("dockerd", &["--bridge", "none", "--iptables=false"]);
        command
            .args(["--ip6tables=false", "--storage-driver", "vfs"])
            .args(["--data-root", &path("docker"), "--exec-root", &path("exec")])
            .args(["--pidfile", &path("pid")])
            .args(["-H", &format!("unix://{}", path("sock"))]);
        Daemon::wait(scratch, &mut command, "dockerd")
    }

    fn podman(scratch: &Scratch) -> Option<Daemon> {
        if !installed(&["podman", "runc"]) || !runs_as_root() {
            return None;
        }
        let socket = format!("unix://{}", scratch.dir().join("sock").display());
        let mut command = podman(scratch, &["system", "service", "--time", "0", &socket]);
        Daemon::wait(scratch, &mut command, "podman system service")
    }

    fn docker(&self, scratch: &Scratch, arguments: &[&str]) -> String {
        let mut docker = scratch.tool("docker", &["-H", &self.socket]);
        docker.args(arguments);
        scratch.outcome(&mut docker).succeeded().stdout
    }

    /// Our program, which is told of the daemon.
    fn jettison(&self, scratch: &Scratch, arguments: &[&str]) -> Outcome {
        let mut command = scratch.command(arguments);
        scratch.outcome(command.env("DOCKER_HOST", &self.socket))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").arg(pid).status();
        assert!(asked.is_ok_and(|status| status.success()));
        self.process.wait().unwrap();
    }
}

/// Podman with its images below the scratch directory, and without what this machine may lack.
fn podman(scratch: &Scratch, arguments: &[&str]) -> Command {
    // Volumes want whole paths.
    let path = |name: &str| scratch.dir().join(name).display().to_string();
    let (storage, state) = (path("storage"), path("state"));
    let options = [
        "--root",
        &storage,
        "--runroot",
        &state,
        "--storage-driver",
        "vfs",
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "file",
        "--runtime",
        "runc",
    ];
    let mut command = scratch.tool("podman", &options);
    command.args(arguments);
    command
}

fn podman_says(scratch: &Scratch, arguments: &[&str]) -> String {
    let mut command = podman(scratch, arguments);
    scratch.outcome(&mut command).succeeded().stdout
}

/// What a container of docker gets beside the image's files.
fn is_of_daemon(line: &str) -> bool {
    let path = line.rsplit(' ').next().unwrap_or_default();
    let path = if line.contains(" -> ") {
        line.split(" -> ").next().unwrap_or_default()
    } else {
        path
    };
    let of_daemon = [
        ".dockerenv",
        "dev/",
        "dev/console",
        "dev/pts/",
        "dev/shm/",
        "etc/",
        "etc/hostname",
        "etc/hosts",
        "etc/mtab",
        "etc/resolv.conf",
        "proc/",
        "sys/",
    ];
    of_daemon
        .iter()
        .any(|name| path == *name || path.ends_with(&format!(" {name}")))
}

/// The listings of an image's files, without what daemons add: ours, and that of a container that is exported.
#[track_caller]
fn check_files(scratch: &Scratch, name: &str, exported: &str) {
    let kept = |listing: &str| -> Vec<String> {
        let lines = listing.lines().filter(|line| !is_of_daemon(line));
        lines.map(str::to_owned).collect()
    };
    let ours = kept(&files(scratch, name));
    assert!(ours.len() >= 2, "{ours:?}");
    assert_eq!(kept(&sorted_listing(scratch, exported)), ours, "{name}");
}

#[test]
fn docker_loads_ours_and_theirs_load() {
    let Some(scratch) = images() else { return };
    let Some(daemon) = Daemon::docker_itself(&scratch) else {
        return;
    };
    // What Docker alone has in its configurations.
    scratch
        .write(
            "docker/Dockerfile",
            "FROM me/app:2\nHEALTHCHECK --interval=5s --retries=2 CMD [\"/one\"]\nONBUILD ENV X=y\nSHELL [\"/one\"]\n",
        )
        .jettison(&["build", "-q", "docker", "-t", "me/app:3"])
        .succeeded();
    scratch
        .jettison(&["save", "-o", "ours.tar", "me/app"])
        .succeeded();
    let loaded = daemon.docker(&scratch, &["load", "-i", "ours.tar"]);
    assert_eq!(loaded.lines().count(), 3, "{loaded}");
    let names = ["me/app:1", "me/app:2", "me/app:3"];
    for name in names {
        let inspected = daemon.docker(&scratch, &["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(chosen(&inspected[0]), identity(&scratch, name));
        let container = daemon.docker(&scratch, &["create", name]);
        let container = container.trim();
        daemon.docker(&scratch, &["export", "-o", "exported.tar", container]);
        check_files(&scratch, name, "exported.tar");
        daemon.docker(&scratch, &["rm", container]);
    }
    let save = ["save", "-o", "theirs.tar"];
    daemon.docker(&scratch, &[&save[..], &names].concat());
    check_loaded(&scratch, "theirs.tar", &names.map(|name| (name, name)));
    check_copies(&scratch, &daemon, "");
    daemon.docker(&scratch, &["rmi", "me/copied:1", "me/built:1"]);
    // The columns that both have are the same.
    let format = "{{.Repository}} {{.Tag}} {{.ID}} {{.CreatedSince}} {{.CreatedAt}}";
    let sorted = |list: &str| {
        let mut lines: Vec<String> = list.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    let theirs = daemon.docker(&scratch, &["images", "--format", format]);
    assert_eq!(
        sorted(&stdout(&scratch, &["images", "--format", format])),
        sorted(&theirs)
    );
    let format = "{{.CreatedBy}}|{{.Size}}|{{.Comment}}|{{.CreatedSince}}";
    let history = ["history", "--format", format, "me/app:2"];
    assert_eq!(
        stdout(&scratch, &history),
        daemon.docker(&scratch, &history)
    );
    let format = "{{range .Config.Env}}{{.}};{{end}}{{json .Config.Cmd}}{{len .RootFS.Layers}}{{.Config.Labels.kind}}";
    let inspect = ["inspect", "-f", format, "me/app:1"];
    assert_eq!(
        stdout(&scratch, &inspect),
        daemon.docker(&scratch, &inspect)
    );
}

/// From the store to the daemon, and back, without a file in between; and what is built goes there.
#[track_caller]
fn check_copies(scratch: &Scratch, daemon: &Daemon, prefix: &str) {
    let copy = |source: &str, target: &str| {
        daemon
            .jettison(scratch, &["copy", "-q", source, target])
            .succeeded();
    };
    copy("me/app:2", "docker-daemon:me/copied:1");
    copy(
        &format!("docker-daemon:{prefix}me/copied:1"),
        "jettison:me/back:1",
    );
    assert_eq!(
        identity(scratch, "me/back:1"),
        identity(scratch, "me/app:2")
    );
    assert_eq!(files(scratch, "me/back:1"), files(scratch, "me/app:2"));
    copy(
        &format!("docker-daemon:{prefix}me/copied:1"),
        "oci:of-daemon:1",
    );
    scratch.jettison(&["rmi", "me/back:1"]).succeeded();
    let built = daemon.jettison(
        scratch,
        &["build", "-q", "more", "-t", "me/built:1", "--load"],
    );
    built.succeeded();
    copy(
        &format!("docker-daemon:{prefix}me/built:1"),
        "jettison:me/back:1",
    );
    assert_eq!(
        identity(scratch, "me/back:1"),
        identity(scratch, "me/app:2")
    );
    scratch
        .jettison(&["rmi", "me/back:1", "me/built:1"])
        .succeeded();
    let missing = daemon.jettison(scratch, &["copy", "docker-daemon:none:1", "none:1"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("cannot get none:1 from unix://"),
        "{missing}"
    );
}

#[test]
fn podmans_service_takes_ours_and_gives_theirs() {
    let Some(scratch) = images() else { return };
    let Some(daemon) = Daemon::podman(&scratch) else {
        return;
    };
    check_copies(&scratch, &daemon, "docker.io/");
    for name in ["me/copied:1", "me/built:1"] {
        let inspected = podman_says(&scratch, &["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(chosen(&inspected[0]), identity(&scratch, "me/app:2"));
        let container = podman_says(&scratch, &["create", "--pull", "never", name]);
        let container = container.trim();
        podman_says(&scratch, &["export", "-o", "exported.tar", container]);
        check_files(&scratch, "me/app:2", "exported.tar");
        podman_says(&scratch, &["rm", container]);
    }
    // Images that podman built, or got elsewhere, are called `localhost/…` there.
    podman_says(&scratch, &["tag", "me/copied:1", "localhost/mine:1"]);
    let copy = ["copy", "-q", "docker-daemon:localhost/mine:1", "mine:1"];
    daemon.jettison(&scratch, &copy).succeeded();
    assert_eq!(identity(&scratch, "mine:1"), identity(&scratch, "me/app:2"));
}

/// Programs that show what an image's configuration and the command line make of a container.
const QUESTIONS: [&[&str]; 4] = [
    &[],
    &[
        "sh",
        "-c",
        "id -u; id -g; pwd; echo $A $HOME; cat /data/file; exit 7",
    ],
    &[
        "sh",
        "-c",
        "ls -ln /etc/passwd /bin/busybox | awk '{print $1, $3, $4, $5}'",
    ],
    &["/nothing/there"],
];

#[test]
fn docker_and_podman_run_our_images_as_we_do() {
    let Some(scratch) = running::world() else {
        return;
    };
    let Some(daemon) = Daemon::docker_itself(&scratch) else {
        return;
    };
    scratch
        .write(
            "user/Dockerfile",
            "FROM box\nUSER app\nWORKDIR /home/app\nENV A=user\n",
        )
        .jettison(&["build", "-q", "user", "-t", "box:user"])
        .succeeded();
    for name in ["box", "box:user"] {
        let copy = ["copy", "-q", name, &format!("docker-daemon:{name}")];
        daemon.jettison(&scratch, &copy).succeeded();
        scratch
            .jettison(&["save", "-o", "box.tar", name])
            .succeeded();
        podman_says(&scratch, &["load", "--quiet", "-i", "box.tar"]);
        for question in QUESTIONS {
            let ours = scratch.jettison(&[&["run", name], question].concat());
            let mut docker = scratch.tool("docker", &["-H", &daemon.socket]);
            docker.args(["run", "--rm", "--network", "none", name]);
            let docker = scratch.outcome(docker.args(question));
            let limits = [
                "--ulimit",
                "nofile=1024:1024",
                "--ulimit",
                "nproc=4096:4096",
            ];
            let mut podman = podman(&scratch, &["run", "--rm", "--network", "none"]);
            podman.args(["--pull", "never"]).args(limits).arg(name);
            let podman = scratch.outcome(podman.args(question));
            for theirs in [docker, podman] {
                assert_eq!(
                    (theirs.code, theirs.stdout.as_str()),
                    (ours.code, ours.stdout.as_str()),
                    "{name} {question:?}\n{theirs}\n{ours}"
                );
            }
        }
    }
}

#[test]
fn others_and_we_share_a_registry() {
    let Some(scratch) = images() else { return };
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let Some(daemon) = Daemon::docker_itself(&scratch) else {
        return;
    };
    let place = |tag: &str| format!("{}/team/app:{tag}", registry.authority());
    let (gzip, zstd, schema2) = (place("gzip"), place("zstd"), place("schema2"));
    scratch
        .jettison(&["tag", "me/app:2", &gzip, &zstd])
        .succeeded();
    let all_zstd = ["push", "-q", "--compression", "zstd", "--force-compression"];
    scratch.jettison(&["push", "-q", &gzip]).succeeded();
    scratch
        .jettison(&[&all_zstd[..], &[&zstd]].concat())
        .succeeded();
    let target = format!("docker://{schema2}");
    let types = ["copy", "-q", "--format", "docker", "me/app:2", &target];
    scratch.jettison(&types).succeeded();
    let expected = identity(&scratch, "me/app:2");
    for name in [&gzip, &schema2] {
        daemon.docker(&scratch, &["pull", "-q", name]);
        let inspected = daemon.docker(&scratch, &["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(chosen(&inspected[0]), expected);
        let container = daemon.docker(&scratch, &["create", name]);
        let container = container.trim();
        daemon.docker(&scratch, &["export", "-o", "exported.tar", container]);
        check_files(&scratch, "me/app:2", "exported.tar");
        daemon.docker(&scratch, &["rm", container]);
        daemon.docker(&scratch, &["rmi", name]);
    }
    // Docker before version 23 reads no zstd; podman does.
    let insecure = "--tls-verify=false";
    podman_says(&scratch, &["pull", "--quiet", insecure, &zstd]);
    let inspected = podman_says(&scratch, &["image", "inspect", &zstd]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(chosen(&inspected[0]), expected);
    let container = podman_says(&scratch, &["create", "--pull", "never", &zstd]);
    podman_says(
        &scratch,
        &["export", "-o", "exported.tar", container.trim()],
    );
    check_files(&scratch, "me/app:2", "exported.tar");
    // What docker pushes has Docker's media types, what podman pushes the OCI's: it is the same image here.
    daemon.docker(&scratch, &["load", "-q", "-i", "ours.tar"]);
    let (dockers, podmans) = (place("dockers"), place("podmans"));
    daemon.docker(&scratch, &["tag", "me/app:2", &dockers]);
    daemon.docker(&scratch, &["push", "-q", &dockers]);
    let words = ["push", "--quiet", insecure, "--compression-format", "zstd"];
    podman_says(&scratch, &[&words[..], &[&zstd, &podmans]].concat());
    let fresh = Scratch::new(PROGRAM);
    for name in [&dockers, &podmans, &zstd, &schema2] {
        fresh.jettison(&["pull", "-q", name]).succeeded();
        assert_eq!(identity(&fresh, name), expected);
        assert_eq!(files(&fresh, name), files(&scratch, "me/app:2"));
    }
    let kinds = |name: &str| {
        let place = format!("docker://{name}");
        let mut skopeo = scratch.tool("skopeo", &["inspect", "--raw", insecure, &place]);
        scratch.outcome(&mut skopeo).succeeded().stdout
    };
    assert!(kinds(&dockers).contains("vnd.docker.image.rootfs.diff.tar.gzip"));
    assert!(kinds(&schema2).contains("vnd.docker.image.rootfs.diff.tar.gzip"));
    for name in [&zstd, &podmans] {
        assert!(kinds(name).contains("layer.v1.tar+zstd"), "{}", kinds(name));
    }
}

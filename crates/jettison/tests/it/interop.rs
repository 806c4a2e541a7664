//! Other tools read, run and build what we write.

use std::process::Command;

use jettison_testkit::{Outcome, Scratch};

use crate::shared::{Calculator, Turn, installed, is_root, turn};

/// The question, and what the original image answers.
const QUESTION: &str = "12 * (3 + 4)";
const ANSWER: &str = "84\n";

/// A directory with the calculator's images as archives `latest.tar` and `optimized.tar`.
fn archives(turn: &mut Turn) -> (Calculator, Scratch) {
    let calculator = turn.calculator();
    let scratch = turn.scratch();
    let path = calculator.dir.to_str().unwrap().to_string();
    for (tag, file) in [
        ("latest", "Dockerfile"),
        ("optimized", "Dockerfile.optimized"),
    ] {
        let name = format!("calculator:{tag}");
        let file = format!("{path}/{file}");
        let output = format!("type=oci,dest={tag}.tar");
        let arguments = [
            "build", "-q", &path, "-f", &file, "-t", &name, "-o", &output,
        ];
        scratch.jettison(&arguments).succeeded();
    }
    (calculator, scratch)
}

/// A tool that keeps its images below the scratch directory, in plain directories.
fn with_storage(scratch: &Scratch, tool: &str, arguments: &[&str]) -> Command {
    let mut command = scratch.tool(
        tool,
        &[
            "--root",
            "storage",
            "--runroot",
            "state",
            "--storage-driver",
            "vfs",
        ],
    );
    command.args(arguments);
    command
}

/// Runs `question` in `image` with podman.
fn podman_run(scratch: &Scratch, image: &str, question: &str) -> Outcome {
    // crun refuses machines with both versions of control groups, and limits above the machine's own are refused by all.
    let mut podman = with_storage(
        scratch,
        "podman",
        &[
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
            "--runtime",
            "runc",
        ],
    );
    podman.args([
        "run",
        "--rm",
        "--network",
        "none",
        "--pull",
        "never",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=4096:4096",
        image,
        "./calculator",
        question,
    ]);
    scratch.outcome(&mut podman)
}

#[test]
fn skopeo_reads_both_images() {
    if !installed(&["skopeo"]) {
        return;
    }
    let Some(mut turn) = turn() else { return };
    let (_, scratch) = archives(&mut turn);
    let inspect = |tag: &str| -> serde_json::Value {
        let archive = format!("oci-archive:{tag}.tar");
        let mut skopeo = scratch.tool("skopeo", &["inspect", "--config", &archive]);
        serde_json::from_str(&scratch.outcome(&mut skopeo).succeeded().stdout).unwrap()
    };
    let (original, optimized) = (inspect("latest"), inspect("optimized"));
    // All that a user of the image sees of its configuration is as before.
    assert_eq!(optimized["config"], original["config"]);
    assert_eq!(optimized["architecture"], original["architecture"]);
    let layers = |image: &serde_json::Value| image["rootfs"]["diff_ids"].as_array().unwrap().len();
    assert!(layers(&original) >= 4 && layers(&optimized) <= 2);
    for tag in ["latest", "optimized"] {
        // Copying checks each digest on the way.
        let mut skopeo = scratch.tool(
            "skopeo",
            &[
                "copy",
                &format!("oci-archive:{tag}.tar"),
                &format!("dir:{tag}"),
            ],
        );
        scratch.outcome(&mut skopeo).succeeded();
    }
}

#[test]
fn podman_runs_the_result_and_it_answers_the_same() {
    if !installed(&["podman", "runc"]) || !is_root() {
        return;
    }
    let Some(mut turn) = turn() else { return };
    let (_, scratch) = archives(&mut turn);
    let mut load = with_storage(&scratch, "podman", &["load", "--input", "optimized.tar"]);
    scratch.outcome(&mut load).succeeded();
    for question in [QUESTION, "1 / 0", "3 +"] {
        let ours = scratch.jettison(&["run", "calculator", "./calculator", question]);
        let theirs = podman_run(&scratch, "calculator:optimized", question);
        assert_eq!(theirs.to_string(), ours.to_string(), "{question}");
    }
    assert_eq!(
        podman_run(&scratch, "calculator:optimized", QUESTION).stdout,
        ANSWER
    );
}

#[test]
fn buildah_builds_the_result_on_our_base_and_its_program_answers_the_same() {
    if !installed(&["buildah", "skopeo", "podman", "runc"]) || !is_root() {
        return;
    }
    let Some(mut turn) = turn() else { return };
    let (calculator, scratch) = archives(&mut turn);
    scratch.write("base/Dockerfile", "FROM ubuntu:latest\n");
    scratch.write("base/jettison.toml", crate::shared::SETTINGS);
    scratch
        .jettison(&["build", "-q", "base", "-o", "type=oci,dest=base.tar"])
        .succeeded();
    let storage = format!(
        "containers-storage:[vfs@{dir}/storage+{dir}/state]docker.io/library/ubuntu:latest",
        dir = scratch.dir().display()
    );
    let mut copy = scratch.tool("skopeo", &["copy", "oci-archive:base.tar", &storage]);
    scratch.outcome(&mut copy).succeeded();
    let path = calculator.dir.to_str().unwrap();
    let file = format!("{path}/Dockerfile.optimized");
    let mut build = with_storage(
        &scratch,
        "buildah",
        &["build", "--isolation", "chroot", "--network", "host"],
    );
    build.args([
        "--pull-never",
        "--tag",
        "docker.io/library/theirs:latest",
        "--file",
        &file,
        path,
    ]);
    scratch.outcome(&mut build).succeeded();
    assert_eq!(
        podman_run(&scratch, "docker.io/library/theirs:latest", QUESTION).to_string(),
        format!("exit: 0\n--- stdout ---\n{ANSWER}")
    );
}

//! Pulls that were killed, and those after them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use jettison_testkit::{DockerRegistry, FaultProxy, Mishap, MishapPlan, RegistryDemands, Scratch};

use crate::PROGRAM;
use crate::registries::{build, id_of, registry};

/// A registry that is slow to give away the large layer of an image.
struct Slow {
    _registry: DockerRegistry,
    proxy: FaultProxy,
    name: String,
    id: String,
}

fn slow() -> Option<Slow> {
    let registry = registry(&RegistryDemands::default())?;
    let maker = Scratch::new(PROGRAM);
    let direct = format!("{}/app:1", registry.authority());
    let id = build(&maker, &direct);
    maker.jettison(&["push", &direct]).succeeded();
    let proxy = FaultProxy::start(&registry.authority());
    Some(Slow {
        name: format!("{}/app:1", proxy.authority()),
        _registry: registry,
        proxy,
        id,
    })
}

/// The parts of blobs that are in a store.
fn parts(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("pulling")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Begins to pull, and kills the program once a million bytes of the large layer are there. Returns the part.
fn kill_in_the_middle(slow: &Slow, scratch: &Scratch) -> PathBuf {
    slow.proxy.plan(MishapPlan {
        method: "GET",
        path: "/blobs/".to_owned(),
        after: 2,
        times: 1,
        mishap: Mishap::Trickled(100_000, Duration::from_millis(100)),
    });
    let mut child = quiet(scratch.command(&["pull", "--jobs", "1", &slow.name]))
        .spawn()
        .unwrap();
    let begun = (0..3000).find_map(|_| {
        thread::sleep(Duration::from_millis(5));
        parts(scratch.root()).into_iter().find(|part| {
            let metadata = fs::metadata(part);
            metadata.is_ok_and(|metadata| metadata.len() > 1_000_000)
        })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let part = begun.expect("something arrives");
    assert!(part.exists(), "it was killed too late");
    part
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[track_caller]
fn pulls_the_image(slow: &Slow, scratch: &Scratch) {
    scratch
        .jettison(&["pull", "--jobs", "1", &slow.name])
        .succeeded();
    let id = id_of(scratch, &slow.name).unwrap();
    assert!(slow.id.contains(id.trim_start_matches("sha256:")));
    assert!(parts(scratch.root()).is_empty());
}

#[test]
fn a_pull_that_was_killed_goes_on_in_the_next_process() {
    let Some(slow) = slow() else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    let part = kill_in_the_middle(&slow, &scratch);
    let size = fs::metadata(&part).unwrap().len();
    pulls_the_image(&slow, &scratch);
    assert_eq!(slow.proxy.ranges(), [format!("bytes={size}-")]);
}

#[test]
fn a_part_that_is_wrong_is_thrown_away_in_the_end() {
    let Some(slow) = slow() else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    let part = kill_in_the_middle(&slow, &scratch);
    let mut bytes = fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    fs::write(&part, bytes).unwrap();
    pulls_the_image(&slow, &scratch);
}

#[test]
fn parts_that_nobody_wants_any_more_are_pruned() {
    let Some(slow) = slow() else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    let part = kill_in_the_middle(&slow, &scratch);
    let name = part.strip_prefix(scratch.root()).unwrap();
    let name = name.to_str().unwrap();
    let listed = scratch.jettison(&["du", "--verbose"]).succeeded();
    assert!(listed.stdout.contains(name), "{listed}");
    scratch.jettison(&["prune", "--force"]).succeeded();
    assert!(!part.exists());
    pulls_the_image(&slow, &scratch);
}

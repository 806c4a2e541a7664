//! How often files are read, and what that is worth.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use jettison_build::Built;
use jettison_sandbox::Entered;

use crate::runner::Test;
use crate::scene::{Done, Scene, Wishes, age};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_large_file_is_read_once,
    a_large_file_that_is_changed_in_place_is_read_once,
    a_large_file_that_is_there_anew_is_not_copied_again,
    what_is_copied_ahead_in_vain_leaves_nothing,
    a_file_that_comes_back_is_found_again,
    all_files_of_a_context_that_are_read_ahead_are_remembered,
    what_is_copied_ahead_is_what_is_copied_otherwise,
    what_was_not_learned_is_in_the_key,
];

const SIZE: usize = 16 << 20;
const TEXT: &str = "FROM scratch\nCOPY big /\n";

/// Bytes that no compressor makes smaller.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(SIZE);
    while bytes.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

/// How many bytes this process has read from anywhere.
fn n_read() -> usize {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

/// A build that keeps only its image, and how often it has read as many bytes as the large file has.
fn build(scene: &Scene, entered: &Entered, text: &str) -> (Done, usize) {
    let wishes = Wishes {
        keeps_little: true,
        ..Wishes::default()
    };
    // The base image is read for the first of all builds.
    let warm = scene.build_as(entered, "FROM base\nCOPY a.txt /\n", &wishes);
    assert!(warm.result.is_ok());
    let before = n_read();
    let done = scene.build_as(entered, text, &wishes);
    (done, (n_read() - before + SIZE / 2) / SIZE)
}

#[track_caller]
fn built(done: Done) -> Built {
    done.result.unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

fn a_large_file_is_read_once(entered: &Entered) {
    let scene = Scene::new();
    write(&scene.context("big"), &noise(1));
    let (done, times) = build(&scene, entered, TEXT);
    assert_eq!(done.steps, ["run [1/1] COPY big /"]);
    assert_eq!(times, 1);
    let (again, times) = build(&scene, entered, TEXT);
    assert_eq!(again.steps, ["cached [1/1] COPY big /"]);
    assert_eq!(times, 0);
    assert_eq!(built(done).image.id(), built(again).image.id());
}

fn a_large_file_that_is_changed_in_place_is_read_once(entered: &Entered) {
    let scene = Scene::new();
    write(&scene.context("big"), &noise(1));
    let first = built(build(&scene, entered, TEXT).0);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(scene.context("big"))
        .unwrap();
    file.seek(SeekFrom::Start(100)).unwrap();
    file.write_all(b"something else").unwrap();
    drop(file);
    let (done, times) = build(&scene, entered, TEXT);
    assert_eq!(done.steps, ["run [1/1] COPY big /"]);
    assert_eq!(times, 1);
    assert_ne!(first.image.id(), built(done).image.id());
}

fn a_large_file_that_is_there_anew_is_not_copied_again(entered: &Entered) {
    let scene = Scene::new();
    write(&scene.context("big"), &noise(1));
    let first = built(build(&scene, entered, TEXT).0);
    // As after a new checkout: equal files that nobody has seen.
    write(&scene.context("new"), &noise(1));
    fs::rename(scene.context("new"), scene.context("big")).unwrap();
    let (done, times) = build(&scene, entered, TEXT);
    assert_eq!(done.steps, ["cached [1/1] COPY big /"]);
    assert_eq!(times, 1);
    assert_eq!(first.image.id(), built(done).image.id());
}

fn what_is_copied_ahead_in_vain_leaves_nothing(entered: &Entered) {
    let scene = Scene::new();
    write(&scene.context("big"), &noise(1));
    let first = built(build(&scene, entered, TEXT).0);
    // Written to, and the same as before.
    write(&scene.context("big"), &noise(1));
    let (done, _) = build(&scene, entered, TEXT);
    assert_eq!(
        done.steps,
        ["run [1/1] COPY big /", "cached [1/1] COPY big /"]
    );
    assert_eq!(first.image.id(), built(done).image.id());
    let left = fs::read_dir(scene.store().join("snapshots")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_active = |name: &&std::ffi::OsString| name.to_string_lossy().starts_with("active-");
    assert_eq!(left.iter().filter(is_active).count(), 0, "{left:?}");
}

fn a_file_that_comes_back_is_found_again(entered: &Entered) {
    let scene = Scene::new();
    let mut images = Vec::new();
    let mut steps = Vec::new();
    for seed in [1, 2, 1, 2] {
        write(&scene.context("big"), &noise(seed));
        let (done, _) = build(&scene, entered, TEXT);
        steps.extend(done.steps.clone());
        images.push(built(done).image.id());
    }
    let (run, cached) = ("run [1/1] COPY big /", "cached [1/1] COPY big /");
    // What it comes to is known when it has been copied.
    assert_eq!(steps, [run, run, run, cached, run, cached]);
    assert_eq!((images[0], images[1]), (images[2], images[3]));
    assert_ne!(images[0], images[1]);
}

/// 600 small files and a large one, from no time of the clock.
fn many(scene: &Scene) {
    scene.write("many/0/0", "");
    write(&scene.context("many/big"), &noise(3));
    age(&scene.context("many/big"));
    for number in 0..600 {
        scene.write(&format!("many/{}/{number}", number % 7), "a file\n");
    }
}

fn all_files_of_a_context_that_are_read_ahead_are_remembered(entered: &Entered) {
    let scene = Scene::new();
    many(&scene);
    let text = "FROM base\nCOPY many /many\nRUN echo > /after\nCOPY --link many /linked\n";
    let (first, times) = build(&scene, entered, text);
    // The second copy reads what it writes; its key was known.
    assert_eq!(times, 2);
    let first = built(first);
    let (second, times) = build(&scene, entered, text);
    assert!(second.steps.iter().all(|step| step.starts_with("cached")));
    assert_eq!(times, 0);
    assert_eq!(first.image.id(), built(second).image.id());
}

fn what_is_copied_ahead_is_what_is_copied_otherwise(entered: &Entered) {
    let text = "FROM base\nCOPY many /many\n";
    let layers = [true, false].map(|is_ahead| {
        let scene = Scene::new();
        many(&scene);
        if !is_ahead {
            built(build(&scene, entered, "FROM scratch\nCOPY many /\n").0);
        }
        let built = built(build(&scene, entered, text).0);
        built.image.layers().last().unwrap().diff_id
    });
    assert_eq!(layers[0], layers[1]);
}

fn what_was_not_learned_is_in_the_key(entered: &Entered) {
    let scene = Scene::new();
    for (directory, seed) in [("one", 1), ("two", 2)] {
        scene.write(&format!("{directory}/x"), "");
        write(&scene.context(&format!("{directory}/big")), &noise(seed));
    }
    // The second hides the first, which is never read for what is written.
    let text = "FROM scratch\nCOPY one/big two/big /\n";
    let first = built(build(&scene, entered, text).0);
    let (again, times) = build(&scene, entered, text);
    assert_eq!(again.steps, ["cached [1/1] COPY one/big two/big /"]);
    assert_eq!(times, 0);
    assert_eq!(first.image.id(), built(again).image.id());
    write(&scene.context("one/big"), &noise(3));
    let (changed, _) = build(&scene, entered, text);
    assert!(changed.steps.iter().all(|step| step.starts_with("run")));
    assert_eq!(first.image.id(), built(changed).image.id());
}

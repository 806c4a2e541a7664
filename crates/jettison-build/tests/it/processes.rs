//! Several processes, and processes that are killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jettison_oci::Store;
use jettison_sandbox::Entered;
use rustix::process::{Pid, Signal, kill_process};

use crate::runner::{self, Test};
use crate::scene::{Scene, Wishes, text_of};

pub(crate) const TESTS: &[Test] = crate::tests![
    two_processes_at_once_execute_a_step_once,
    a_killed_build_is_taken_up_where_it_was,
    commands_end_with_their_build_whatever_they_do_with_their_output,
    a_store_survives_being_killed_at_any_moment,
];

/// Enters, and builds the `Dockerfile` of a scene that another process made. Gives the exit code.
pub(crate) fn build_alone(scene: &str) -> i32 {
    let entered = match runner::entered() {
        Ok(entered) => entered,
        Err(reason) => {
            println!("{reason}");
            return 2;
        }
    };
    let scene = Scene::at(Path::new(scene));
    let text = fs::read_to_string(scene.root().join("Dockerfile")).unwrap();
    let done = scene.build_as(&entered, &text, &Wishes::default());
    match done.result {
        Ok(built) => {
            println!("{} {:?}", built.image.id().0, done.steps);
            0
        }
        Err(error) => {
            println!("{error}: {error:?}");
            1
        }
    }
}

fn start(scene: &Scene, text: &str) -> Child {
    fs::write(scene.root().join("Dockerfile"), text).unwrap();
    Command::new("/proc/self/exe")
        .arg("--build")
        .arg(scene.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a snapshot that is being written has a file called `name`.
fn wait_for(scene: &Scene, name: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while Instant::now() < deadline {
        let found = fs::read_dir(scene.store().join("snapshots"))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("active-"))
            .flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten().flatten())
            .any(|active| active.path().join("fs").join(name).exists());
        if found {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no command wrote {name}");
}

fn two_processes_at_once_execute_a_step_once(entered: &Entered) {
    let scene = Scene::new();
    // Made before two processes would make it at once.
    scene.build(entered, "FROM base\n");
    let text = "FROM base\nRUN read x < /proc/sys/kernel/random/uuid; echo $x > /out\n\
        COPY a.txt /\nRUN echo 2 > /two\n";
    let children = [start(&scene, text), start(&scene, text)];
    let outputs = children.map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
    let id = |output: &String| output.split(' ').next().unwrap().to_owned();
    assert_eq!(id(&outputs[0]), id(&outputs[1]));
    let all = outputs.concat();
    assert_eq!(all.matches("run [").count(), 3, "{all}");
    assert_eq!(all.matches("cached [").count(), 3, "{all}");
}

fn a_killed_build_is_taken_up_where_it_was(entered: &Entered) {
    let scene = Scene::new();
    scene.build(entered, "FROM base\n");
    let text = "FROM base\nRUN echo 1 > /one\n\
        RUN echo x > /started; while :; do :; done\n";
    let mut child = start(&scene, text);
    wait_for(&scene, "started");
    child.kill().unwrap();
    child.wait().unwrap();
    let text = text.replace("while :; do :; done", ":");
    let done = scene.build_as(entered, &text, &Wishes::default());
    assert!(done.steps[0].starts_with("cached"), "{:?}", done.steps);
    assert_eq!(text_of(&done.result.unwrap(), "/started"), "x\n");
    drop(scene.build(entered, &text));
    let left: Vec<_> = fs::read_dir(scene.store().join("snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("active-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Whether there is a process whose arguments contain `word`.
fn runs(word: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut arguments = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    arguments.any(|arguments| String::from_utf8_lossy(&arguments).contains(word))
}

fn commands_end_with_their_build_whatever_they_do_with_their_output(entered: &Entered) {
    for (signal, name) in [
        (Signal::INT, "int"),
        (Signal::TERM, "term"),
        (Signal::KILL, "kill"),
    ] {
        let scene = Scene::new();
        scene.build(entered, "FROM base\n");
        let word = format!("endless-{}-{name}", std::process::id());
        let text =
            format!("FROM base\nRUN : {word}; exec >&- 2>&-; : >/started; while :; do :; done\n");
        let mut child = start(&scene, &text);
        wait_for(&scene, "started");
        assert!(runs(&word));
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while runs(&word) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!runs(&word), "{name}");
    }
}

/// How often a build is killed. Each time the next one has to take up what is left.
const N_KILLS: u64 = 200;

fn a_store_survives_being_killed_at_any_moment(entered: &Entered) {
    let scene = Scene::new();
    fs::write(scene.context("large"), vec![7; 2 << 20]).unwrap();
    let text = |number: u64| {
        format!(
            "FROM base AS one\nRUN echo 1 > /kept\nCOPY large /\nRUN echo {number} > /one\n\
             FROM base\nCOPY --from=one /large /one /\nRUN echo {number} > /two\n"
        )
    };
    scene.build(entered, &text(0));
    let start_of_whole = Instant::now();
    assert!(start(&scene, &text(1)).wait().unwrap().success());
    let whole = start_of_whole.elapsed();
    let mut random = 1_u64;
    for number in 2..2 + N_KILLS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let part = u32::try_from(random >> 40).unwrap();
        let mut child = start(&scene, &text(number));
        std::thread::sleep(whole * part / (1 << 24));
        child.kill().unwrap();
        child.wait().unwrap();
        let done = scene.build_as(entered, &text(number), &Wishes::default());
        assert!(done.steps[0].starts_with("cached"), "{:?}", done.steps);
        let built = done.result.unwrap();
        assert_eq!(text_of(&built, "/two"), format!("{number}\n"));
        assert_eq!(text_of(&built, "/one"), format!("{number}\n"));
    }
    let store = Store::open(&scene.store()).unwrap();
    for blob in store.blobs().unwrap() {
        // Verified while it is read.
        let mut reader = store.open_blob(&blob.digest).unwrap();
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    }
    for id in store.image_ids().unwrap() {
        assert!(store.find_by_id(&id.0.to_string()).unwrap().is_some());
    }
}

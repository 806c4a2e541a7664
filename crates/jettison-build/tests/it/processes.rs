//! Several processes, and processes that are killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jettison_sandbox::Entered;

use crate::runner::{self, Test};
use crate::scene::{Scene, Wishes, text_of};

pub(crate) const TESTS: &[Test] = crate::tests![
    two_processes_at_once_execute_a_step_once,
    a_killed_build_is_taken_up_where_it_was,
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

fn a_store_survives_being_killed_at_any_moment(entered: &Entered) {
    let scene = Scene::new();
    fs::write(scene.context("large"), vec![7; 8 << 20]).unwrap();
    let text = "FROM base AS one\nCOPY large /\nRUN echo 1 > /one\n\
        FROM base\nCOPY --from=one /large /one /\nRUN echo 2 > /two\n";
    scene.build(entered, "FROM base\n");
    let expected = {
        let other = Scene::new();
        fs::copy(scene.context("large"), other.context("large")).unwrap();
        text_of(&other.build(entered, text), "/two")
    };
    for milliseconds in [5, 15, 30, 45, 60, 80, 100, 130, 160, 200] {
        let mut child = start(&scene, text);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let built = scene.build(entered, text);
    assert_eq!(text_of(&built, "/two"), expected);
    let again = scene.build_as(entered, text, &Wishes::default());
    assert!(again.steps.iter().all(|step| step.starts_with("cached")));
    assert_eq!(again.result.unwrap().image.id(), built.image.id());
}

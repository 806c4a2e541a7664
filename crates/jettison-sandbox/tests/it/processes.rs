//! How processes end.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jettison_sandbox::{
    EnterOptions, HeldSignals, IdChoice, Input, OutputMode, SandboxError, Signal, Status, Terminal,
    enter,
};

use crate::runner::Test;
use crate::world::{Scene, World, run, say, text};

pub(crate) const TESTS: &[Test] = crate::tests![
    exit_codes_are_passed_on,
    a_killed_program_says_its_signal,
    standard_input_is_the_given_bytes,
    no_input_is_an_empty_input,
    output_comes_in_two_pipes,
    merged_output_keeps_its_order,
    output_of_any_size_is_read,
    the_environment_is_what_was_given,
    a_missing_program_is_127,
    a_program_that_must_not_be_executed_is_126,
    a_program_may_exit_with_127_by_itself,
    a_missing_working_directory_is_an_error,
    no_program_is_an_error,
    time_limit_kills_grandchildren,
    a_program_in_time_is_not_killed,
    dropping_the_child_kills_its_children,
    killing_the_caller_kills_all,
    killing_the_supervisor_kills_the_program,
    a_killed_forker_is_replaced,
    signals_are_passed_on,
    who_ignores_three_signals_is_killed,
    resources_are_measured,
    an_inherited_terminal_that_is_none_is_fine,
    sixty_sandboxes_take_little_time,
];

#[track_caller]
fn check_status(world: &World, script: &str, expected: Status) {
    assert_eq!(
        run(world, &Scene::new().sandbox(script)).exit.status,
        expected
    );
}

fn exit_codes_are_passed_on(world: &World) {
    check_status(world, "exit 0", Status::Code(0));
    check_status(world, "exit 3", Status::Code(3));
    check_status(world, "exit 255", Status::Code(255));
}

fn a_killed_program_says_its_signal(world: &World) {
    let scene = Scene::new();
    let child = scene
        .sandbox("exec sleep 1000")
        .spawn(&world.entered)
        .unwrap();
    child.signal(Signal::KILL);
    assert_eq!(child.wait().unwrap().status, Status::Signal(9));
}

fn standard_input_is_the_given_bytes(world: &World) {
    let scene = Scene::new();
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut sandbox = scene.sandbox("cat");
    sandbox.stdin = Input::Bytes(bytes.clone());
    assert!(run(world, &sandbox).stdout == bytes);
}

fn no_input_is_an_empty_input(world: &World) {
    assert_eq!(say(world, "cat; echo end"), "end\n");
}

fn output_comes_in_two_pipes(world: &World) {
    let output = run(world, &Scene::new().sandbox("echo out; echo err >&2"));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
}

fn merged_output_keeps_its_order(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("echo 1; echo 2 >&2; echo 3");
    sandbox.output = OutputMode::PipedMerged;
    assert_eq!(text(&run(world, &sandbox)), "1\n2\n3\n");
}

fn output_of_any_size_is_read(world: &World) {
    let script = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2";
    let output = run(world, &Scene::new().sandbox(script));
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (1_000_000, 1_000_000)
    );
}

fn the_environment_is_what_was_given(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("");
    sandbox.argv = vec!["env".to_owned()];
    assert_eq!(text(&run(world, &sandbox)), "GREETING=hello\n");
}

fn a_missing_program_is_127(world: &World) {
    for program in ["no-such-program", "/no/such/program"] {
        let scene = Scene::new();
        let mut sandbox = scene.sandbox("");
        sandbox.argv = vec![program.to_owned()];
        let exit = run(world, &sandbox).exit;
        assert_eq!(exit.status, Status::Code(127));
        assert_eq!(
            exit.exec_failure.unwrap().to_string(),
            format!("cannot execute `{program}`: No such file or directory (os error 2)")
        );
    }
}

fn a_program_that_must_not_be_executed_is_126(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/plain"), "text").unwrap();
    let mut sandbox = scene.sandbox("");
    for (program, path) in [
        ("/plain", "/nowhere"),
        ("plain", "/nowhere:/"),
        ("/etc", ""),
    ] {
        sandbox.argv = vec![program.to_owned()];
        sandbox.env = vec![("PATH".to_owned(), path.to_owned())];
        let exit = run(world, &sandbox).exit;
        assert_eq!(exit.status, Status::Code(126));
        assert_eq!(exit.exec_failure.unwrap().errno, libc::EACCES);
    }
}

fn a_program_may_exit_with_127_by_itself(world: &World) {
    let exit = run(world, &Scene::new().sandbox("exit 127")).exit;
    assert_eq!((exit.status, exit.exec_failure), (Status::Code(127), None));
}

fn a_missing_working_directory_is_an_error(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("true");
    sandbox.cwd = PathBuf::from("/no/where");
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert_eq!(error.to_string(), "cannot enter /no/where");
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn no_program_is_an_error(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("true");
    sandbox.argv.clear();
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert!(matches!(error, SandboxError::Invalid { .. }));
}

/// An argument for `sleep` that no other process has.
fn marker(number: u32) -> String {
    format!("98765.{}{number}", std::process::id())
}

fn is_running(marker: &str) -> bool {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0)
                .any(|word| word == marker.as_bytes())
                && !line.starts_with(b"sh\0")
        })
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "not in 10 seconds: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn time_limit_kills_grandchildren(world: &World) {
    let (scene, marker, start) = (Scene::new(), marker(1), Instant::now());
    let mut sandbox = scene.sandbox(&format!("(setsid sleep {marker} &); sleep {marker}"));
    sandbox.time_limit = Some(Duration::from_millis(300));
    let exit = run(world, &sandbox).exit;
    assert_eq!(exit.status, Status::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(!is_running(&marker));
}

fn a_program_in_time_is_not_killed(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("exit 4");
    sandbox.time_limit = Some(Duration::from_secs(100));
    assert_eq!(run(world, &sandbox).exit.status, Status::Code(4));
}

fn dropping_the_child_kills_its_children(world: &World) {
    let (scene, marker) = (Scene::new(), marker(2));
    let child = scene
        .sandbox(&format!("sleep {marker} & wait"))
        .spawn(&world.entered)
        .unwrap();
    wait_until("the program runs", || is_running(&marker));
    drop(child);
    assert!(!is_running(&marker));
    assert_eq!(scene.changes(), Vec::<String>::new());
}

/// Another caller of the library, to be killed.
pub(crate) fn be_a_caller(marker: &str) -> i32 {
    let entered = enter(&EnterOptions {
        ids: IdChoice::Single,
    })
    .unwrap();
    let scene = Scene::new();
    let child = scene
        .sandbox(&format!("sleep {marker} & wait"))
        .spawn(&entered)
        .unwrap();
    println!("ready");
    child.wait().unwrap();
    0
}

fn killing_the_caller_kills_all(_world: &World) {
    let marker = marker(3);
    let mut caller = Command::new("/proc/self/exe")
        .args(["--caller", &marker])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    caller.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    wait_until("the program runs", || is_running(&marker));
    caller.kill().unwrap();
    caller.wait().unwrap();
    wait_until("the program is gone", || !is_running(&marker));
}

fn killing_the_supervisor_kills_the_program(world: &World) {
    let (scene, marker) = (Scene::new(), marker(4));
    let child = scene
        .sandbox(&format!("sleep {marker} & wait"))
        .spawn(&world.entered)
        .unwrap();
    wait_until("the program runs", || is_running(&marker));
    let status = fs::read_to_string(
        Path::new("/proc")
            .join(child.pid().to_string())
            .join("status"),
    );
    let status = status.unwrap();
    let supervisor = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap()
        .trim();
    assert!(
        Command::new("kill")
            .args(["-9", supervisor])
            .status()
            .unwrap()
            .success()
    );
    assert!(matches!(child.wait(), Err(SandboxError::Lost)));
    wait_until("the program is gone", || !is_running(&marker));
}

/// The process IDs of those whose parent is `pid`.
fn children_of(pid: u32) -> Vec<u32> {
    let list = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(list).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn a_killed_forker_is_replaced(world: &World) {
    let (scene, marker) = (Scene::new(), marker(5));
    let child = scene
        .sandbox(&format!("sleep {marker} & wait"))
        .spawn(&world.entered)
        .unwrap();
    wait_until("the program runs", || is_running(&marker));
    let forkers = children_of(std::process::id());
    assert_eq!(forkers.len(), 1);
    assert!(
        Command::new("kill")
            .args(["-9", &forkers[0].to_string()])
            .status()
            .unwrap()
            .success()
    );
    // What runs goes on, and others can be started.
    assert_eq!(say(world, "echo on"), "on\n");
    assert!(is_running(&marker));
    drop(child);
    assert!(!is_running(&marker));
}

/// Another caller of the library, which passes on the signals that it gets.
pub(crate) fn be_a_caller_that_passes_on(script: &str) -> i32 {
    let entered = enter(&EnterOptions {
        ids: IdChoice::Single,
    })
    .unwrap();
    let signals = HeldSignals::hold().unwrap();
    let scene = Scene::new();
    let mut sandbox = scene.sandbox(script);
    sandbox.output = OutputMode::Inherit;
    let child = sandbox.spawn(&entered).unwrap();
    match child.wait_passing_on(&signals).unwrap().status {
        Status::Code(code) => code,
        Status::Signal(signal) => 128 + signal,
        Status::TimedOut => 0,
    }
}

/// Starts a program that says when it is ready, signals the caller, and gives the caller's exit code.
fn signal_a_caller(script: &str, signals: &[&str]) -> Option<i32> {
    let mut caller = Command::new("/proc/self/exe")
        .args(["--passing-on", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    caller.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    for signal in signals {
        let pid = caller.id().to_string();
        Command::new("kill")
            .args([*signal, pid.as_str()])
            .status()
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    caller.wait().unwrap().code()
}

fn signals_are_passed_on(_world: &World) {
    for (signal, name) in [("-TERM", "TERM"), ("-INT", "INT"), ("-USR1", "USR1")] {
        let script = format!("trap 'exit 7' {name}; echo r; while :; do sleep 0.01; done");
        assert_eq!(signal_a_caller(&script, &[signal]), Some(7), "{name}");
    }
}

fn who_ignores_three_signals_is_killed(_world: &World) {
    let script = "echo r; while :; do sleep 0.01; done";
    let signals = ["-TERM"; 3];
    assert_eq!(signal_a_caller(script, &signals), Some(128 + 9));
}

fn resources_are_measured(world: &World) {
    let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let exit = run(world, &Scene::new().sandbox(script)).exit;
    assert!(exit.user_time > Duration::from_millis(5), "{exit:?}");
    assert!(exit.max_rss > 100_000, "{exit:?}");
}

fn an_inherited_terminal_that_is_none_is_fine(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("echo here");
    sandbox.terminal = Terminal::Inherit;
    assert_eq!(text(&run(world, &sandbox)), "here\n");
}

fn sixty_sandboxes_take_little_time(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("");
    sandbox.argv = vec!["/bin/true".to_owned()];
    let start = Instant::now();
    for _ in 0..60 {
        assert_eq!(run(world, &sandbox).exit.status, Status::Code(0));
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0 / 60.0;
    println!("{milliseconds:.2} ms per sandbox");
    assert!(milliseconds < 1000.0);
}

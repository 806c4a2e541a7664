//! `jettison run`, with the options that docker's users know.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use expect_test::{Expect, expect};
use jettison_testkit::{RegistryDemands, Scratch, skip};

use crate::PROGRAM;
use crate::registries::registry;
use crate::shared::{installed, namespaces_work};

const DOCKERFILE: &str = "\
FROM scratch
COPY . /
RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
ENV A=image
VOLUME /data
STOPSIGNAL SIGUSR1
CMD [\"sh\", \"-c\", \"echo hello\"]
";

/// A world with an image `box` that has busybox.
pub(crate) fn world() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let Ok(busybox) = fs::read("/bin/busybox") else {
        skip("not installed: busybox-static");
        return None;
    };
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("Dockerfile", DOCKERFILE)
        .write("box/bin/busybox", busybox)
        .write("box/data/file", "content\n")
        .write(
            "box/etc/passwd",
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
        )
        .write("box/etc/group", "root:x:0:\napp:x:1001:\n");
    make_executable(&scratch);
    scratch
        .jettison(&["build", "-q", "-f", "Dockerfile", "box", "-t", "box"])
        .succeeded();
    Some(scratch)
}

fn make_executable(scratch: &Scratch) {
    use std::os::unix::fs::PermissionsExt;
    let path = scratch.dir().join("box/bin/busybox");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn check(scratch: &Scratch, arguments: &[&str], expected: Expect) {
    let arguments: Vec<&str> = ["run"].iter().chain(arguments).copied().collect();
    scratch.check(&arguments, expected);
}

#[test]
fn the_command_line_replaces_what_the_image_says() {
    let Some(scratch) = world() else { return };
    scratch.write("variables", "# none\nB=file\nA=file\n");
    check(
        &scratch,
        &["box"],
        expect![[r#"
        exit: 0
        --- stdout ---
        hello
    "#]],
    );
    check(
        &scratch,
        &[
            "--env-file",
            "variables",
            "-e",
            "A=option",
            "-w",
            "/made",
            "--hostname",
            "there",
            "--add-host",
            "friend:10.0.0.1",
            "box",
            "sh",
            "-c",
            "echo $A $B $HOSTNAME; pwd; hostname; tail -n 1 /etc/hosts",
        ],
        expect![[r#"
            exit: 0
            --- stdout ---
            option file there
            /made
            there
            10.0.0.1	friend
        "#]],
    );
    check(
        &scratch,
        &["--rm", "--entrypoint", "echo", "box", "-n", "words"],
        expect![[r#"
        exit: 0
        --- stdout ---
        words[no line break]
    "#]],
    );
    check(
        &scratch,
        &["--network", "none", "box", "ls", "/sys/class/net"],
        expect![[r#"
        exit: 0
        --- stdout ---
        lo
    "#]],
    );
}

#[test]
fn input_is_only_read_if_that_is_asked_for() {
    let Some(scratch) = world() else { return };
    let with_input = |arguments: &[&str]| {
        let mut child = scratch
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Who does not read it may be gone already.
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"typed\n")
            .unwrap_or_default();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(with_input(&["run", "-i", "box", "cat"]), "typed\n");
    assert_eq!(with_input(&["run", "box", "cat"]), "");
}

#[test]
fn files_of_the_host_are_seen_where_they_are_mounted() {
    let Some(scratch) = world() else { return };
    scratch.write("host/file", "of the host\n");
    check(
        &scratch,
        &[
            "-v",
            "./host:/read:ro",
            "--mount",
            "type=bind,src=host,dst=/write",
            "--tmpfs",
            "/mem:size=1m",
            "box",
            "sh",
            "-c",
            "cat /read/file; echo new > /write/new; touch /mem/x && echo memory; touch /read/x",
        ],
        expect![[r#"
            exit: 1
            --- stdout ---
            of the host
            memory
            --- stderr ---
            touch: /read/x: Read-only file system
        "#]],
    );
    assert_eq!(scratch.read("host/new"), "new\n");
}

#[test]
fn volumes_can_be_written_where_all_else_is_read_only() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &[
            "--read-only",
            "-v",
            "/empty",
            "box",
            "sh",
            "-c",
            "cat /data/file; echo x > /data/y && ls /data; echo x > /empty/z && ls /empty; echo x > /w",
        ],
        expect![[r#"
            exit: 1
            --- stdout ---
            content
            file
            y
            z
            --- stderr ---
            sh: can't create /w: Read-only file system
        "#]],
    );
    // Nothing of it is left.
    let left = fs::read_dir(scratch.root().join("contexts")).unwrap();
    assert_eq!(
        left.filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count(),
        0
    );
}

#[test]
fn limits_and_capabilities_hold() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &[
            "--cap-drop",
            "all",
            "--cap-add",
            "NET_ADMIN",
            "--ulimit",
            "nofile=100:200",
            "--shm-size",
            "1m",
            "box",
            "sh",
            "-c",
            "grep CapEff /proc/self/status; ulimit -n; df -k /dev/shm | tail -n 1 | { read _ size _; echo $size; }",
        ],
        expect![[r#"
            exit: 0
            --- stdout ---
            CapEff:	0000000000001000
            100
            1024
        "#]],
    );
    check(
        &scratch,
        &["--cap-add", "FLY", "box"],
        expect![[r#"
        exit: 125
        --- stderr ---
        error: there is no capability called `FLY`
        hint: capabilities(7) lists them: NET_ADMIN, SYS_PTRACE, …, or ALL
    "#]],
    );
}

#[test]
fn options_that_need_a_daemon_are_refused_or_explained() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &["-d", "box"],
        expect![[r#"
        exit: 125
        --- stderr ---
        error: --detach is not supported: there is no daemon that would keep the program running
        hint: run it in the background with `&`, or as a service with `systemd-run jettison run …`
    "#]],
    );
    check(
        &scratch,
        &["-p", "8080:80", "box"],
        expect![[r#"
        exit: 125
        --- stderr ---
        error: --publish 8080:80 is not supported: the program uses the host's network, so that its port 80 is port 80 there
        hint: leave -p out and use port 80, or let the program itself listen on 8080
    "#]],
    );
    check(
        &scratch,
        &["--name", "x", "-p", "80", "box"],
        expect![[r#"
        exit: 0
        --- stdout ---
        hello
        --- stderr ---
        --name, --label: nothing is kept when the program has ended, so there is nothing to have a name or a label
        --publish 80: the program uses the host's network, where port 80 is its own
    "#]],
    );
}

#[test]
fn the_exit_status_is_the_programs() {
    let Some(scratch) = world() else { return };
    for (script, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("sh -c 'kill -9 $$'; exit $?", 137),
    ] {
        assert_eq!(
            scratch.jettison(&["run", "box", "sh", "-c", script]).code,
            code,
            "{script}"
        );
    }
    assert_eq!(scratch.jettison(&["run", "box", "/etc/passwd"]).code, 126);
    assert_eq!(scratch.jettison(&["run", "box", "nothing"]).code, 127);
    assert_eq!(scratch.jettison(&["run", "nothing"]).code, 125);
    assert_eq!(scratch.jettison(&["run", "-u", "nobody", "box"]).code, 125);
}

#[test]
fn who_is_asked_to_end_gets_the_signal_of_the_image() {
    let Some(scratch) = world() else { return };
    let script = "trap 'echo asked; exit 9' USR1; echo ready; while :; do sleep 0.1; done";
    let mut child = scratch
        .command(&["run", "box", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(killed.success());
    reader.read_to_string(&mut line).unwrap();
    assert_eq!(
        (line.as_str(), child.wait().unwrap().code()),
        ("ready\nasked\n", Some(9))
    );
}

/// What is seen on a terminal of 33 lines and 99 columns while `arguments` run and `typed` is typed.
fn on_terminal(scratch: &Scratch, arguments: &str, typed: &str) -> String {
    let command =
        format!("stty rows 33 cols 99; {PROGRAM} {arguments}; echo rc=$?; stty -a | head -n 1");
    let mut child = scratch
        .tool("script", &["-qec", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    // Keys that are typed earlier are those of the terminal on this side.
    while !String::from_utf8_lossy(&shown).contains("ready") {
        let mut buffer = [0; 512];
        match stdout.read(&mut buffer).unwrap() {
            0 => break,
            length => shown.extend_from_slice(&buffer[..length]),
        }
    }
    stdin.write_all(typed.as_bytes()).unwrap();
    stdout.read_to_end(&mut shown).unwrap();
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).replace('\r', "")
}

#[test]
fn a_program_gets_a_terminal_of_its_own() {
    if !installed(&["script"]) {
        return;
    }
    let Some(scratch) = world() else { return };
    let shown = on_terminal(
        &scratch,
        "run -it box sh -c 'tty; stty size; echo $TERM; echo ready; read x; echo got-$x; exit 5'",
        "typed\n",
    );
    for expected in ["/dev/pts/0\n33 99\nxterm\n", "got-typed\n", "rc=5\n"] {
        assert!(shown.contains(expected), "{expected:?} in {shown}");
    }
    // Ctrl-C is a key of the program's terminal.
    let shown = on_terminal(
        &scratch,
        "run -it box sh -c 'trap \"echo interrupted; exit 3\" INT; echo ready; while :; do sleep 0.1; done'",
        "\u{3}",
    );
    assert!(shown.contains("interrupted\nrc=3\n"), "{shown}");
    // Without a terminal on this side there is one on the other, and its output is that of a terminal.
    let outcome = scratch.jettison(&["run", "-t", "box", "sh", "-c", "tty; stty size"]);
    assert_eq!(outcome.succeeded().stdout, "/dev/pts/0\r\n24 80\r\n");
    check(
        &scratch,
        &["-it", "box"],
        expect![[r#"
        exit: 125
        --- stderr ---
        error: the input device is not a TTY
        hint: leave -t out: without a terminal on this side the program needs none
    "#]],
    );
}

#[test]
fn an_image_comes_from_its_registry_when_it_is_asked_for() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let Some(maker) = world() else { return };
    let name = format!("{}/box:1", registry.authority());
    let push = |image: &str| {
        maker.jettison(&["tag", image, &name]).succeeded();
        maker.jettison(&["push", "-q", &name]).succeeded();
    };
    push("box");
    let scratch = Scratch::new(PROGRAM);
    let never = scratch.jettison(&["run", "--pull", "never", &name]);
    let text = never.to_string();
    assert!(
        text.contains("exit: 125") && text.contains("no such image: "),
        "{text}"
    );
    let first = scratch.jettison(&["run", &name]).succeeded();
    assert_eq!(first.stdout, "hello\n");
    let text = format!("Unable to find image '{name}' locally");
    assert!(first.stderr.contains(&text), "{first}");
    assert!(first.stderr.contains("Digest: sha256:"), "{first}");
    // It is there now, until somebody asks for what the registry has.
    maker.write(
        "next/Dockerfile",
        "FROM box\nCMD [\"sh\", \"-c\", \"echo again\"]\n",
    );
    maker
        .jettison(&["build", "-q", "next", "-t", "next"])
        .succeeded();
    push("next");
    for (options, expected) in [
        (&[][..], "hello\n"),
        (&["--pull=missing"], "hello\n"),
        (&["-q", "--pull", "always"], "again\n"),
        (&["--pull", "never"], "again\n"),
    ] {
        let outcome = scratch.jettison(&[&["run"], options, &[name.as_str()]].concat());
        let outcome = outcome.succeeded();
        assert_eq!(
            (outcome.stdout.as_str(), outcome.stderr.as_str()),
            (expected, ""),
            "{options:?}"
        );
    }
    let other = scratch.jettison(&["run", "--platform", "linux/s390x", &name]);
    let text = other.to_string();
    assert!(
        text.contains("exit: 125") && text.contains("is not there for linux/s390x"),
        "{text}"
    );
}

//! `jettison test`: container structure tests against images that are built from nothing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::{fs, path::Path};

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;

use crate::PROGRAM;
use crate::running;
use crate::shared::namespaces_work;

const DOCKERFILE: &str = r#"FROM scratch
COPY --chown=65532:65532 files /
COPY more /
ENV PATH=/usr/bin:/bin A=image
LABEL version="1.2.3"
EXPOSE 8080 53/udp
VOLUME /data
USER 65532:65532
WORKDIR /home/nonroot
ENTRYPOINT ["/usr/bin/app"]
CMD ["serve"]
"#;

/// A world with an image `app` of two layers, whose commands cannot run.
fn world() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("Dockerfile", DOCKERFILE)
        .write("context/files/etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n")
        .write("context/files/usr/bin/app", "#!/bin/sh\n")
        .write("context/files/usr/share/doc/a/copyright", "License: MIT\n")
        .write("context/more/etc/motd", "hello {\"json\": [1]}\n")
        .write("context/more/usr/share/doc/b/copyright", "GNU Affero, AGPL-3\n");
    let files = scratch.dir().join("context/files");
    set_mode(&files.join("usr/bin/app"), 0o4755);
    set_mode(&files.join("etc/passwd"), 0o644);
    symlink("../etc/passwd", files.join("usr/passwd")).unwrap();
    symlink("usr/bin", files.join("bin")).unwrap();
    symlink("nowhere", files.join("dangling")).unwrap();
    scratch
        .jettison(&["build", "-q", "-f", "Dockerfile", "context", "-t", "app"])
        .succeeded();
    Some(scratch)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn check(scratch: &Scratch, arguments: &[&str], expected: Expect) {
    let arguments: Vec<&str> = ["test"].iter().chain(arguments).copied().collect();
    scratch.check(&arguments, expected);
}

const FILES: &str = r#"
schemaVersion: 1.0.0
fileExistenceTests:
- {name: root, path: /, permissions: drwxr-xr-x, uid: 0}
- {name: no shell, path: /bin/sh, shouldExist: false}
- {name: program, path: /bin/app, permissions: urwxr-xr-x, uid: 65532, gid: 65532, isExecutableBy: other}
- {name: link, path: /usr/passwd, permissions: Lrwxrwxrwx}
- {name: dangling, path: /dangling}
- {name: below a file, path: /etc/passwd/x, shouldExist: false}
- {name: by variable, path: "/home/../etc/./passwd"}
fileContentTests:
- {name: users, path: /usr/passwd, expectedContents: ['^root:x:0:0:.*\n', '(?m)^nonroot:\w+:\d{5}:'], excludedContents: ['/bin/bash']}
- {name: json, path: /etc/motd, expectedContents: ['{"json": \[\d\]}\n$']}
metadataTest:
  env: [{key: A, value: image}, {key: PATH, value: "/bin$", isRegex: true}]
  labels: [{key: version, value: 1.2.3}]
  exposedPorts: ["8080", 53/udp]
  unexposedPorts: ["80"]
  volumes: [/data]
  entrypoint: [/usr/bin/app]
  cmd: [serve]
  workdir: /home/nonroot
  user: "65532:65532"
"#;

#[test]
fn files_and_configuration_are_tested_without_running_anything() {
    let Some(scratch) = world() else { return };
    scratch.write("tests.yaml", FILES);
    check(
        &scratch,
        &["app", "-c", "tests.yaml"],
        expect![[r#"
        exit: 0
        --- stdout ---

        ===================================
        ====== Test file: tests.yaml ======
        ===================================
        === RUN: File Existence Test: root
        --- PASS
        duration: 0s
        === RUN: File Existence Test: no shell
        --- PASS
        duration: 0s
        === RUN: File Existence Test: program
        --- PASS
        duration: 0s
        === RUN: File Existence Test: link
        --- PASS
        duration: 0s
        === RUN: File Existence Test: dangling
        --- PASS
        duration: 0s
        === RUN: File Existence Test: below a file
        --- PASS
        duration: 0s
        === RUN: File Existence Test: by variable
        --- PASS
        duration: 0s
        === RUN: File Content Test: users
        --- PASS
        duration: 0s
        === RUN: File Content Test: json
        --- PASS
        duration: 0s
        === RUN: Metadata Test
        --- PASS
        duration: 0s

        ===========================
        ========= RESULTS =========
        ===========================
        Passes:      10
        Failures:    0
        Duration:    0s
        Total tests: 10

        PASS
    "#]],
    );
}

const WRONG: &str = r#"
schemaVersion: 2.0.0
fileExistenceTests: [{name: a & b, path: /bin/app, uid: 0, permissions: -rwxr-xr-x}]
fileContentTests: [{name: motd, path: /etc/motd, expectedContents: [bye]}, {name: directory, path: /etc}]
licenseTests: [{debian: true}, {debian: false, files: [/usr/share/doc/a/copyright]}]
metadataTest: {cmd: []}
"#;

#[test]
fn what_is_not_as_expected_is_told_and_reported() {
    let Some(scratch) = world() else { return };
    scratch.write("tests/wrong.yml", WRONG);
    let arguments = ["-i", "app", "--config", "tests", "--test-report", "report"];
    check(
        &scratch,
        &arguments,
        expect![[r#"
        exit: 1
        --- stdout ---

        ==================================
        ====== Test file: wrong.yml ======
        ==================================
        === RUN: File Existence Test: a & b
        --- FAIL
        duration: 0s
        Error: /bin/app has the permissions urwxr-xr-x, and not -rwxr-xr-x
        Error: the owner of /bin/app is 65532, and not 0
        === RUN: File Content Test: motd
        --- FAIL
        duration: 0s
        Error: `bye` does not match the content of /etc/motd: "hello {\"json\": [1]}\n"
        === RUN: File Content Test: directory
        --- FAIL
        duration: 0s
        Error: /etc is a directory
        === RUN: License Test #0
        --- FAIL
        duration: 0s
        Error: /usr/share/doc/b/copyright names the licence AGPL
        === RUN: License Test #1
        --- PASS
        duration: 0s
        === RUN: Metadata Test
        --- FAIL
        duration: 0s
        Error: CMD is ["serve"], and not []

        ===========================
        ========= RESULTS =========
        ===========================
        Passes:      1
        Failures:    5
        Duration:    0s
        Total tests: 6

        FAIL
    "#]],
    );
    expect![[r#"
        {"Pass":1,"Fail":5,"Total":6,"Duration":0,"Results":[{"Name":"File Existence Test: a & b","Pass":false,"Errors":["/bin/app has the permissions urwxr-xr-x, and not -rwxr-xr-x","the owner of /bin/app is 65532, and not 0"],"Duration":0},{"Name":"File Content Test: motd","Pass":false,"Errors":["`bye` does not match the content of /etc/motd: \"hello {\\\"json\\\": [1]}\\n\""],"Duration":0},{"Name":"File Content Test: directory","Pass":false,"Errors":["/etc is a directory"],"Duration":0},{"Name":"License Test #0","Pass":false,"Errors":["/usr/share/doc/b/copyright names the licence AGPL"],"Duration":0},{"Name":"License Test #1","Pass":true,"Duration":0},{"Name":"Metadata Test","Pass":false,"Errors":["CMD is [\"serve\"], and not []"],"Duration":0}]}
    "#]].assert_eq(&scratch.read("report"));
    let arguments = [
        "app",
        "-c",
        "tests",
        "-o",
        "junit",
        "--junit-suite-name",
        "mine",
    ];
    check(
        &scratch,
        &arguments,
        expect![[r#"
        exit: 1
        --- stdout ---
        <?xml version="1.0" encoding="UTF-8"?><testsuites failures="5" tests="6" time="0"><testsuite name="mine"><testcase name="File Existence Test: a &amp; b" time="0"><failure>/bin/app has the permissions urwxr-xr-x, and not -rwxr-xr-x</failure><failure>the owner of /bin/app is 65532, and not 0</failure></testcase><testcase name="File Content Test: motd" time="0"><failure>`bye` does not match the content of /etc/motd: &#34;hello {\&#34;json\&#34;: [1]}\n&#34;</failure></testcase><testcase name="File Content Test: directory" time="0"><failure>/etc is a directory</failure></testcase><testcase name="License Test #0" time="0"><failure>/usr/share/doc/b/copyright names the licence AGPL</failure></testcase><testcase name="License Test #1" time="0"></testcase><testcase name="Metadata Test" time="0"><failure>CMD is [&#34;serve&#34;], and not []</failure></testcase></testsuite></testsuites>
    "#]],
    );
    check(
        &scratch,
        &["app", "-c", "tests", "-q"],
        expect![[r#"
        exit: 1
    "#]],
    );
}

#[test]
fn files_of_tests_that_are_wrong_stop_everything() {
    let Some(scratch) = world() else { return };
    scratch
        .write("good.yaml", "schemaVersion: 2.0.0\nmetadataTest: {cmd: [serve]}\n")
        .write("empty.json", "{\"schemaVersion\": \"2.0.0\"}")
        .write("pattern.yaml", "schemaVersion: 2.0.0\nfileContentTests:\n- name: a\n  path: /a\n  expectedContents: ['(']\n")
        .write("key.yaml", "schemaVersion: 2.0.0\ncommandTest: []\n")
        .write("version.yaml", "schemaVersion: 7\n")
        .write("none/README", "");
    let files = [
        "app",
        "-c",
        "good.yaml",
        "-c",
        "pattern.yaml",
        "-c",
        "key.yaml",
        "-c",
        "version.yaml",
        "-c",
        "absent.yaml",
    ];
    check(
        &scratch,
        &files,
        expect![[r#"
        exit: 2
        --- stderr ---
        error: pattern.yaml:5:22: `(` is no regular expression: unclosed group
        error: key.yaml:2:1: unknown field `commandTest`, expected one of schemaVersion, globalEnvVars, commandTests, fileExistenceTests, fileContentTests, metadataTest, licenseTests, containerRunOptions
        error: version.yaml: `schemaVersion` 7 is not known: the versions are 1.0.0 and 2.0.0
        error: cannot read absent.yaml
          cause: No such file or directory (os error 2)
    "#]],
    );
    check(
        &scratch,
        &["app", "-c", "none"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: there are no tests in none
        hint: tests are in files whose names end in .yaml, .yml or .json
    "#]],
    );
    check(
        &scratch,
        &["app", "-c", "empty.json"],
        expect![[r#"
        exit: 1
        --- stdout ---

        ===================================
        ====== Test file: empty.json ======
        ===================================
        No tests run: there are none in these files
    "#]],
    );
}

#[test]
fn options_are_followed_explained_or_refused() {
    let Some(scratch) = world() else { return };
    scratch.write(
        "good.yaml",
        "schemaVersion: 2.0.0\nmetadataTest: {cmd: [serve]}\n",
    );
    check(
        &scratch,
        &["absent", "--pull=never", "-c", "good.yaml"],
        expect![[r#"
            exit: 1
            --- stderr ---
            error: no such image: absent
            hint: `jettison images` lists those that there are
        "#]],
    );
    check(
        &scratch,
        &["app", "-c", "good.yaml", "--driver", "host"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --driver host cannot be followed: tests are for images
            hint: leave it out, and name an image
        "#]],
    );
    check(
        &scratch,
        &["app", "-c", "good.yaml", "--driver", "tar", "-o", "json"],
        expect![[r#"
            exit: 0
            --- stdout ---
            {"Pass":1,"Fail":0,"Total":1,"Duration":0,"Results":[{"Name":"Metadata Test","Pass":true,"Duration":0}]}
            --- stderr ---
            --driver tar: files are read from the layers in any case, and commands run, too
        "#]],
    );
}

const COMMANDS: &str = r#"
schemaVersion: 2.0.0
globalEnvVars: [{key: GREETING, value: "hi $A"}, {key: PATH, value: "/opt:$PATH"}]
commandTests:
- name: output, error and status
  command: sh
  args: [-c, "echo out; echo err >&2; exit 3"]
  expectedOutput: ['^out\n$']
  excludedOutput: [err]
  expectedError: ['^err\n$']
  exitCode: 3
- name: variables
  command: env
  envVars: [{key: OWN, value: "$GREETING!"}]
  expectedOutput: ['(?m)^GREETING=hi image$', '(?m)^OWN=hi image!$', '(?m)^PATH=/opt:/']
- name: what setup writes is there
  setup: [[sh, -c, "echo 1 > /data/a; exit 1"], [sh, -c, "echo 2 >> /data/a"]]
  teardown: [[false]]
  command: cat
  args: [/data/a]
  expectedOutput: ['^1\n2\n$']
- name: each test has a container of its own
  command: test
  args: ["!", -e, /data/a]
- name: a shell sees the image's variables at once
  command: sh
  args: [-c, 'echo "$A"']
  expectedOutput: ['^image\n$']
"#;

/// The text of a file of tests and the first lines of what came of it, without durations.
#[track_caller]
fn check_commands(scratch: &Scratch, tests: &str, arguments: &[&str], expected: Expect) {
    scratch.write("tests.yaml", tests);
    let arguments: Vec<&str> = ["test", "box", "-c", "tests.yaml"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let text = scratch.jettison(&arguments).to_string();
    let lines = text
        .lines()
        .filter(|line| !line.to_lowercase().starts_with("duration:"));
    let kept: String = lines.flat_map(|line| [line, "\n"]).collect();
    expected.assert_eq(&kept);
}

#[test]
fn commands_run_without_the_entrypoint_each_in_a_container_of_its_own() {
    let Some(scratch) = running::world() else {
        return;
    };
    check_commands(
        &scratch,
        COMMANDS,
        &[],
        expect![[r#"
        exit: 0
        --- stdout ---

        ===================================
        ====== Test file: tests.yaml ======
        ===================================
        === RUN: Command Test: output, error and status
        --- PASS
        stdout: out

        stderr: err

        === RUN: Command Test: variables
        --- PASS
        stdout: A=image
        GREETING=hi image
        HOME=/root
        HOSTNAME=jettison
        OWN=hi image!
        PATH=/opt:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

        === RUN: Command Test: what setup writes is there
        --- PASS
        stdout: 1
        2

        === RUN: Command Test: each test has a container of its own
        --- PASS
        === RUN: Command Test: a shell sees the image's variables at once
        --- PASS
        stdout: image


        ===========================
        ========= RESULTS =========
        ===========================
        Passes:      5
        Failures:    0
        Total tests: 5

        PASS
    "#]],
    );
}

#[test]
fn options_of_a_file_say_how_its_commands_run() {
    let Some(scratch) = running::world() else {
        return;
    };
    scratch
        .write("variables", "B=file\n")
        .write("shared/note", "from here\n");
    let tests = r#"
schemaVersion: 2.0.0
containerRunOptions:
  user: app
  envFile: variables
  bindMounts: ["./shared:/shared:ro"]
  network: none
commandTests:
- {name: user, command: id, args: [-u], expectedOutput: ['^1000\n$']}
- {name: variable, command: env, expectedOutput: ['(?m)^B=file$']}
- {name: mount, command: cat, args: [/shared/note], expectedOutput: [here]}
- {name: network, command: sh, args: [-c, 'wc -l < /proc/net/dev'], expectedOutput: ['^3\n$']}
"#;
    check_commands(
        &scratch,
        tests,
        &[],
        expect![[r#"
        exit: 0
        --- stdout ---

        ===================================
        ====== Test file: tests.yaml ======
        ===================================
        === RUN: Command Test: user
        --- PASS
        stdout: 1000

        === RUN: Command Test: variable
        --- PASS
        stdout: A=image
        B=file
        HOME=/home/app
        HOSTNAME=jettison
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

        === RUN: Command Test: mount
        --- PASS
        stdout: from here

        === RUN: Command Test: network
        --- PASS
        stdout: 3


        ===========================
        ========= RESULTS =========
        ===========================
        Passes:      4
        Failures:    0
        Total tests: 4

        PASS
    "#]],
    );
    let wrong = "schemaVersion: 2.0.0\ncontainerRunOptions: {envFile: absent}\ncommandTests: [{name: a, command: id}]\n";
    check_commands(
        &scratch,
        wrong,
        &[],
        expect![[r#"
        exit: 2
        --- stdout ---

        ===================================
        ====== Test file: tests.yaml ======
        ===================================
        --- stderr ---
        error: cannot read absent
          cause: No such file or directory (os error 2)
    "#]],
    );
}

#[test]
fn commands_that_fail_are_told() {
    let Some(scratch) = running::world() else {
        return;
    };
    let tests = r#"
schemaVersion: 1.0.0
commandTests:
- {name: absent, command: [no-such-program], exitCode: 127}
- {name: setup is absent, setup: [[no-such-program]], command: [id]}
- {name: status, setup: [[sh, -c, "echo bad >&2; exit 4"]], command: [sh, -c, "echo $A; exit 5"], exitCode: 1}
"#;
    check_commands(
        &scratch,
        tests,
        &[],
        expect![[r#"
        exit: 1
        --- stdout ---

        ===================================
        ====== Test file: tests.yaml ======
        ===================================
        === RUN: Command Test: absent
        --- FAIL
        Error: cannot start `no-such-program`: No such file or directory (os error 2)
        === RUN: Command Test: setup is absent
        --- FAIL
        Error: cannot start `no-such-program`: No such file or directory (os error 2)
        === RUN: Command Test: status
        --- FAIL
        stdout: image

        Error: the exit status is 5, and not 1
        Error: the setup command ["sh", "-c", "echo bad >&2; exit 4"] ended with status 4: "bad\n"

        ===========================
        ========= RESULTS =========
        ===========================
        Passes:      0
        Failures:    3
        Total tests: 3

        FAIL
    "#]],
    );
}

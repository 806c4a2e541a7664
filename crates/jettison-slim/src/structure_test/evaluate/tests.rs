//! Judgements, without an image.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use jettison_oci::{EntryKind, RunConfig};

use super::*;
use crate::structure_test::parse_structure_tests;

/// An image with what the tests below ask for; its commands say what they are.
struct Fake(ImageConfig);

impl Fake {
    fn new() -> Fake {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let config = RunConfig {
            user: "65532".to_owned(),
            exposed_ports: ["80/tcp".to_owned(), "53/udp".to_owned()].into(),
            env: list(&["PATH=/usr/bin:/bin", "EMPTY="]),
            entrypoint: Some(list(&["/usr/bin/java", "-jar"])),
            volumes: ["/data".to_owned()].into(),
            working_dir: "/home/nonroot".to_owned(),
            labels: BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())]),
            ..RunConfig::default()
        };
        Fake(ImageConfig {
            config,
            ..ImageConfig::default()
        })
    }
}

impl ObservedImage for Fake {
    fn config(&self) -> &ImageConfig {
        &self.0
    }

    fn entry(&self, path: &str) -> Option<Entry> {
        let (kind, mode, owner) = match path {
            "/" => (EntryKind::Directory, 0o755, 0),
            "/tmp" => (EntryKind::Directory, 0o1777, 0),
            "/home/nonroot" => (EntryKind::Directory, 0o700, 65532),
            "/etc/passwd" => (EntryKind::File, 0o644, 0),
            _ => return None,
        };
        Some(Entry {
            mode,
            uid: owner,
            gid: owner,
            ..Entry::new(path.as_bytes(), kind)
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "/etc/passwd" => Ok(b"root:x:0:0:root:/root:/sbin/nologin\n".to_vec()),
            "/usr/share/doc/a/copyright" => Ok(b"License: MIT\n".to_vec()),
            "/usr/share/doc/b/copyright" => Ok(b"The Agpl, version 3\n".to_vec()),
            _ => Err(format!("{path} is not there")),
        }
    }

    fn directories(&self, path: &str) -> Option<Vec<String>> {
        (path == DOCUMENTS).then(|| ["a", "b", "c", "libgnutls30"].map(str::to_owned).to_vec())
    }

    fn run(&self, run: &CommandRun) -> Result<CommandOutput, String> {
        if run.argv[0] == "missing" {
            return Err("cannot start missing".to_owned());
        }
        Ok(CommandOutput {
            stdout: format!("{:?} {:?} {:?}\n", run.setup, run.argv, run.env).into_bytes(),
            stderr: b"oops\n".to_vec(),
            exit_code: 3,
            elapsed: Duration::ZERO,
            notes: vec!["note".to_owned()],
        })
    }
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    let tests = parse_structure_tests(&format!("schemaVersion: 2.0.0\n{text}")).unwrap();
    let mut shown = String::new();
    evaluate(&tests, &Fake::new(), &mut |result| {
        let verdict = if result.has_passed() { "ok" } else { "no" };
        writeln!(shown, "{verdict} {}", result.name).unwrap();
        for error in result.errors {
            writeln!(shown, "   {error}").unwrap();
        }
    });
    expected.assert_eq(&shown);
}

#[test]
fn commands_are_judged_by_output_and_status() {
    check(
        r#"
globalEnvVars:
- {key: VIRTUAL_ENV, value: /env}
- {key: PATH, value: "/env/bin:$PATH"}
commandTests:
- name: as it is
  setup: [[prepare, $PATH]]
  command: $VIRTUAL_ENV/app
  args: [--path, "${PATH}", $OWN]
  envVars: [{key: OWN, value: $VIRTUAL_ENV/own}]
  expectedOutput:
  - '^\[\["prepare", "\$PATH"\]\] \["/env/app", "--path", "/env/bin:/usr/bin:/bin", "/env/own"\]'
  - '\("PATH", "/env/bin:/usr/bin:/bin"\), \("OWN", "/env/own"\)\]\n$'
  expectedError: [^oops]
  exitCode: 3
- name: all wrong
  command: a
  expectedOutput: [nope]
  excludedOutput: ['"a"']
  expectedError: [nope]
  excludedError: [o+]
- name: absent
  command: missing
  exitCode: 127
"#,
        expect![[r#"
            ok Command Test: as it is
            no Command Test: all wrong
               `nope` does not match the standard error: "oops\n"
               `o+` matches the standard error, and should not: "oops\n"
               `nope` does not match the standard output: "[] [\"a\"] [(\"VIRTUAL_ENV\", \"/env\"), (\"PATH\", \"/env/bin:/usr/bin:/bin\")]\n"
               `"a"` matches the standard output, and should not: "[] [\"a\"] [(\"VIRTUAL_ENV\", \"/env\"), (\"PATH\", \"/env/bin:/usr/bin:/bin\")]\n"
               the exit status is 3, and not 0
               note
            no Command Test: absent
               cannot start missing
        "#]],
    );
}

#[test]
fn files_are_judged_by_kind_mode_and_owner() {
    check(
        r"
fileExistenceTests:
- {name: root, path: /, permissions: drwxr-xr-x, uid: 0, gid: 0}
- {name: tmp as go, path: /tmp, permissions: dtrwxrwxrwx}
- {name: tmp as ls, path: /tmp, permissions: drwxrwxrwt}
- {name: tmp, path: /tmp, permissions: drwxrwxrwx}
- {name: home, path: /home/nonroot, uid: 0, gid: 5, isExecutableBy: group}
- {name: home of the owner, path: /home/nonroot, isExecutableBy: owner, uid: 65532}
- {name: shell, path: /bin/sh, shouldExist: false, permissions: -rwxr-xr-x}
- {name: shell is wanted, path: /bin/sh, shouldExist: true}
- {name: passwd, path: /etc/passwd, shouldExist: false}
- {name: passwd for all, path: /etc/passwd, isExecutableBy: any}
",
        expect![[r#"
            ok File Existence Test: root
            ok File Existence Test: tmp as go
            ok File Existence Test: tmp as ls
            no File Existence Test: tmp
               /tmp has the permissions dtrwxrwxrwx, and not drwxrwxrwx
            no File Existence Test: home
               /home/nonroot cannot be executed by its group: its permissions are drwx------
               the owner of /home/nonroot is 65532, and not 0
               the group of /home/nonroot is 65532, and not 5
            ok File Existence Test: home of the owner
            ok File Existence Test: shell
            no File Existence Test: shell is wanted
               /bin/sh is not there
            no File Existence Test: passwd
               /etc/passwd is there, and should not: -rw-r--r--
            no File Existence Test: passwd for all
               /etc/passwd cannot be executed by anybody: its permissions are -rw-r--r--
        "#]],
    );
}

#[test]
fn contents_and_licences_are_searched() {
    check(
        r"
fileContentTests:
- {name: users, path: /etc/passwd, expectedContents: ['^root:', 'nobody'], excludedContents: ['/bin/bash', nologin]}
- {name: none, path: /etc/shadow, expectedContents: [a]}
licenseTests:
- {debian: true}
- {debian: false, files: [/usr/share/doc/a/copyright, /nope]}
",
        expect![[r#"
            no File Content Test: users
               `nobody` does not match the content of /etc/passwd: "root:x:0:0:root:/root:/sbin/nologin\n"
               `nologin` matches the content of /etc/passwd, and should not: "root:x:0:0:root:/root:/sbin/nologin\n"
            no File Content Test: none
               /etc/shadow is not there
            no License Test #0
               /usr/share/doc/b/copyright names the licence AGPL
               /usr/share/doc/c/copyright is not there
            no License Test #1
               /nope is not there
        "#]],
    );
}

#[test]
fn the_configuration_is_compared() {
    check(
        r#"
metadataTest:
  envVars:
  - {key: PATH, value: "^/usr/bin(:|$)", isRegex: true}
  - {key: EMPTY, value: ""}
  unboundEnvVars: [{key: HOME}]
  labels: [{key: version, value: '^\d+\.\d+\.\d+$', isRegex: true}]
  entrypoint: [/usr/bin/java, -jar]
  cmd: []
  exposedPorts: ["80", 53/udp, "53"]
  unexposedPorts: ["443"]
  volumes: [/data]
  unmountedVolumes: [/tmp]
  workdir: /home/nonroot
  user: 65532
"#,
        expect![[r#"
            ok Metadata Test
        "#]],
    );
    check(
        r#"
metadataTest:
  envVars: [{key: PATH, value: /bin}, {key: HOME, value: /}, {key: EMPTY, value: "^x", isRegex: true}]
  unboundEnvVars: [{key: PATH}]
  labels: [{key: version, value: "1"}, {key: vendor, value: me}]
  entrypoint: []
  cmd: [a]
  exposedPorts: ["443", 80/udp]
  unexposedPorts: ["80"]
  volumes: [/tmp]
  unmountedVolumes: [/data]
  workdir: /
  user: root
"#,
        expect![[r#"
            no Metadata Test
               the variable PATH is "/usr/bin:/bin", and not "/bin"
               the variable HOME is not set
               the variable EMPTY is "", which `^x` does not match
               the variable PATH is "/usr/bin:/bin", and should not be set
               the label version is "1.2.3", and not "1"
               the label vendor is not set
               CMD is [], and not ["a"]
               ENTRYPOINT is ["/usr/bin/java", "-jar"], and not []
               the working directory is "/home/nonroot", and not "/"
               the user is "65532", and not "root"
               the port 443 is missing
               the port 80/udp is missing
               the port 80 is there, and should not
               the volume /tmp is missing
               the volume /data is there, and should not
        "#]],
    );
}

//! `jettison verify`: images of busybox that do the same, and such that do not.

use std::fs;

use expect_test::{Expect, expect};
use jettison_testkit::{Outcome, Scratch};

use crate::shared::with_busybox;

/// A world in which images can be made of files and a command.
struct World {
    scratch: Scratch,
}

impl World {
    fn new() -> Option<World> {
        let scratch = with_busybox("context/base/bin/busybox")?;
        Some(World { scratch })
    }

    /// An image with busybox and these files.
    fn image(&self, name: &str, files: &[(&str, &str)], rest: &str) {
        for (path, text) in files {
            let path = format!("context/{name}/{path}");
            self.scratch.write(&path, text);
            // Servers say how old files are.
            let file = fs::File::options()
                .append(true)
                .open(self.scratch.dir().join(path));
            file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        fs::create_dir_all(self.scratch.dir().join("context").join(name)).unwrap();
        self.scratch.write(
            &format!("{name}.Dockerfile"),
            format!(
                "FROM scratch\nCOPY base /\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nCOPY {name} /\n{rest}\n"
            ),
        );
        let file = format!("{name}.Dockerfile");
        self.scratch
            .jettison(&["build", "-q", "-f", &file, "context", "-t", name])
            .succeeded();
    }

    /// An image whose command is a script.
    fn script(&self, name: &str, script: &str) {
        self.image(name, &[("app.sh", script)], SCRIPT);
    }

    fn verify(&self, arguments: &[&str]) -> Outcome {
        let arguments: Vec<&str> = ["verify"].iter().chain(arguments).copied().collect();
        self.scratch.jettison(&arguments)
    }

    /// Verifies `a` and `b`, which have to differ as `line` says.
    #[track_caller]
    fn check_different(&self, arguments: &[&str], line: &str) {
        let arguments: Vec<&str> = ["a", "b"].iter().chain(arguments).copied().collect();
        let outcome = self.verify(&arguments);
        assert_eq!(outcome.code, 1, "{outcome}");
        let lines: Vec<&str> = outcome.stdout.lines().map(str::trim).collect();
        assert!(lines.contains(&line), "{line}\n{outcome}");
        let last = lines.last().copied().unwrap_or_default();
        assert!(last.starts_with("different: "), "{outcome}");
    }

    #[track_caller]
    fn check_same(&self, arguments: &[&str]) {
        let arguments: Vec<&str> = ["a", "b"].iter().chain(arguments).copied().collect();
        self.verify(&arguments).succeeded();
    }
}

const SCRIPT: &str = "CMD [\"/bin/sh\", \"/app.sh\"]";

const SERVER: &str = "EXPOSE 8080\nCMD [\"/bin/httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\", \"-c\", \"/etc/httpd.conf\"]";

const SITE: [(&str, &str); 4] = [
    ("www/index.html", "<h1>Hello</h1>\n"),
    ("www/data.xyz", "1;2\n"),
    ("www/404.html", "<h1>Not here</h1>\n"),
    ("etc/httpd.conf", "E404:404.html\n.xyz:text/x-data\n"),
];

/// The site with another text in one of its files, or without it.
fn site(path: &str, text: Option<&str>) -> Vec<(&'static str, String)> {
    SITE.iter()
        .filter_map(|(known, usual)| {
            let text = if *known == path { text? } else { usual };
            Some((*known, text.to_owned()))
        })
        .collect()
}

fn borrowed<'f>(files: &'f [(&'static str, String)]) -> Vec<(&'static str, &'f str)> {
    files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect()
}

#[test]
fn two_servers_that_answer_the_same_are_the_same() {
    let Some(world) = World::new() else { return };
    world.image("a", &SITE, SERVER);
    world.image("b", &SITE, &format!("LABEL a=b\n{SERVER}"));
    world.scratch.write(
        "jettison.toml",
        "[[probe]]\nname = \"front page\"\nhttp = [\n    { get = \"/\", expect-status = 200, expect-body = \"Hello\" },\n    { get = \"/data.xyz\" },\n]\n",
    );
    let outcome = world.verify(&["a", "b"]).succeeded();
    expect![[r#"
        same      front page
          not counted, because it is different in each run: header date of GET /, header date of GET /data.xyz
        same      requests that are refused (ours)
        same      argument --jettison-no-such-option (ours)
        same      with TZ=America/New_York (ours)
        same      with LC_ALL=de_DE.UTF-8 (ours)
        same      as user 65532 (ours)
        same      on a read-only file system (ours)
        same      started a second time (ours)
        same      without the image's variables (ours)
        same      with LC_ALL=C (ours)
        same      ended by SIGTERM (ours)
        same      argument --help (ours)
        same      argument --version (ours)
        proven: both images gave the same answers to 1 probe, and to 12 of ours
    "#]]
    .assert_eq(&without_other_user(&outcome.stdout));
}

/// The output as it is where there are other users.
fn without_other_user(text: &str) -> String {
    if text.contains("as user 65532") {
        return text.to_owned();
    }
    text.replace(
        "same      on a read-only",
        "same      as user 65532 (ours)\nsame      on a read-only",
    )
    .replace("to 11 of ours", "to 12 of ours")
}

#[test]
fn another_answer_of_a_server_is_found() {
    let Some(world) = World::new() else { return };
    world.image("a", &SITE, SERVER);
    let get = ["--probe-http", "/", "--probe-http", "/data.xyz"];
    let cases = [
        (
            site("www/index.html", Some("<h1>Hullo</h1>\n")),
            "the body of GET / differs (15 and 15 bytes):",
        ),
        (
            site("www/index.html", None),
            "the status of GET / differs: original `200`, candidate `404`",
        ),
        (
            site("etc/httpd.conf", Some("E404:404.html\n")),
            "header content-type of GET /data.xyz differs: original `text/x-data`, candidate none",
        ),
        // Nobody has asked for it.
        (
            site("www/404.html", None),
            "different requests that are refused (ours)",
        ),
    ];
    for (files, line) in cases {
        fs::remove_dir_all(world.scratch.dir().join("context/b")).unwrap_or_default();
        world.image("b", &borrowed(&files), SERVER);
        world.check_different(&get, line);
    }
    world.image("b", &SITE, &SERVER.replace("8080", "8081"));
    world.check_different(
        &["--probe-http", ":8080/"],
        "what became of the server differs: original none, candidate `it did not listen on port 8080`",
    );
}

#[test]
fn another_end_another_output_and_another_file_are_found() {
    let Some(world) = World::new() else { return };
    world.script(
        "a",
        "echo out\necho err >&2\numask 022\necho x > /file\nexit 0\n",
    );
    let cases = [
        (
            "echo out\necho err >&2\necho x > /file\nexit 3\n",
            "exit differs: original exit code 0, candidate exit code 3",
        ),
        (
            "echo up\necho err >&2\necho x > /file\n",
            "stdout differs (4 and 3 bytes):",
        ),
        (
            "echo out\necho x > /file\n",
            "stderr differs (4 and 0 bytes):",
        ),
        (
            "echo out\necho err >&2\necho x > /file\nchmod 600 /file\n",
            "written files differ:",
        ),
        (
            "echo out\necho err >&2\necho y > /file\n",
            "written files differ:",
        ),
    ];
    for (script, line) in cases {
        world.script("b", script);
        world.check_different(&["--probe", "sh /app.sh"], line);
    }
    world.script("b", "echo out\necho err >&2\n\necho x > /file\nexit 0\n");
    world.check_same(&["--probe", "sh /app.sh"]);
}

#[test]
fn what_nobody_asks_for_is_found_too() {
    let Some(world) = World::new() else { return };
    let script = "cat /zones/${TZ:-UTC} 2>/dev/null || cat /zones/UTC\nfor a; do cat /help; done\nid -un 2>/dev/null\n";
    let files = [
        ("app.sh", script),
        ("zones/UTC", "UTC\n"),
        ("zones/America/New_York", "EST\n"),
        ("help", "usage: app\n"),
    ];
    let without = |path: &str| -> Vec<(&str, &str)> {
        files
            .iter()
            .copied()
            .filter(|(known, _)| *known != path)
            .collect()
    };
    world.image("a", &files, SCRIPT);
    for (path, line) in [
        (
            "zones/America/New_York",
            "different with TZ=America/New_York (ours)",
        ),
        ("help", "different argument --help (ours)"),
    ] {
        fs::remove_dir_all(world.scratch.dir().join("context/b")).unwrap_or_default();
        world.image("b", &without(path), SCRIPT);
        world.check_same(&["--probe", "sh /app.sh", "--given-only"]);
        world.check_different(&["--probe", "sh /app.sh"], line);
    }
}

#[test]
fn what_is_new_in_each_run_is_not_counted() {
    let Some(world) = World::new() else { return };
    world.script(
        "a",
        "echo \"id $(cat /proc/sys/kernel/random/uuid) is ready\"\necho $$ > /pid\n",
    );
    world.script(
        "b",
        "echo \"id $(cat /proc/sys/kernel/random/uuid) is ready\"\n\necho $$ > /pid\n",
    );
    let outcome = world
        .verify(&["a", "b", "--probe", "sh /app.sh", "--given-only"])
        .succeeded();
    expect![[r#"
        same      sh /app.sh
          not counted, because it is different in each run: 1 line of stdout
        proven but for what follows: both images gave the same answers to 1 probe
            /app.sh was looked up, and the original's is different in size, content
    "#]]
    .assert_eq(&outcome.stdout);
    world.script(
        "b",
        "echo \"id $(cat /proc/sys/kernel/random/uuid) is broken\"\necho $$ > /pid\n",
    );
    world.check_different(
        &["--probe", "sh /app.sh", "--given-only"],
        "different sh /app.sh",
    );
}

#[test]
fn rules_say_what_means_nothing() {
    let Some(world) = World::new() else { return };
    world.script("a", "echo version 1 of it\necho built=a > /info\n");
    world.script("b", "echo version 2 of it\necho built=b > /info\n");
    let probe = "[[probe]]\nname = \"it\"\n";
    world.scratch.write("jettison.toml", probe);
    world.check_different(&[], "different it");
    let rules = "ignore = [\"stdout:version [0-9]+\", \"written:built=.\"]\n";
    world
        .scratch
        .write("jettison.toml", format!("{probe}{rules}"));
    world.check_same(&[]);
    let rules = "ignore = [\"stdout:.*\", \"path:^/info$\"]\n";
    world.scratch.write("other.toml", format!("{probe}{rules}"));
    world.check_same(&["-c", "other.toml"]);
    let written = "written = [\"/data\"]\nignore = [\"stdout:.*\"]\n";
    world
        .scratch
        .write("jettison.toml", format!("{probe}{written}"));
    world.check_same(&[]);
}

#[track_caller]
fn check_original(script: &str, arguments: &[&str], expected: Expect) {
    let Some(world) = World::new() else { return };
    world.script("a", script);
    let arguments: Vec<&str> = ["a", "a"].iter().chain(arguments).copied().collect();
    let outcome = world.verify(&arguments);
    let said = format!("exit: {}\n{}", outcome.code, outcome.stderr);
    expected.assert_eq(&said);
}

#[test]
fn an_original_that_is_never_the_same_proves_nothing() {
    check_original(
        "cat /proc/sys/kernel/random/uuid\n",
        &["--probe", "sh /app.sh", "--given-only"],
        expect![[r#"
            exit: 1
            error: the original does something else each time
            hint: name what is different each time with `ignore`
        "#]],
    );
}

#[test]
fn an_original_that_does_not_start_is_a_mistake() {
    check_original(
        "",
        &["--probe", "/no/such/program"],
        expect![[r#"
            exit: 2
            error: the original fails: exit code 127
            hint: try it with `jettison run`; give arguments, variables or files that make it work
        "#]],
    );
    check_original(
        "echo hello\n",
        &["--probe-http", "/"],
        expect![[r#"
            exit: 2
            error: the original cannot be talked to: it ended before it listened; its last words are `hello`
            hint: `port` says where it listens, `ready-within` how long it may take; a program that ends needs `run`
        "#]],
    );
}

#[test]
fn what_a_sandbox_does_not_have_is_said() {
    check_original(
        "wget http://example.invalid/\n",
        &[],
        expect![[r#"
            exit: 3
            error: the original needs a network: it tries to reach a name server, to look up a name from /bin/busybox, and it says `wget: bad address 'example.invalid'`
            hint: probes run without a network: give one that the program can answer by itself
        "#]],
    );
    check_original(
        "wget http://127.0.0.1:5432/\n",
        &[],
        expect![[r#"
            exit: 3
            error: the original needs a service that is not there: it tries to reach 127.0.0.1:5432 (PostgreSQL) from /bin/busybox, and it says `wget: can't connect to remote host (127.0.0.1): Connection refused`
            hint: give a probe that works without the service, such as `--version`, or a file in place of the database
        "#]],
    );
}

#[test]
fn without_a_probe_one_is_suggested_that_works() {
    let Some(world) = World::new() else { return };
    world.image("a", &SITE, &SERVER.replace("EXPOSE 8080\n", ""));
    let outcome = world.verify(&["a", "a", "--format", "json"]).succeeded();
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["verdict"], "weak");
    let suggestion = report["suggestion"].as_str().unwrap();
    expect![[r#"
        [[probe]]
        name = "front page"
        port = 8080
        http = [
            { get = "/", expect-status = 200 },
        ]
    "#]]
    .assert_eq(suggestion);
    world.scratch.write("jettison.toml", suggestion);
    let outcome = world.verify(&["a", "a", "--given-only"]).succeeded();
    assert!(
        outcome
            .stdout
            .ends_with("proven: both images gave the same answers to 1 probe\n"),
        "{outcome}"
    );
}

#[test]
fn programs_read_files_and_standard_input() {
    let Some(world) = World::new() else { return };
    world.script("a", "cat /data/in.txt /more/b - && echo $A\n");
    world
        .scratch
        .write("test/in.txt", "from a file\n")
        .write("test/more/b", "from a directory\n")
        .write("test/stdin", "from standard input\n")
        .write(
            "test/jettison.toml",
            "[[probe]]\nfiles = { \"/data/in.txt\" = \"in.txt\", \"/more\" = \"more\" }\nstdin-file = \"stdin\"\nenv = { A = \"b\" }\nexpect-stdout = \"from a file\\nfrom a directory\\nfrom standard input\\nb\\n\"\n",
        );
    world
        .verify(&["a", "a", "-c", "test/jettison.toml"])
        .succeeded();
    fs::remove_file(world.scratch.dir().join("test/stdin")).unwrap();
    let outcome = world.verify(&["a", "a", "-c", "test/jettison.toml"]);
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(outcome.stderr.contains("test/stdin"), "{outcome}");
}

#[test]
fn an_original_that_is_not_what_the_probe_expects_is_the_users_mistake() {
    let Some(world) = World::new() else { return };
    world.script("a", "echo 6\n");
    world.scratch.write(
        "jettison.toml",
        "[[probe]]\nname = \"says\"\n\n[[probe]]\nname = \"adds\"\nexpect-stdout = \"5\\n\"\n",
    );
    expect![[r#"
        exit: 2
        --- stdout ---
        same      says
        unknown   adds
          original: stdout is not "5\n", but "6\n"
          candidate: stdout is not "5\n", but "6\n"
        --- stderr ---
        error: jettison.toml: the original does not do what probe `adds` expects: stdout is not "5\n", but "6\n"
        hint: mend the probe, or the program: it is compared only with an original that does what is expected
    "#]]
    .assert_eq(&world.verify(&["a", "a"]).to_string());
}

#[test]
fn a_conversation_over_tcp_is_compared() {
    let Some(world) = World::new() else { return };
    let server = |greeting: &str| {
        format!(
            "echo 'echo {greeting}; while read a; do echo \"got $a\"; done' > /talk\nexec nc -ll -p 7000 -e /bin/sh /talk\n"
        )
    };
    world.script("a", &server("welcome"));
    world.scratch.write(
        "jettison.toml",
        "[[probe]]\nname = \"talk\"\nport = 7000\ntcp = [{ expect = \"come\\n\" }, { send = \"hello\\n\", expect = \"got hello\\n\" }, { send = \"x\\n\" }]\n",
    );
    world.verify(&["a", "a"]).succeeded();
    world.script("b", &server("come"));
    world.check_different(
        &[],
        "the body of listening to the server differs (8 and 5 bytes):",
    );
}

#[test]
fn a_signal_ends_programs_alike() {
    let Some(world) = World::new() else { return };
    let script = |code: u32| format!("trap 'exit {code}' TERM\nwhile :; do sleep 0.1; done\n");
    world.script("a", &script(3));
    world.scratch.write(
        "jettison.toml",
        "[[probe]]\nname = \"end\"\nsignal = \"TERM\"\nafter = 0.3\nexpect-exit = 3\n",
    );
    world.verify(&["a", "a", "--given-only"]).succeeded();
    world.script("b", &script(4));
    world.check_different(
        &["--given-only"],
        "exit differs: original exit code 3, candidate exit code 4",
    );
}

#[test]
fn a_server_that_listens_before_it_is_ready_is_not_ended_at_once() {
    let Some(world) = World::new() else { return };
    // The shell has no handler of a signal, and computes for more than a second before it writes down who it is.
    let server = |name: &str| {
        format!(
            "echo 'echo hello' > /talk\nnc -ll -p 7000 -e /bin/sh /talk &\nend=$(($(date +%s) + 2))\n\
            while [ $(date +%s) -lt $end ]; do :; done\necho {name} > /name\nwait\n"
        )
    };
    world.script("a", &server("first"));
    world.scratch.write(
        "jettison.toml",
        "[[probe]]\nname = \"name\"\nport = 7000\ntcp = [{ expect = \"hello\\n\" }]\n",
    );
    world.verify(&["a", "a", "--given-only"]).succeeded();
    world.script("b", &server("second"));
    world.check_different(&["--given-only"], "written files differ:");
}

#[test]
fn images_come_from_archives_and_do_not_stay() {
    let Some(world) = World::new() else { return };
    world.script("a", "echo hello\n");
    let scratch = &world.scratch;
    scratch.jettison(&["save", "-o", "a.tar", "a"]).succeeded();
    scratch.jettison(&["rmi", "-f", "a"]).succeeded();
    world.script("b", "echo hello\n\n");
    let outcome = world
        .verify(&[
            "./a.tar",
            "b",
            "--probe",
            "sh /app.sh",
            "--report",
            "report.json",
        ])
        .succeeded();
    assert!(
        outcome.stdout.contains("same      sh /app.sh\n"),
        "{outcome}"
    );
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(report["original"]["reference"], "./a.tar");
    let images = scratch.jettison(&["images", "-a", "-q"]).succeeded();
    assert_eq!(images.stdout.lines().count(), 1, "{images}");
    let outcome = world.verify(&["nothing", "b"]);
    assert_eq!(outcome.code, 2, "{outcome}");
}

#[test]
fn what_is_looked_up_in_vain_is_no_proof() {
    let Some(world) = World::new() else { return };
    let files = [
        (
            "app.sh",
            "test -e /zones/Berlin\necho hello\nls -d /list/* | wc -l\n",
        ),
        ("zones/Berlin", "CET\n"),
        ("list/a", ""),
        (
            "var/lib/dpkg/info/tzdata.list",
            "/.\n/zones\n/zones/Berlin\n",
        ),
    ];
    world.image("a", &files, SCRIPT);
    world.image("b", &[files[0], files[2]], SCRIPT);
    let arguments = ["a", "b", "--probe", "sh /app.sh", "--given-only"];
    let outcome = world.verify(&arguments);
    expect![[r#"
        exit: 1
        --- stdout ---
        same      sh /app.sh
        not proven: the answers are the same, but that may be luck, for the original has what was looked up in vain
            /zones/Berlin was looked up in vain, and the original has it (package tzdata): keep the package tzdata, which /zones/Berlin belongs to
    "#]]
    .assert_eq(&outcome.to_string());
    fs::remove_dir_all(world.scratch.dir().join("context/b")).unwrap();
    world.image("b", &[files[0], files[1], ("list/b", "")], SCRIPT);
    let outcome = world.verify(&arguments);
    expect![[r#"
        exit: 0
        --- stdout ---
        same      sh /app.sh
        proven but for what follows: both images gave the same answers to 1 probe
            /list has other names in it
            /list/b was found, and the original does not have it
    "#]]
    .assert_eq(&outcome.to_string());
}

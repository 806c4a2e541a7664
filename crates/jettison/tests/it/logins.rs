//! `login` and `logout` in the ways that people and scripts use them, against a registry that wants passwords.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::{fs, thread};

use expect_test::expect;
use jettison_testkit::{DockerRegistry, Outcome, RegistryDemands, Scratch};

use crate::PROGRAM;
use crate::registries::{HTPASSWD, registry};
use crate::shared::installed;

const CONFIG: &str = "home/.docker/config.json";

fn guarded() -> Option<DockerRegistry> {
    registry(&RegistryDemands {
        htpasswd: Some(HTPASSWD.to_owned()),
        ..RegistryDemands::default()
    })
}

fn config(scratch: &Scratch) -> serde_json::Value {
    serde_json::from_str(&scratch.read(CONFIG)).unwrap()
}

/// Runs `login AUTHORITY` on a terminal, where somebody types an answer to each question, and gives what the terminal
/// shows. What comes at the end is the status, and whether the terminal still shows what is typed.
fn at_terminal(scratch: &Scratch, authority: &str, answers: [&str; 2]) -> String {
    let login = format!(
        "{PROGRAM} login {authority}; echo \"status $?\"; stty -a | grep --only-matching --word-regexp -e '-\\?echo'"
    );
    let mut script = scratch.tool(
        "script",
        &[
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &login,
            "typescript",
        ],
    );
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    for (question, answer) in ["Username", "Password"].iter().zip(answers) {
        while !String::from_utf8_lossy(&shown).contains(question) {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "{shown:?}");
            shown.push(byte[0]);
        }
        input.write_all(answer.as_bytes()).unwrap();
    }
    output.read_to_end(&mut shown).unwrap();
    drop(input);
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn whoever_sits_at_a_terminal_is_asked_and_the_password_is_not_shown() {
    if !installed(&["script"]) {
        return;
    }
    let Some(registry) = guarded() else { return };
    let authority = registry.authority();
    let scratch = Scratch::new(PROGRAM);
    let shown = at_terminal(&scratch, &authority, ["tester\n", "a-guess\n"]);
    assert!(shown.ends_with("status 2\r\necho\r\n"), "{shown}");
    assert!(!shown.contains("a-guess"), "{shown}");
    assert!(shown.contains("error: cannot log in to"), "{shown}");
    assert!(!scratch.exists(CONFIG));
    // Ctrl-C while the password is typed.
    let shown = at_terminal(&scratch, &authority, ["tester\n", "open\u{3}"]);
    assert!(shown.ends_with("status 130\r\necho\r\n"), "{shown}");
    assert!(!scratch.exists(CONFIG));
    let shown = at_terminal(&scratch, &authority, ["tester\n", "open-sesame\n"]);
    assert!(shown.ends_with("status 0\r\necho\r\n"), "{shown}");
    assert!(shown.contains(&format!("Username for {authority}: ")));
    assert!(shown.contains("Login Succeeded"), "{shown}");
    assert!(!shown.contains("open-sesame"), "{shown}");
    assert!(config(&scratch)["auths"][&authority]["auth"].is_string());
}

#[test]
fn what_is_wrong_with_a_login_is_said() {
    let Some(registry) = guarded() else { return };
    let authority = registry.authority();
    let scratch = Scratch::new(PROGRAM);
    let check = |arguments: &[&str], expected: expect_test::Expect| {
        let words = [&["login"], arguments, &[&authority]].concat();
        expected.assert_eq(&scratch.jettison(&words).to_string());
    };
    check(
        &["-u", "tester", "-p", "a-guess"],
        expect![[r#"
        exit: 2
        --- stderr ---
        warning: others on this host can see a password on the command line; take --password-stdin
        error: cannot log in to 127.0.0.1:[PORT]
          cause: 127.0.0.1:[PORT] refuses the login: unauthorized: authentication required
        hint: the name or the password is wrong; some registries want an access token in place of the password
    "#]],
    );
    check(
        &["-u", "tester"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: there is no terminal to ask for a name and a password
        hint: give `--username NAME --password-stdin`, and the password on standard input
    "#]],
    );
    check(
        &["-u", "tester", "--password-stdin"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: a login needs a name and a password
    "#]],
    );
    check(
        &["-u", "te:ster", "-p", "x"],
        expect![[r#"
        exit: 2
        --- stderr ---
        warning: others on this host can see a password on the command line; take --password-stdin
        error: a user's name cannot have a colon in it
    "#]],
    );
    assert!(!scratch.exists(CONFIG));
}

#[test]
fn logins_at_the_same_time_do_not_lose_each_others_entries() {
    const LOGINS: usize = 6;
    let Some(registries) = (0..LOGINS).map(|_| guarded()).collect::<Option<Vec<_>>>() else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    scratch.write(
        CONFIG,
        r#"{"auths": {"other.example": {"auth": "YTpi"}}, "psFormat": "x"}"#,
    );
    let file = scratch.dir().join(CONFIG);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let all = |arguments: &(dyn Fn(&str) -> Vec<String> + Sync)| {
        thread::scope(|scope| {
            for registry in &registries {
                let scratch = &scratch;
                scope.spawn(move || {
                    let words = arguments(&registry.authority());
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    scratch.jettison(&words).succeeded();
                });
            }
        });
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    all(&|authority| words(&["login", "-u", "tester", "-p", "open-sesame", authority]));
    let kept = config(&scratch);
    assert_eq!(
        kept["auths"].as_object().unwrap().len(),
        LOGINS + 1,
        "{kept}"
    );
    assert_eq!(kept["psFormat"], "x");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Of two, one stays.
    let (first, second) = (registries[0].authority(), registries[1].authority());
    scratch.jettison(&["logout", &first]).succeeded();
    let kept = config(&scratch);
    assert!(kept["auths"][&first].is_null() && !kept["auths"][&second].is_null());
    all(&|authority| words(&["logout", authority]));
    let kept = config(&scratch);
    assert_eq!(
        kept["auths"],
        serde_json::json!({"other.example": {"auth": "YTpi"}})
    );
    let names: Vec<_> = fs::read_dir(scratch.dir().join("home/.docker"))
        .unwrap()
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

/// A helper that keeps its secrets in `home/NAME`, or says that it is locked.
fn helper(scratch: &Scratch, name: &str) {
    let script = format!(
        "#!/bin/sh\nset -e\nfile=\"$HOME/{name}\"\ncase $1 in\nget) cat \"$file\" 2>/dev/null || {{ echo credentials not found in native keychain; exit 1; }} ;;\n\
         store) [ ! -e \"$HOME/locked\" ] || {{ echo the keyring is locked; exit 1; }}\ncat >\"$file\" ;;\nerase) rm \"$file\" ;;\nesac\n"
    );
    let path = format!("bin/docker-credential-{name}");
    scratch.write(&path, script);
    let path = scratch.dir().join(path);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn registries_may_have_helpers_of_their_own() {
    let (Some(own), Some(other)) = (guarded(), guarded()) else {
        return;
    };
    let (own, other) = (own.authority(), other.authority());
    let scratch = Scratch::new(PROGRAM);
    helper(&scratch, "own");
    helper(&scratch, "all");
    scratch.write(
        CONFIG,
        format!(r#"{{"credsStore": "all", "credHelpers": {{"{own}": "own"}}}}"#),
    );
    let run = |arguments: &[&str]| -> Outcome {
        let path = format!("{}/bin:/usr/bin:/bin", scratch.dir().display());
        scratch.outcome(scratch.command(arguments).env("PATH", path))
    };
    let login = |authority: &str| run(&["login", "-u", "tester", "-p", "open-sesame", authority]);
    login(&own).succeeded();
    assert!(scratch.exists("home/own") && !scratch.exists("home/all"));
    login(&other).succeeded();
    assert!(scratch.read("home/all").contains(&other));
    assert!(!scratch.read(CONFIG).contains("auth\""));
    run(&["logout", &own]).succeeded();
    assert!(!scratch.exists("home/own") && scratch.exists("home/all"));
    // What a helper cannot keep is not kept anywhere.
    scratch.write("home/locked", "");
    let failed = login(&own).to_string().replace(&own, "[REGISTRY]");
    expect![[r#"
        exit: 2
        --- stderr ---
        warning: others on this host can see a password on the command line; take --password-stdin
        error: cannot keep the credentials for 127.0.0.1:[PORT]
          cause: docker-credential-own store says: the keyring is locked
    "#]]
    .assert_eq(&failed);
    assert!(!scratch.read(CONFIG).contains("auth\""));
    // A helper that is not there is missed.
    scratch.write(CONFIG, r#"{"credsStore": "missing"}"#);
    let failed = login(&own).to_string();
    expect![[r#"
        exit: 2
        --- stderr ---
        warning: others on this host can see a password on the command line; take --password-stdin
        error: cannot keep the credentials for 127.0.0.1:[PORT]
          cause: cannot start docker-credential-missing, which keeps credentials
          cause: No such file or directory (os error 2)
    "#]]
    .assert_eq(&failed);
}

/// Docker's own tools understand what we write, and the other way round.
#[test]
fn docker_and_skopeo_know_our_logins_and_we_theirs() {
    if !installed(&["skopeo"]) {
        return;
    }
    let Some(registry) = guarded() else { return };
    let authority = registry.authority();
    let scratch = Scratch::new(PROGRAM);
    let name = format!("{authority}/app:1");
    crate::registries::build(&scratch, &name);
    let inspect = || {
        let place = format!("docker://{name}");
        let words = ["inspect", "--tls-verify=false", &place];
        // Where it looks for Podman's file as well.
        let runtime = scratch.dir().join("runtime");
        let mut skopeo = scratch.tool("skopeo", &words);
        scratch.outcome(skopeo.env("XDG_RUNTIME_DIR", runtime))
    };
    let login = ["login", "-u", "tester", "-p", "open-sesame", &authority];
    scratch.jettison(&login).succeeded();
    scratch.jettison(&["push", "-q", &name]).succeeded();
    inspect().succeeded();
    scratch.jettison(&["logout", &authority]).succeeded();
    assert_ne!(inspect().code, 0);
    // Podman's file, as skopeo writes it.
    let file = scratch.dir().join("auth.json").display().to_string();
    let words = [
        "login",
        "--tls-verify=false",
        "--authfile",
        &file,
        "-u",
        "tester",
        "-p",
        "open-sesame",
        &authority,
    ];
    scratch
        .outcome(&mut scratch.tool("skopeo", &words))
        .succeeded();
    let mut pull = scratch.command(&["pull", "-q", &name]);
    scratch
        .outcome(pull.env("REGISTRY_AUTH_FILE", &file))
        .succeeded();
}

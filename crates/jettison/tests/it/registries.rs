//! `pull`, `push`, `login` and `logout` against a real registry: Debian's `docker-registry`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use expect_test::expect;
use jettison_testkit::{
    DockerRegistry, FaultProxy, Mishap, MishapPlan, Outcome, RegistryDemands, Scratch, skip,
};

use crate::PROGRAM;

/// `tester` with the password `open-sesame` (`htpasswd -Bbn tester open-sesame`).
pub(crate) const HTPASSWD: &str =
    "tester:$2y$05$2WHWEawFw3K9gD9hjjJXt.UssoyU6.Lyvcv4g74GTSlnn6UvzHNvG\n";

/// Starts a registry, or says loudly that there is none.
pub(crate) fn registry(demands: &RegistryDemands) -> Option<DockerRegistry> {
    let registry = DockerRegistry::start(demands);
    if registry.is_none() {
        skip("docker-registry is not installed");
    }
    registry
}

/// Bytes that do not compress.
pub(crate) fn noise(size: u32) -> Vec<u8> {
    let mut state = size | 1;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

/// Builds an image of two layers, the second of which is a few megabytes, and returns its ID.
#[track_caller]
pub(crate) fn build(scratch: &Scratch, name: &str) -> String {
    scratch
        .write("app/small", "small")
        .write("app/large", noise(3_000_000))
        .write(
            "app/Dockerfile",
            "FROM scratch\nCOPY small /\nCOPY large /\nENV KEY=value\nCMD [\"/small\"]\n",
        );
    let built = scratch.jettison(&["build", "-q", "-t", name, "app"]);
    built.succeeded().stdout.trim().to_owned()
}

/// The ID of the image that is called so, if there is one.
pub(crate) fn id_of(scratch: &Scratch, name: &str) -> Option<String> {
    let listed = scratch.jettison(&["images", "--format", "json", name]);
    let listed = listed.succeeded().stdout;
    let image: serde_json::Value = serde_json::from_str(listed.lines().next()?).unwrap();
    image["ID"].as_str().map(str::to_owned)
}

fn digest_line(outcome: &Outcome) -> String {
    let line = outcome
        .stderr
        .lines()
        .find(|line| line.contains("igest: sha256:"));
    let (_, digest) = line.unwrap().split_once("sha256:").unwrap();
    digest[..64].to_owned()
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let name = format!("{}/team/app:1", registry.authority());
    let scratch = Scratch::new(PROGRAM);
    let id = build(&scratch, &name);
    let pushed = scratch.jettison(&["push", &name]).succeeded();
    assert_eq!(pushed.stdout, format!("{name}\n"));
    let again = scratch.jettison(&["push", &name]).succeeded();
    assert_eq!(digest_line(&again), digest_line(&pushed));
    assert_eq!(
        again.stderr.matches("Layer already exists").count(),
        3,
        "{}",
        again.stderr
    );

    let other = Scratch::new(PROGRAM);
    let pulled = other.jettison(&["pull", &name]).succeeded();
    assert_eq!(digest_line(&pulled), digest_line(&pushed));
    assert!(
        pulled.stderr.contains("Status: Downloaded newer image"),
        "{}",
        pulled.stderr
    );
    assert!(
        id_of(&other, &name)
            .is_some_and(|pulled| id.contains(pulled.trim_start_matches("sha256:")))
    );
    let again = other.jettison(&["pull", &name]).succeeded();
    assert!(
        again.stderr.contains("Status: Image is up to date"),
        "{}",
        again.stderr
    );
    let quiet = other.jettison(&["pull", "-q", &name]).succeeded();
    assert_eq!(
        (quiet.stdout, quiet.stderr),
        (format!("{name}\n"), String::new())
    );

    // By its digest it is the same image, and by another name in the registry it keeps its digest.
    let pinned = format!(
        "{}@sha256:{}",
        name.trim_end_matches(":1"),
        digest_line(&pushed)
    );
    other.jettison(&["pull", &pinned]).succeeded();
    let all = name.trim_end_matches(":1");
    let all = other.jettison(&["pull", "-a", all]).succeeded();
    assert_eq!(all.stdout, format!("{name}\n"));
}

#[test]
fn what_is_not_there_is_said_at_once() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    let authority = registry.authority();
    let shown = |arguments: &[&str]| {
        let outcome = scratch.jettison(arguments).to_string();
        outcome.replace(&authority, "[REGISTRY]")
    };
    expect![[r#"
        exit: 2
        --- stderr ---
        1: Pulling from 127.0.0.1:[PORT]/none
        error: cannot pull 127.0.0.1:[PORT]/none:1
          cause: 127.0.0.1:[PORT] has no none:1
    "#]]
    .assert_eq(&shown(&["pull", &format!("{authority}/none:1")]));
    expect![[r#"
        exit: 2
        --- stderr ---
        error: there is no image called 127.0.0.1:[PORT]/none:1
        hint: `jettison images` lists what there is; `jettison build -t NAME` names what it builds
    "#]]
    .assert_eq(&shown(&["push", &format!("{authority}/none:1")]));
    build(&scratch, &format!("{authority}/app:1"));
    scratch
        .jettison(&["push", &format!("{authority}/app:1")])
        .succeeded();
    expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot pull 127.0.0.1:[PORT]/app:1
          cause: 127.0.0.1:[PORT]/app:1 is not there for linux/s390x, but for linux/amd64
        hint: choose one with --platform
    "#]]
    .assert_eq(&shown(&[
        "pull",
        "-q",
        "--platform",
        "linux/s390x",
        &format!("{authority}/app:1"),
    ]));
    expect![[r#"
        exit: 2
        --- stderr ---
        error: there is no image called 127.0.0.1:[PORT]/app@[ID]
        hint: `jettison images` lists what there is; `jettison build -t NAME` names what it builds
    "#]]
    .assert_eq(&shown(&[
        "push",
        &format!("{authority}/app@sha256:{}", "0".repeat(64)),
    ]));
}

/// The line that says what the base is.
#[track_caller]
fn base_of(stderr: &str) -> &str {
    let mut lines = stderr.lines();
    lines.find(|line| line.contains("FROM ")).unwrap()
}

#[test]
fn a_base_that_is_not_in_the_store_is_pulled() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let base = format!("{}/base", registry.authority());
    let maker = Scratch::new(PROGRAM);
    build(&maker, &base);
    maker.jettison(&["push", &base]).succeeded();

    let scratch = Scratch::new(PROGRAM);
    scratch.write(
        "top/Dockerfile",
        format!("FROM {base}\nCOPY --from={base} /small /copy\n"),
    );
    let built = scratch.jettison(&["build", "-t", "top", "top"]).succeeded();
    let first = base_of(&built.stderr);
    assert!(
        first.contains(&format!("FROM {base}:latest@sha256:")),
        "{first}"
    );
    // Now it is there, and nobody is asked.
    let again = scratch.jettison(&["build", "-t", "top", "top"]).succeeded();
    assert_eq!(base_of(&again.stderr), first);
    assert!(!again.stderr.contains("Pulling"), "{}", again.stderr);
    // Unless that is wanted.
    maker.write("app/small", "other");
    maker
        .jettison(&["build", "-q", "-t", &base, "app"])
        .succeeded();
    maker.jettison(&["push", &base]).succeeded();
    let fresh = scratch
        .jettison(&["build", "--pull", "-t", "top", "top"])
        .succeeded();
    assert_ne!(base_of(&fresh.stderr), first);
    let (before, after) = (
        built.stderr.contains("CACHED"),
        fresh.stderr.contains("CACHED"),
    );
    assert_eq!((before, after), (false, false), "{}", fresh.stderr);
}

/// Runs the program with something on its standard input.
fn with_input(scratch: &Scratch, arguments: &[&str], input: &str) -> Outcome {
    let mut command = scratch.command(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    Outcome::new(&child.wait_with_output().unwrap(), Vec::new())
}

#[test]
fn a_login_is_checked_kept_and_forgotten() {
    let demands = RegistryDemands {
        htpasswd: Some(HTPASSWD.to_owned()),
        ..RegistryDemands::default()
    };
    let Some(registry) = registry(&demands) else {
        return;
    };
    let authority = registry.authority();
    let name = format!("{authority}/app:1");
    let scratch = Scratch::new(PROGRAM);
    build(&scratch, &name);
    let refused = scratch.jettison(&["push", &name]);
    assert_eq!(refused.code, 2);
    let hint = format!("jettison login {authority}");
    assert!(refused.stderr.contains(&hint), "{}", refused.stderr);

    let config = "home/.docker/config.json";
    scratch.write(
        config,
        r#"{"detachKeys": "ctrl-x", "auths": {"other.example": {"auth": "YTpi"}}}"#,
    );
    let login = ["login", "-u", "tester", "--password-stdin", &authority];
    let wrong = with_input(&scratch, &login, "guess\n");
    assert_eq!(
        (wrong.code, wrong.stdout.as_str()),
        (2, ""),
        "{}",
        wrong.stderr
    );
    assert!(!wrong.stderr.contains("guess"), "{}", wrong.stderr);
    assert!(!scratch.read(config).contains(&authority));

    let right = with_input(&scratch, &login, "open-sesame\n");
    assert_eq!(
        (right.code, right.stdout.as_str()),
        (0, "Login Succeeded\n"),
        "{}",
        right.stderr
    );
    let kept: serde_json::Value = serde_json::from_str(&scratch.read(config)).unwrap();
    assert_eq!(kept["detachKeys"], "ctrl-x");
    assert_eq!(kept["auths"]["other.example"]["auth"], "YTpi");
    assert_eq!(
        kept["auths"][&authority]["auth"],
        "dGVzdGVyOm9wZW4tc2VzYW1l"
    );
    let mode = fs::metadata(scratch.dir().join(config))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    scratch.jettison(&["push", &name]).succeeded();
    scratch.jettison(&["pull", &name]).succeeded();

    let out = scratch.jettison(&["logout", &authority]).succeeded();
    assert_eq!(
        out.stdout,
        format!("Removing login credentials for {authority}\n")
    );
    let out = scratch.jettison(&["logout", &authority]).succeeded();
    assert_eq!(out.stdout, format!("Not logged in to {authority}\n"));
    assert!(scratch.read(config).contains("YTpi"));
    assert_eq!(scratch.jettison(&["pull", &name]).code, 2);
}

#[test]
fn a_helper_keeps_credentials() {
    let demands = RegistryDemands {
        htpasswd: Some(HTPASSWD.to_owned()),
        ..RegistryDemands::default()
    };
    let Some(registry) = registry(&demands) else {
        return;
    };
    let authority = registry.authority();
    let scratch = Scratch::new(PROGRAM);
    let helper = "#!/bin/sh\ncase $1 in\nget) cat \"$HOME/kept\" 2>/dev/null || { echo credentials not found in native keychain; exit 1; } ;;\nstore) cat >\"$HOME/kept\" ;;\nerase) rm \"$HOME/kept\" ;;\nesac\n";
    scratch
        .write("bin/docker-credential-test", helper)
        .write("home/.docker/config.json", r#"{"credsStore": "test"}"#);
    let program = scratch.dir().join("bin/docker-credential-test");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |arguments: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", scratch.dir().join("bin").display());
        let mut command = scratch.command(arguments);
        scratch.outcome(command.env("PATH", path))
    };
    let login = ["login", "-u", "tester", "-p", "open-sesame", &authority];
    let login = run(&login).succeeded();
    assert!(
        login.stderr.contains("warning: others on this host"),
        "{}",
        login.stderr
    );
    let kept: serde_json::Value = serde_json::from_str(&scratch.read("home/kept")).unwrap();
    assert_eq!(kept["Secret"], "open-sesame");
    assert!(!scratch.read("home/.docker/config.json").contains("auth\""));
    let name = format!("{authority}/app:1");
    build(&scratch, &name);
    run(&["push", &name]).succeeded();
    run(&["logout", &authority]).succeeded();
    assert!(!scratch.exists("home/kept"));
    assert_eq!(run(&["push", &name]).code, 2);
}

/// Makes an authority, and a certificate of it for 127.0.0.1, also as 0.0.0.0: the authority's file, the certificate's and the key's.
pub(crate) fn certificates(directory: &Path) -> Option<[PathBuf; 3]> {
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2 -addext basicConstraints=critical,CA:TRUE
        openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=registry
        printf 'subjectAltName=IP:127.0.0.1,IP:0.0.0.0\\nbasicConstraints=CA:FALSE\\n' >extensions
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out certificate.pem -days 2 -extfile extensions";
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let made = status.is_ok_and(|status| status.success());
    made.then(|| ["ca.pem", "certificate.pem", "key.pem"].map(|name| directory.join(name)))
}

#[test]
fn a_private_authority_is_trusted_where_the_user_says_so() {
    let scratch = Scratch::new(PROGRAM);
    let Some([authority_file, certificate, key]) = certificates(scratch.dir()) else {
        skip("openssl is not installed");
        return;
    };
    let demands = RegistryDemands {
        certificate: Some((certificate, key)),
        ..RegistryDemands::default()
    };
    let Some(registry) = registry(&demands) else {
        return;
    };
    let authority = registry.authority();
    let name = format!("{authority}/app:1");
    build(&scratch, &name);
    let settings = |text: &str| {
        let text = format!("[registries.\"{authority}\"]\n{text}\n");
        scratch.write("home/.config/jettison/config.toml", text);
    };
    // On this machine nobody has to vouch for it, unless that is wanted.
    settings("insecure = false");
    let refused = scratch.jettison(&["push", &name]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("hint: name the authority"),
        "{}",
        refused.stderr
    );
    settings(&format!(
        "insecure = false\nca = \"{}\"",
        authority_file.display()
    ));
    scratch.jettison(&["push", &name]).succeeded();
    settings("insecure = false");
    let mut command = scratch.command(&["pull", &name]);
    scratch
        .outcome(command.env("SSL_CERT_FILE", &authority_file))
        .succeeded();
    settings("insecure = true");
    scratch.jettison(&["pull", &name]).succeeded();
}

#[test]
fn a_registry_may_be_killed_in_the_middle_of_an_upload() {
    for forgets in [false, true] {
        let Some(registry) = registry(&RegistryDemands::default()) else {
            return;
        };
        let registry = Arc::new(registry);
        let proxy = FaultProxy::start(&registry.authority());
        let name = format!("{}/app:1", proxy.authority());
        let scratch = Scratch::new(PROGRAM);
        let id = build(&scratch, &name);
        let shared = Arc::clone(&registry);
        proxy.plan(MishapPlan {
            method: "PATCH",
            path: "/uploads/".to_owned(),
            after: 0,
            times: 1,
            mishap: Mishap::HalfSent(Arc::new(move || {
                if forgets {
                    shared.forget_uploads();
                }
                shared.restart();
            })),
        });
        let pushed = scratch.jettison(&["push", &name]).succeeded();
        assert!(proxy.has_happened(1));
        assert!(
            pushed.stderr.contains("Retrying after attempt 1"),
            "{}",
            pushed.stderr
        );
        let direct = format!("{}/app:1", registry.authority());
        let other = Scratch::new(PROGRAM);
        other.jettison(&["pull", &direct]).succeeded();
        let pulled = id_of(&other, &direct).unwrap();
        assert!(
            id.contains(pulled.trim_start_matches("sha256:")),
            "{id} {pulled}"
        );
    }
}

#[test]
fn what_skopeo_writes_in_dockers_format_is_the_same_image() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let repository = format!("{}/team/app", registry.authority());
    let scratch = Scratch::new(PROGRAM);
    let ours = format!("{repository}:ours");
    let id = build(&scratch, &ours);
    scratch
        .jettison(&[
            "push",
            "--compression",
            "zstd",
            &format!("{repository}:ours"),
        ])
        .succeeded();
    scratch.jettison(&["push", &ours]).succeeded();
    let theirs = format!("{repository}:theirs");
    let copied = scratch
        .tool(
            "skopeo",
            &[
                "--insecure-policy",
                "copy",
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
                "--format=v2s2",
                &format!("docker://{ours}"),
                &format!("docker://{theirs}"),
            ],
        )
        .output();
    let Ok(copied) = copied else {
        skip("skopeo is not installed");
        return;
    };
    Outcome::new(&copied, Vec::new()).succeeded();
    let other = Scratch::new(PROGRAM);
    let pulled = other.jettison(&["pull", &theirs]).succeeded();
    let pulled_id = id_of(&other, &theirs).unwrap();
    assert!(id.contains(pulled_id.trim_start_matches("sha256:")));
    // Docker's manifest stays Docker's, to the byte.
    let again = format!("{repository}:again");
    other.jettison(&["tag", &theirs, &again]).succeeded();
    let pushed = other.jettison(&["push", &again]).succeeded();
    assert_eq!(digest_line(&pushed), digest_line(&pulled));
}

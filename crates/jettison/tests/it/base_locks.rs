//! Lock files of bases, and packages that archives have no more. Packages are made here and served on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use jettison_debian::{Keyring, Sha256};
use jettison_testkit::{FileServer, Outcome, Scratch, WebAnswer, WebServer, skip};

use crate::PROGRAM;
use crate::family::with_root;
use crate::shared::namespaces_work;

/// A recipe that needs one package.
const RECIPE: &str = "releases = [13]\ndescription = \"a test\"\npackages = [\"hello\"]\n";
/// Where the package is, below its archive.
const POOL: &str = "pool/main/h/hello/hello_1_all.deb";

/// A package with a program; nothing, loudly, if it cannot be built here.
fn package(scratch: &Scratch) -> Option<Vec<u8>> {
    let control = "Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: a test\n";
    scratch
        .write("hello/DEBIAN/control", control)
        .write("hello/usr/bin/hello", "hello\n");
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "--build", "hello", "hello.deb"]);
    let built = command.current_dir(scratch.dir()).output();
    if !built.is_ok_and(|output| output.status.success()) {
        skip("dpkg-deb cannot build a package");
        return None;
    }
    Some(fs::read(scratch.dir().join("hello.deb")).unwrap())
}

/// A world with the recipe, and a lock of it whose package is in the archive at `uri`.
fn locked(scratch: &Scratch, uri: &str, package: &[u8]) {
    // As recipes are told apart: the release, and what each level wants.
    let request = Sha256::of(b"Debian 13\nhello\nignore \n");
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let (size, sha256) = (package.len(), Sha256::of(package));
    let signer = &Keyring::debian().fingerprints()[0];
    let release = Sha256::of(b"");
    let lock = format!(
        "version = 1\nrequest = \"{request}\"\n\n[[archive]]\nuri = \"{uri}\"\nsuite = \"trixie\"\ncodename = \"trixie\"\ndate = 2026-08-01T00:00:00Z\nrelease = \"{release}\"\nsigners = [\"{signer}\"]\n\n[[package.{architecture}]]\nname = \"hello\"\nversion = \"1\"\narchitecture = \"all\"\narchive = 0\npath = \"{POOL}\"\nsize = {size}\nsha256 = \"{sha256}\"\n"
    );
    scratch
        .write("hello.toml", RECIPE)
        .write("hello.lock", lock);
}

const BUILD: [&str; 6] = ["base", "build", "hello.toml", "-q", "--lock", "hello.lock"];

fn build(scratch: &Scratch, variables: &[(&str, &str)]) -> Outcome {
    let mut command = scratch.command(&BUILD);
    command.envs(variables.iter().copied());
    scratch.outcome(&mut command)
}

fn serving(path: &str, bytes: &[u8]) -> FileServer {
    FileServer::start(BTreeMap::from([(path.to_string(), bytes.to_vec())]))
}

#[test]
fn a_package_that_the_archive_has_no_more_is_in_its_snapshots() {
    let scratch = Scratch::new(PROGRAM);
    let Some(package) = package(&scratch) else {
        return;
    };
    let path = format!("/archive/debian/20260801T000000Z/{POOL}");
    let server = serving(&path, &package);
    locked(&scratch, &server.url("/debian"), &package);
    expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot assemble distroless://hello-debian13
          cause: http://127.0.0.1:[PORT]/debian/pool/main/h/hello/hello_1_all.deb does not exist: newer packages may have taken its place (`jettison base update` writes a lock file anew; `snapshot` under [debian] in the settings names an archive that keeps old ones)
    "#]]
    .assert_eq(&build(&scratch, &[]).to_string());
    let settings = format!("[debian]\nsnapshot = \"{}\"\n", server.url(""));
    scratch.write("jettison.toml", settings);
    build(&scratch, &[]).succeeded();
    let asked = server.requests();
    let later = format!("/archive/debian/20260801T120000Z/{POOL}");
    assert_eq!(&asked[asked.len() - 2..], [later, path]);
    // Now it is here.
    scratch.write("jettison.toml", "");
    build(&scratch, &[]).succeeded();
    assert_eq!(server.requests().len(), asked.len());
}

#[test]
fn archives_are_reached_through_the_proxies_of_the_environment() {
    let scratch = Scratch::new(PROGRAM);
    let Some(package) = package(&scratch) else {
        return;
    };
    let uri = "http://archive.example/debian";
    // Who asks a proxy names all of the address.
    let proxy = serving(&format!("{uri}/{POOL}"), &package);
    locked(&scratch, uri, &package);
    for variable in ["http_proxy", "HTTP_PROXY"] {
        let outcome = build(&scratch, &[(variable, &proxy.url(""))]);
        outcome.succeeded();
        fs::remove_dir_all(scratch.root().join("downloads")).unwrap();
    }
    assert_eq!(proxy.requests().len(), 2);
    // An exception is reached without it.
    let server = serving(&format!("/debian/{POOL}"), &package);
    locked(&scratch, &server.url("/debian"), &package);
    let exception = [
        ("http_proxy", "http://127.0.0.1:1"),
        ("no_proxy", "127.0.0.1"),
    ];
    build(&scratch, &exception).succeeded();
    assert_eq!(server.requests().len(), 1);
}

/// Makes an authority and a server's certificate; says loudly if that cannot be.
fn certificates(scratch: &Scratch) -> bool {
    let commands = "\
        set -e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2 -addext basicConstraints=critical,CA:TRUE
        openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=archive
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost' > extensions
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out certificate.pem -days 2 -extfile extensions";
    let mut command = scratch.tool("sh", &["-c", commands]);
    let made = command.output().is_ok_and(|output| output.status.success());
    if !made {
        skip("openssl is not installed");
    }
    made
}

#[test]
fn an_archive_may_have_a_certificate_of_an_authority_that_is_named() {
    let scratch = Scratch::new(PROGRAM);
    let Some(package) = package(&scratch) else {
        return;
    };
    if !certificates(&scratch) {
        return;
    }
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let pool = scratch.dir().join("served/debian").join(POOL);
    fs::create_dir_all(pool.parent().unwrap()).unwrap();
    fs::write(&pool, &package).unwrap();
    let accept = port.to_string();
    let words = [
        "s_server",
        "-accept",
        &accept,
        "-cert",
        "../certificate.pem",
        "-key",
        "../key.pem",
        "-WWW",
    ];
    let mut command = scratch.tool("openssl", &words);
    command.current_dir(scratch.dir().join("served"));
    let mut server = command.spawn().unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..100 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    locked(
        &scratch,
        &format!("https://127.0.0.1:{port}/debian"),
        &package,
    );
    let refused = build(&scratch, &[]);
    let by_option = scratch.jettison(&[&BUILD[..], &["--ca", "ca.pem"]].concat());
    fs::remove_dir_all(scratch.root().join("downloads")).unwrap();
    scratch.write("jettison.toml", "[build]\nca = \"ca.pem\"\n");
    let by_settings = build(&scratch, &[]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("certificate"), "{refused}");
    by_option.succeeded();
    by_settings.succeeded();
}

/// Builds `app` in a world of its own.
fn app(scratch: &Scratch) -> Outcome {
    scratch.jettison(&["build", "-q", "app"])
}

#[test]
fn a_lock_file_is_in_the_context_and_nowhere_else() {
    if !namespaces_work() {
        return;
    }
    let check = |lock: &str, expected: expect_test::Expect| {
        let scratch = Scratch::new(PROGRAM);
        scratch.write(
            "app/Dockerfile",
            format!("FROM distroless://static?lock={lock}\n"),
        );
        scratch.write("outside.lock", "version = 1\n");
        let link = scratch.dir().join("app/link.lock");
        std::os::unix::fs::symlink("../outside.lock", link).unwrap();
        let outcome = app(&scratch);
        assert_eq!(outcome.code, 2, "{outcome}");
        let cause = outcome.stderr.lines().find(|line| line.contains("= cause"));
        expected.assert_eq(cause.unwrap_or_default().trim());
        let outside = fs::read_to_string(scratch.dir().join("outside.lock")).unwrap();
        assert_eq!(outside, "version = 1\n");
    };
    check(
        "../outside.lock",
        expect![
            "= cause: the lock file app/../outside.lock is not in the build context, nor in the directory of the user's settings"
        ],
    );
    check(
        "/etc/passwd",
        expect![
            "= cause: the lock file /etc/passwd is not in the build context, nor in the directory of the user's settings"
        ],
    );
    check(
        "link.lock",
        expect!["= cause: the lock file app/link.lock is not a regular file"],
    );
    check(
        "",
        expect![
            "= cause: `distroless://static?lock=` does not name one lock file: take ?lock=FILE"
        ],
    );
}

#[test]
fn a_build_is_pinned_by_the_lock_file_that_its_base_names() {
    with_root(|scratch| {
        scratch
            .write(
                "app/jettison.toml",
                "[bases]\n\"gcr.io/distroless/*\" = \"distroless://*?lock=locks/*.lock\"\n",
            )
            .write("app/locks/readme", "")
            .write("app/Dockerfile", "FROM gcr.io/distroless/static-debian12\n");
        let first = scratch
            .jettison(&["build", "-q", "-t", "pinned/app", "app"])
            .succeeded();
        let lock = scratch.dir().join("app/locks/static-debian12.lock");
        let text = fs::read_to_string(&lock).unwrap();
        assert!(text.contains("name = \"tzdata\""), "{text}");
        // Another root needs no index.
        let other = Scratch::new(PROGRAM);
        copy(
            &scratch.root().join("downloads/sha256"),
            &other.root().join("downloads"),
        );
        copy(&scratch.dir().join("app"), other.dir());
        let mut command = other.command(&["build", "-q", "app"]);
        command.env("http_proxy", "http://127.0.0.1:9");
        let again = other.outcome(&mut command).succeeded();
        assert_eq!(again.stdout, first.stdout);
        // The file belongs to a recipe.
        let changed = "FROM gcr.io/distroless/static-debian12\nFROM distroless://base-debian12?lock=locks/static-debian12.lock\n";
        scratch.write("app/Dockerfile", changed);
        let refused = app(scratch);
        assert!(
            refused
                .stderr
                .contains("is not the lock of distroless://base-debian12: `jettison base update"),
            "{refused}"
        );
        // What moved is said of all that the settings lock.
        let settings = "[bases]\n\"app/base\" = \"distroless://static-debian12?lock=app/locks/static-debian12.lock\"\n";
        scratch.write("jettison.toml", settings);
        let older = text.replace(
            "name = \"tzdata\"\nversion = \"",
            "name = \"tzdata\"\nversion = \"1~",
        );
        assert_ne!(older, text);
        fs::write(&lock, older).unwrap();
        let updated = scratch.jettison(&["base", "update"]).succeeded();
        assert!(updated.stdout.starts_with("tzdata 1~"), "{updated}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), text);
        let same = [
            "base",
            "diff",
            "pinned/app",
            "app/locks/static-debian12.lock",
        ];
        assert_eq!(scratch.jettison(&same).succeeded().stdout, "");
    });
}

/// Snapshots of archives redirect to where files are.
#[test]
fn archives_of_the_past_are_at_addresses_with_times() {
    with_root(|scratch| {
        let build = ["base", "build", "static-debian12", "-q", "--lock"];
        let now = scratch
            .jettison(&[&build[..], &["now.lock"]].concat())
            .succeeded();
        let lock = fs::read_to_string(scratch.dir().join("now.lock")).unwrap();
        let lock: toml::Table = lock.parse().unwrap();
        let uris = lock["archive"].as_array().unwrap().iter();
        let uris: Vec<String> = uris
            .map(|archive| archive["uri"].as_str().unwrap().to_owned())
            .collect();
        let server = WebServer::start(move |request, _| {
            let place = |uri: &String| {
                let name = uri.rsplit('/').next().unwrap_or_default();
                let start = format!("/archive/{name}/20260801T000000Z/");
                let rest = request.path.strip_prefix(&start)?;
                Some(format!("{uri}/{rest}"))
            };
            match uris.iter().find_map(place) {
                Some(place) => WebAnswer::status(302).header("Location", &place),
                None => WebAnswer::status(404),
            }
        });
        let past = |name: &str| server.url(&format!("/archive/{name}/20260801T000000Z"));
        let (main, security) = (past("debian"), past("debian-security"));
        let settings = format!(
            "[debian]\narchive = \"{main}\"\nsecurity-archive = \"{security}\"\ncheck-valid-until = false\n"
        );
        scratch.write("jettison.toml", settings);
        let then = scratch
            .jettison(&[&build[..], &["then.lock"]].concat())
            .succeeded();
        assert_eq!(then.stdout, now.stdout);
        let lock = fs::read_to_string(scratch.dir().join("then.lock")).unwrap();
        assert!(lock.contains(&format!("uri = \"{main}\"")), "{lock}");
        assert!(lock.contains("check-valid-until = false\n"), "{lock}");
        assert!(server.requests().len() >= 3, "{:?}", server.requests());
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut command = Command::new("cp");
    assert!(
        command
            .arg("-r")
            .arg(from)
            .arg(to)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_base_is_made_again_of_the_packages_that_were_chosen_last() {
    with_root(|scratch| {
        scratch.write("app/Dockerfile", "FROM distroless://static-debian13\n");
        let first = app(scratch).succeeded();
        let list = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let images = scratch.jettison(&list).succeeded();
        let names: Vec<&str> = images
            .stdout
            .lines()
            .filter(|name| name.contains("distroless:static"))
            .collect();
        assert!(!names.is_empty(), "{images}");
        for name in names {
            scratch.jettison(&["rmi", name]).succeeded();
        }
        let mut command = scratch.command(&["build", "-q", "app"]);
        command.env("http_proxy", "http://127.0.0.1:9");
        let again = scratch.outcome(&mut command).succeeded();
        assert_eq!(again.stdout, first.stdout);
    });
}

#[test]
fn the_same_lock_gives_the_same_debian_any_day() {
    with_root(|scratch| {
        scratch.write(
            "app/Dockerfile",
            "FROM debian://trixie?variant=essential&include=passwd&lock=essential.lock\n",
        );
        let first = scratch
            .jettison(&["build", "-q", "-t", "pinned/essential", "app"])
            .succeeded();
        let name = "debian://trixie?variant=essential&include=passwd&lock=app/essential.lock";
        let other = Scratch::new(PROGRAM);
        copy(
            &scratch.root().join("downloads/sha256"),
            &other.root().join("downloads"),
        );
        copy(&scratch.dir().join("app"), other.dir());
        let mut command = other.command(&["base", "build", name, "-q"]);
        command.env("http_proxy", "http://127.0.0.1:9");
        let again = other.outcome(&mut command).succeeded();
        assert_eq!(again.stdout, first.stdout);
        // No clock of the day was read.
        scratch.write("unpack/Dockerfile", "FROM pinned/essential\n");
        let unpack = ["build", "-q", "-o", "type=local,dest=files", "unpack"];
        scratch.jettison(&unpack).succeeded();
        let files = scratch.dir().join("files");
        let shadow = fs::read_to_string(files.join("etc/shadow")).unwrap();
        let days = shadow
            .lines()
            .filter_map(|line| line.split(':').nth(2)?.parse::<u64>().ok());
        let lock = fs::read_to_string(scratch.dir().join("app/essential.lock")).unwrap();
        let lock: toml::Table = lock.parse().unwrap();
        let dates = lock["archive"].as_array().unwrap().iter();
        let newest = dates
            .map(|archive| archive["date"].to_string())
            .max()
            .unwrap();
        assert!(days.max().unwrap() <= days_since_1970(&newest), "{shadow}");
    });
}

/// The day of a date, counted from 1970.
fn days_since_1970(date: &str) -> u64 {
    let output = Command::new("date")
        .args(["-u", "+%s", "-d", date])
        .output()
        .unwrap();
    let seconds: u64 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    seconds / 86_400
}

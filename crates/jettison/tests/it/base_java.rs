//! Java's bases: what programs in Java do works there, and they are small.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;

use crate::bases::{assembled, unpacked, with_root};

const FEATURES: &str = include_str!("base_java/Features.java");
const SMALL: &str = include_str!("base_java/Small.java");

/// Compiles both programs, and gets their jars. No base but one with a whole JDK can.
fn compile(scratch: &Scratch) {
    let jdk = assembled(scratch, "java17+openjdk-17-jdk-headless");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let bin = format!("/usr/lib/jvm/java-17-openjdk-{architecture}/bin");
    let dockerfile = format!(
        r#"FROM {jdk} AS jdk
WORKDIR /jars
COPY *.java /
RUN ["{bin}/javac", "-d", "/features", "/Features.java"]
RUN ["{bin}/keytool", "-genkeypair", "-alias", "server", "-keyalg", "EC", "-dname", "CN=localhost", "-ext", "san=dns:localhost", "-validity", "3650", "-storetype", "PKCS12", "-keystore", "/features/server.p12", "-storepass", "changeit"]
RUN ["{bin}/jar", "--create", "--file", "/jars/features.jar", "--main-class", "Features", "-C", "/features", "."]
RUN ["{bin}/javac", "-d", "/small", "/Small.java"]
RUN ["{bin}/jar", "--create", "--file", "/jars/small.jar", "--main-class", "Small", "-C", "/small", "."]
FROM scratch
COPY --from=jdk /jars /
"#
    );
    scratch
        .write("jars/Dockerfile", dockerfile)
        .write("jars/Features.java", FEATURES)
        .write("jars/Small.java", SMALL);
    scratch
        .jettison(&["build", "-q", "jars", "-o", "type=local,dest=built"])
        .succeeded();
}

/// What the program in `jar` says on a base without privileges, whose files cannot be written.
#[track_caller]
fn run(scratch: &Scratch, base: &str, jar: &str) -> String {
    let app = format!("app-{}", jar.trim_end_matches(".jar"));
    let jar_there = scratch.dir().join(&app);
    fs::create_dir_all(&jar_there).unwrap();
    fs::copy(
        scratch.dir().join("built").join(jar),
        jar_there.join("app.jar"),
    )
    .unwrap();
    let dockerfile = format!("FROM {base}\nCOPY app.jar /app.jar\nCMD [\"/app.jar\"]\n");
    scratch.write(&format!("{app}/Dockerfile"), dockerfile);
    scratch
        .jettison(&["build", "-q", &app, "-t", "app"])
        .succeeded();
    let arguments = [
        "run",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--add-host",
        "jettison.example:10.9.8.7",
        "app",
    ];
    scratch.jettison(&arguments).succeeded().stdout
}

/// The sizes of all regular files, in megabytes.
fn megabytes(dir: &Path) -> f64 {
    let mut bytes = 0;
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let facts = entry.metadata().unwrap();
            if facts.is_dir() {
                left.push(entry.path());
            } else if facts.is_file() {
                bytes += facts.len();
            }
        }
    }
    let kilobytes = u32::try_from(bytes / 1000).unwrap();
    f64::from(kilobytes) / 1000.0
}

#[track_caller]
fn check(scratch: &Scratch, base: &str, largest: f64, jar: &str, expected: &Expect) {
    let tag = assembled(scratch, base);
    let size = megabytes(&unpacked(scratch, &tag));
    assert!(size <= largest, "{base} has {size} MB");
    expected.assert_eq(&run(scratch, &tag, jar));
}

#[test]
fn what_programs_do_works_on_javas_bases() {
    with_root(|scratch| {
        compile(scratch);
        let all = expect![[r#"
            fonts: true
            draw and png: true
            jpeg: true
            random: 16
            zones: 15:00 Etc/UTC
            locales: 1. März 2024
            issuers are those of the bundle: true
            tls: hello, refused without it
            process: 0
            zip: 1000
            preferences: b
            charset: UTF-8 UTF-8
            names of files: 5
            hosts: 10.9.8.7
            link: true
            version: true
            user: nonroot /home/nonroot
            read-only: true
            compiler: false
            unknown: ours has a line: true
        "#]];
        for (base, largest) in [
            ("java17-debian12:nonroot", 226.7),
            ("java21-debian13:nonroot", 150.0),
        ] {
            check(scratch, base, largest, "features.jar", &all);
        }
        let jar = "built/small.jar";
        let arguments = ["base", "java", "--for", jar, "--java", "17", "-t", "small"];
        let said = scratch.jettison(&arguments).succeeded().stdout;
        assert!(
            said.contains("java.sql               classes in small.jar\n"),
            "{said}"
        );
        assert!(!said.contains("java.desktop"), "{said}");
        let small = expect![[r#"
            2024-07-01 10:00:00.0 0 UTF-8
        "#]];
        small.assert_eq(&run(scratch, "small", "small.jar"));
        let minimal = assembled(scratch, "java-minimal-debian12");
        let size = megabytes(&unpacked(scratch, &minimal));
        assert!(size <= 53.0, "java-minimal has {size} MB");
    });
}

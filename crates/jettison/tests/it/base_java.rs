//! Java's bases: what programs in Java do works there, and they are small.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;

use crate::bases::{assembled, unpacked, with_root};

const FEATURES: &str = include_str!("base_java/Features.java");
const SMALL: &str = include_str!("base_java/Small.java");
const SLICES: &str = include_str!("base_java/Slices.java");
const MODULES: &str = include_str!("base_java/Modules.java");

/// Where the programs of a JDK are.
pub(crate) fn jdk_bin(java: &str) -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("/usr/lib/jvm/java-{java}-openjdk-{architecture}/bin")
}

/// Compiles the programs, and gets their jars. No base but one with a whole JDK can.
fn compile(scratch: &Scratch) {
    let jdk = assembled(scratch, "java17+openjdk-17-jdk-headless");
    let bin = jdk_bin("17");
    let dockerfile = format!(
        r#"FROM {jdk} AS jdk
WORKDIR /jars
COPY *.java /
RUN ["{bin}/javac", "-source", "11", "-target", "11", "-d", "/features", "/Features.java"]
RUN ["{bin}/keytool", "-genkeypair", "-alias", "server", "-keyalg", "EC", "-dname", "CN=localhost", "-ext", "san=dns:localhost", "-validity", "3650", "-storetype", "PKCS12", "-keystore", "/features/server.p12", "-storepass", "changeit"]
RUN ["{bin}/jar", "--create", "--file", "/jars/features.jar", "--main-class", "Features", "-C", "/features", "."]
RUN ["{bin}/javac", "-d", "/small", "/Small.java"]
RUN ["{bin}/jar", "--create", "--file", "/jars/small.jar", "--main-class", "Small", "-C", "/small", "."]
RUN ["{bin}/javac", "-d", "/slices", "/Slices.java"]
RUN ["{bin}/jar", "--create", "--file", "/jars/slices.jar", "--main-class", "Slices", "-C", "/slices", "."]
RUN ["{bin}/javac", "-d", "/modules", "/Modules.java"]
RUN ["{bin}/java", "--add-modules", "ALL-SYSTEM", "-cp", "/modules", "Modules", "/jars/modules"]
FROM scratch
COPY --from=jdk /jars /
"#
    );
    scratch
        .write("jars/Dockerfile", dockerfile)
        .write("jars/Features.java", FEATURES)
        .write("jars/Small.java", SMALL)
        .write("jars/Slices.java", SLICES)
        .write("jars/Modules.java", MODULES);
    scratch
        .jettison(&["build", "-q", "jars", "-o", "type=local,dest=built"])
        .succeeded();
}

/// What the program in `jar` says on a base without privileges, whose files cannot be written.
#[track_caller]
pub(crate) fn run(scratch: &Scratch, base: &str, jar: &str) -> String {
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
            ("java11-debian11:nonroot", 150.0),
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

/// What the slices of a linked runtime leave out, as `base show` has it.
#[track_caller]
fn left_out(scratch: &Scratch, keep: &[&str]) -> Vec<String> {
    let mut arguments = vec![
        "base",
        "show",
        "java17-debian12",
        "--lock",
        "java17-debian12.lock",
    ];
    for slice in keep {
        arguments.extend(["--keep", slice]);
    }
    let shown = scratch.jettison(&arguments).succeeded().stdout;
    let lines = shown.lines().filter_map(|line| {
        let mut words = line.strip_prefix("  java-")?.split_whitespace();
        let (name, size) = (words.next()?, words.next()?);
        assert_ne!(size, "0", "{shown}");
        Some(name.to_owned())
    });
    lines.collect()
}

#[test]
fn slices_of_javas_runtime_do_what_they_say() {
    with_root(|scratch| {
        compile(scratch);
        let tag = assembled(scratch, "java17-debian12");
        let without = expect![[r#"
            lines of Java's own classes: false
            archive of classes: false
        "#]];
        without.assert_eq(&run(scratch, &tag, "slices.jar"));
        assert_eq!(
            left_out(scratch, &[]),
            [
                "cds",
                "cds-large-heaps",
                "compiler-data",
                "line-numbers",
                "modules",
                "plain-locales"
            ]
        );
        let keep = ["java-cds", "java-line-numbers"];
        let lock = "java17-debian12.lock";
        let arguments = [
            "base",
            "build",
            "java17-debian12",
            "-t",
            "kept",
            "--lock",
            lock,
            "--keep",
            keep[0],
            "--keep",
            keep[1],
        ];
        scratch.jettison(&arguments).succeeded();
        let with = expect![[r#"
            lines of Java's own classes: true
            archive of classes: true
        "#]];
        with.assert_eq(&run(scratch, "kept", "slices.jar"));
        assert_eq!(
            left_out(scratch, &keep),
            [
                "cds-large-heaps",
                "compiler-data",
                "modules",
                "plain-locales"
            ]
        );
    });
}

#[test]
fn a_runtime_has_the_modules_of_openjdks_own() {
    with_root(|scratch| {
        compile(scratch);
        let root = unpacked(scratch, &assembled(scratch, "java17-debian12"));
        let home = jdk_bin("17").replace("/bin", "");
        let release = root.join(home.trim_start_matches('/')).join("release");
        let release = fs::read_to_string(release).unwrap();
        let modules = release
            .lines()
            .find_map(|line| line.strip_prefix("MODULES="));
        let mut modules: Vec<&str> = modules.unwrap().trim_matches('"').split(' ').collect();
        // The generator that Java takes if none is asked for; its own runtime lacks it.
        modules.retain(|module| *module != "jdk.random");
        modules.sort_unstable();
        // Its compilers in Java are not linked.
        let own = scratch.read("built/modules");
        let own: Vec<&str> = own
            .lines()
            .filter(|module| !module.starts_with("jdk.internal.vm."))
            .collect();
        assert_eq!(modules, own);
    });
}
